import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Connection } from './connection.ts'
import { message } from './errors.ts'
import { migrateStore } from './migrate.ts'
import { checkServiceRole, serviceRole } from './roles.ts'
import { keptSecret } from './secret.ts'
import { StoreError, type StoreOptions } from './store.ts'

/** Longest the first try is waited for; after that it goes on in the background. */
const FIRST_TRY_MS = 10_000
const MOST_PAUSE_MS = 10_000

/** Where connections come from. */
export type Source = {
  /** @throws {StoreError} STORE_UNAVAILABLE while there is none. */
  readonly current: () => Connection
  /** Resolves when there is one; never when it was closed before. */
  readonly whenUp: Promise<void>
  readonly close: () => Promise<void>
}

export type Access = Pick<StoreOptions, 'folder' | 'url' | 'service_url' | 'log'> & {
  readonly migrate: boolean
}

/** Migrates, then connects as the service. @throws {Error} of the driver, or a `StoreError` when that role may do too much. */
export async function establish(access: Access): Promise<Connection> {
  const connection = await connectService(access)
  try {
    await checkServiceRole(connection.sql)
    return connection
  } catch (error) {
    await connection.sql.end({ timeout: 1 })
    throw error
  }
}

async function connectService(access: Access): Promise<Connection> {
  const { folder, url, service_url, migrate } = access
  if (service_url !== undefined) {
    const service = connect(service_url)
    if (migrate && url !== undefined) await migrateStore(url, service.sql.options.user)
    return service
  }
  if (url === undefined) throw new StoreError('STORE_BROKEN', 'the store needs a url')
  const role = serviceRole(keptSecret(join(folder, 'service.password')))
  await migrateStore(url, role)
  return connect(url, role)
}

/**
 * A server that is not ours may come later. Tries until it is there; what is wrong, rights as well, may be put right
 * meanwhile.
 */
export async function keepTrying(access: Access): Promise<Source> {
  const stopping = new AbortController()
  const up = Promise.withResolvers<void>()
  let connection: Connection | undefined
  let why = 'not connected yet'

  async function attempt(): Promise<void> {
    try {
      const established = await establish(access)
      if (stopping.signal.aborted) return await established.sql.end({ timeout: 1 })
      connection = established
      up.resolve()
    } catch (error) {
      const reason = message(error)
      if (reason !== why) access.log(`store: not ready: ${reason}`)
      why = reason
    }
  }
  async function tryOn(): Promise<void> {
    for (let pause_ms = 250; !connection; pause_ms = Math.min(pause_ms * 2, MOST_PAUSE_MS)) {
      await sleep(pause_ms, undefined, { signal: stopping.signal })
      await attempt()
    }
  }
  const first = attempt()
  const trying = first.then(tryOn).catch(() => undefined)
  await Promise.race([first, sleep(FIRST_TRY_MS, undefined, { ref: false })])
  return {
    current: () => {
      if (connection) return connection
      // Fail closed: nothing is queued for later, whoever asks now is refused now.
      throw new StoreError('STORE_UNAVAILABLE', `the store is not ready: ${why}`)
    },
    whenUp: up.promise,
    close: async () => {
      stopping.abort()
      await connection?.sql.end({ timeout: 2 })
      // One that is still trying ends what it made by itself.
      await Promise.race([trying, sleep(2_000, undefined, { ref: false })])
    },
  }
}
