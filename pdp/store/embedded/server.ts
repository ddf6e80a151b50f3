import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { message } from '../errors.ts'
import { type FolderLock, lockFolder } from '../../../server/lock.ts'
import { keptSecret, readSecret } from '../secret.ts'
import { StoreError } from '../store.ts'
import { serverAccount } from './account.ts'
import { findBinaries, type Binaries } from './binaries.ts'
import { dataPath, run, startServer, type Place, type Server } from './child.ts'
import { endOrphan } from './orphan.ts'

/** The superuser, who owns the tables. */
const OWNER = 'countersign'

/** A small server that still loses nothing: one process uses it. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '24',
  shared_buffers: '32MB',
  max_wal_senders: '0',
  wal_level: 'minimal',
  max_wal_size: '512MB',
  io_method: 'sync',
  jit: 'off',
  huge_pages: 'off',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
} as const

export type EmbeddedServer = {
  /** As its owner. Stays the same while the process lives. */
  readonly url: string
  readonly stop: () => Promise<void>
}

/**
 * Starts PostgreSQL as a child process that ends with us. A server that dies is started again.
 *
 * @param folder its own, mode 0700. Holds `data/`, `superuser.password`, and the lock.
 * @throws {StoreError} STORE_UNAVAILABLE when another process has the folder, or the server does not start.
 */
export async function startEmbedded(
  folder: string,
  log: (line: string) => void,
): Promise<EmbeddedServer> {
  let lock: FolderLock
  try {
    lock = lockFolder(folder)
  } catch (cause) {
    // Fail closed: two servers on one folder would destroy the record.
    throw new StoreError('STORE_UNAVAILABLE', `the store ${message(cause)}`, { cause })
  }
  try {
    const account = serverAccount()
    const binaries = findBinaries(account)
    const place = { folder: join(folder, 'data'), account }
    const password = await prepareData(folder, binaries, place)
    const { port, server } = await startOnFreePort(binaries, place, log)
    const keeper = keepRunning(server, () => launch(binaries, place, port, log), log)
    return {
      url: `postgres://${OWNER}:${password}@127.0.0.1:${port}/postgres`,
      stop: async () => {
        await keeper.stop()
        lock.release()
      },
    }
  } catch (cause) {
    lock.release()
    if (cause instanceof StoreError) throw cause
    throw new StoreError(
      'STORE_UNAVAILABLE',
      `the embedded store in ${folder} does not start: ${message(cause)}`,
      { cause },
    )
  }
}

/** Makes the data folder at first start; under another name until it is whole. @returns the owner's password. */
async function prepareData(folder: string, binaries: Binaries, place: Place): Promise<string> {
  const secret = join(folder, 'superuser.password')
  if (existsSync(join(place.folder, 'PG_VERSION'))) {
    const password = readSecret(secret)
    if (password !== undefined) return password
    throw new StoreError(
      'STORE_UNAVAILABLE',
      `${secret} is missing; restore it, or move ${place.folder} away to begin with an empty store`,
    )
  }
  const password = keptSecret(secret)
  const fresh: Place = { folder: `${place.folder}.new`, account: place.account }
  rmSync(fresh.folder, { recursive: true, force: true })
  mkdirSync(fresh.folder, { mode: 0o700 })
  give(fresh.folder, place)
  await initialise(binaries, fresh, password)
  renameSync(fresh.folder, place.folder)
  return password
}

async function initialise(binaries: Binaries, place: Place, password: string): Promise<void> {
  const passing = mkdtempSync(join(tmpdir(), 'countersign-'))
  try {
    const file = join(passing, 'password')
    writeFileSync(file, password, { mode: 0o600 })
    give(passing, place)
    give(file, place)
    const flags = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', `--username=${OWNER}`]
    await run(binaries.initdb, [`--pgdata=${dataPath(place)}`, `--pwfile=${file}`, ...flags], place)
  } finally {
    rmSync(passing, { recursive: true, force: true })
  }
}

function give(path: string, { account }: Place): void {
  if (account) chownSync(path, account.uid, account.gid)
}

/** Between finding a port and taking it another program may take it: then with the next one. */
async function startOnFreePort(
  binaries: Binaries,
  place: Place,
  log: (line: string) => void,
): Promise<{ readonly port: number; readonly server: Server }> {
  for (let left = 3; ; left -= 1) {
    const port = await freePort()
    try {
      return { port, server: await launch(binaries, place, port, log) }
    } catch (error) {
      if (left === 0 || !String(error).includes('could not bind')) throw error
    }
  }
}

async function launch(
  binaries: Binaries,
  place: Place,
  port: number,
  log: (line: string) => void,
): Promise<Server> {
  await endOrphan(place.folder)
  const settings = Object.entries({ ...SETTINGS, port: String(port) })
  const flags = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return startServer(binaries.postgres, flags, place, (line) => log(`store: ${line}`))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}

/** Starts a server again that ended by itself. Until it runs, every use of the store fails. */
function keepRunning(
  first: Server,
  restart: () => Promise<Server>,
  log: (line: string) => void,
): { readonly stop: () => Promise<void> } {
  const stopping = new AbortController()
  let current = first
  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      const last = await current.ended
      if (stopping.signal.aborted) return
      log(`store: the embedded server ended by itself and is started again: ${last}`)
      current = await revive()
    }
  }
  async function revive(): Promise<Server> {
    for (let pause_ms = 250; ; pause_ms = Math.min(pause_ms * 2, 10_000)) {
      try {
        return await restart()
      } catch (error) {
        log(`store: the embedded server does not start: ${message(error)}`)
      }
      await sleep(pause_ms, undefined, { signal: stopping.signal })
    }
  }
  const watching = watch().catch(() => undefined)
  return {
    stop: async () => {
      stopping.abort()
      await current.stop()
      await watching
    },
  }
}
