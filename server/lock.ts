import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * One process, one folder. Node has no `flock`; SQLite, which is part of Node, takes the kernel's own file lock for
 * us. The kernel frees it however the process ends, so there is no stale lock to guess about, and it holds between
 * containers that share a volume, where process ids mean nothing.
 */
export type FolderLock = { readonly release: () => void }

/** Another process has the folder, or it cannot be locked; nothing may be opened then. */
export class FolderInUse extends Error {
  readonly code = 'FOLDER_IN_USE'
}

/**
 * @param folder must be there.
 * @param name of the lock, where several processes share a folder for different things.
 * @throws {FolderInUse}
 */
export function lockFolder(folder: string, name = 'lock'): FolderLock {
  const holder = join(folder, `${name}.json`)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(folder, name), { timeout: 0 })
    // Nothing is ever written: the file stays empty, it only carries the lock.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    database?.close()
    const message = `${folder} is in use by another process (${describe(holder)}) or cannot be locked; stop that process, or give this one a folder of its own`
    throw new FolderInUse(message, { cause })
  }
  writeFileSync(holder, JSON.stringify({ pid: process.pid, since_ms: Date.now() }), { mode: 0o600 })
  const held = database
  return { release: () => held.close() }
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
