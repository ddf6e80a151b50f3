import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PepError } from '../core/errors.ts'

/**
 * One process, one journal folder. Node has no `flock`; SQLite, which is part of Node, takes the kernel's own file
 * lock for us. The kernel frees it however the process ends, so there is no stale lock to guess about, and it holds
 * between containers that share a volume, where process ids mean nothing.
 */
export type FolderLock = { readonly release: () => void }

/** @param folder must be there. @throws {PepError} PEP_JOURNAL when another process has the folder, or the lock cannot be taken. */
export function lockFolder(folder: string, now_ms: number): FolderLock {
  const holder = join(folder, 'lock.json')
  let database: DatabaseSync
  try {
    database = new DatabaseSync(join(folder, 'lock'), { timeout: 0 })
    // Nothing is ever written: the file stays empty, it only carries the lock.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    // Fail closed: without the lock nothing is opened, so nothing is journaled and nothing forwarded.
    throw new PepError(
      'PEP_JOURNAL',
      `the journal ${folder} is in use by another process (${describe(holder)}) or cannot be locked; ` +
        'stop that process, or give this one a folder of its own (pep.journal.folder)',
      { cause },
    )
  }
  writeFileSync(holder, JSON.stringify({ pid: process.pid, since_ms: now_ms }), { mode: 0o600 })
  return { release: () => database.close() }
}

/** Who has it, as far as is known; for the message only. */
function describe(holder: string): string {
  try {
    const { pid } = JSON.parse(readFileSync(holder, 'utf8')) as { pid?: unknown }
    return `process ${String(pid)}`
  } catch {
    return 'unknown'
  }
}
