import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from './store.ts'

/**
 * One process, one store folder. SQLite takes the kernel's file lock for us, which is freed however the process ends
 * and holds between containers that share a volume.
 */
export type FolderLock = { readonly release: () => void }

/** @throws {StoreError} STORE_UNAVAILABLE when another process has the folder. */
export function lockFolder(folder: string): FolderLock {
  const holder = join(folder, 'lock.json')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(folder, 'lock'), { timeout: 0 })
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    database?.close()
    // Fail closed: two servers on one folder would destroy the record.
    throw new StoreError(
      'STORE_UNAVAILABLE',
      `the store ${folder} is in use by another process (${describe(holder)}) or cannot be locked; ` +
        'stop that process, or give this one a folder or a database server of its own',
      { cause },
    )
  }
  writeFileSync(holder, JSON.stringify({ pid: process.pid, since_ms: Date.now() }), { mode: 0o600 })
  const held = database
  return { release: () => held.close() }
}

function describe(holder: string): string {
  try {
    const { pid } = JSON.parse(readFileSync(holder, 'utf8')) as { pid?: unknown }
    return `process ${String(pid)}`
  } catch {
    return 'unknown'
  }
}
