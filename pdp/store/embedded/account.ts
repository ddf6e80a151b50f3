import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { message } from '../errors.ts'
import { StoreError } from '../store.ts'

/** The system account a server runs under when we are root, which PostgreSQL refuses to be. */
export type Account = { readonly uid: number; readonly gid: number }

const NAME = 'postgres'

/** @returns undefined when we are not root: the server runs as we do. @throws {StoreError} STORE_UNAVAILABLE */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const known = lookUp()
  if (known) return known
  try {
    execFileSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', NAME],
      { stdio: 'pipe' },
    )
  } catch (cause) {
    throw new StoreError(
      'STORE_UNAVAILABLE',
      `the embedded store does not run as root and the system user ${NAME} could not be made (${message(cause)}); ` +
        'start as another user, make that one, or give a database server with DATABASE_URL',
      { cause },
    )
  }
  const made = lookUp()
  if (!made) throw new StoreError('STORE_UNAVAILABLE', `the system user ${NAME} is not there`)
  return made
}

function lookUp(): Account | undefined {
  try {
    const ask = (flag: string) =>
      Number(execFileSync('id', [flag, NAME], { encoding: 'utf8', stdio: 'pipe' }))
    return { uid: ask('-u'), gid: ask('-g') }
  } catch {
    return undefined
  }
}

/** Whether the account may pass through every folder above `path`: a project under /root is often closed to it. */
export function reachable(path: string, account: Account): boolean {
  const parent = dirname(path)
  if (parent === path) return true
  const { mode, uid, gid } = statSync(parent)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  return (mode & bit) !== 0 && reachable(parent, account)
}
