import { readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../store.ts'

/** Most time an old server gets to shut down, milliseconds. */
const PATIENCE_MS = 30_000

/**
 * Deals with what a server that lost its guard left behind. We hold the folder's lock, so no process uses a server here: one
 * that still runs is stopped, and a file that names another program's process is removed, which PostgreSQL would take for a
 * running server (in containers ids repeat). Without /proc PostgreSQL's own check decides.
 *
 * @throws {StoreError} STORE_UNAVAILABLE when it does not stop.
 */
export async function endOrphan(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const pid = readPid(file)
  if (pid === undefined || process.platform !== 'linux') return
  if (!runsHere(pid, data)) {
    rmSync(file, { force: true })
    return
  }
  process.kill(pid, 'SIGINT')
  const deadline = Date.now() + PATIENCE_MS
  while (runsHere(pid, data)) {
    if (Date.now() > deadline)
      throw new StoreError(
        'STORE_UNAVAILABLE',
        `an old server (process ${pid}) on ${data} does not stop; end it and start again`,
      )
    await sleep(50)
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
    return Number.isInteger(pid) && pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

/** A server's working folder is its data folder. */
function runsHere(pid: number, data: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data)
  } catch {
    return false
  }
}
