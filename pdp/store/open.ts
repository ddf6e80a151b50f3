import { mkdirSync } from 'node:fs'
import { createApprovalStore } from './approvals.ts'
import { createChanges } from './changes.ts'
import { createUse, READY_DEADLINE_MS } from './connection.ts'
import { startEmbedded } from './embedded/server.ts'
import { message, storeError } from './errors.ts'
import { createErasureStore } from './erasure.ts'
import { createPolicyStore } from './policies.ts'
import { createSinkStore } from './sinks.ts'
import { createAppendLeaves } from './log/append.ts'
import { createLog } from './log/store.ts'
import { createKeyStore } from './sealed/keys.ts'
import { createRecordStore } from './records.ts'
import { createReportStore } from './report.ts'
import { createSessionStore } from './sessions.ts'
import { createShadowStore } from './shadow.ts'
import { createTaintStore } from './taints.ts'
import { establish, keepTrying, type Source } from './source.ts'
import { StoreError, type Readiness, type Store, type StoreOptions } from './store.ts'

/**
 * Opens the store, migrated and with the service's own role.
 *
 * With a `url` it always opens: while the server is away every use throws `STORE_UNAVAILABLE`, and `ready` says why.
 * @throws {StoreError} when the embedded server does not start, or the options make no sense.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { migrate = true, name = 'pdp', ...access } = options
  const { url, service_url, folder, log } = access
  if (!migrate && service_url === undefined)
    throw new StoreError('STORE_BROKEN', 'without migrations the store needs the service_url')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (migrate && url === undefined) return assemble(await embeddedSource(folder, log), name, log)
  return assemble(await keepTrying({ ...access, migrate }), name, log)
}

async function embeddedSource(folder: string, log: (line: string) => void): Promise<Source> {
  const server = await startEmbedded(folder, log)
  try {
    const connection = await establish({ folder, log, url: server.url, migrate: true })
    return {
      current: () => connection,
      whenUp: Promise.resolve(),
      close: async () => {
        await connection.sql.end({ timeout: 2 })
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw storeError(error)
  }
}

function assemble(source: Source, name: string, log: (line: string) => void): Store {
  const use = createUse(source.current)
  const appendLeaves = createAppendLeaves(name, Date.now)
  const appending = { use, appendLeaves, source: name }
  const changes = createChanges(use, log)
  let closed = false
  source.whenUp
    .then(() => changes.listen())
    // Only told late then: whoever waits for an approval also asks when the wait ends.
    .catch((error: unknown) => {
      if (!closed) log(`store: changes are not told: ${message(error)}`)
    })

  async function ready(): Promise<Readiness> {
    try {
      await use(({ sql }) => sql`select 1`, READY_DEADLINE_MS)
      return { ok: true }
    } catch (error) {
      return { ok: false, message: message(error) }
    }
  }
  return {
    approvals: {
      ...createApprovalStore(appending),
      onChange: changes.onChange,
    },
    log: createLog(use, appendLeaves),
    records: createRecordStore(use, appendLeaves),
    keys: createKeyStore(use),
    policies: createPolicyStore(appending),
    erasure: createErasureStore(appending),
    sinks: createSinkStore(use),
    sessions: createSessionStore(use),
    shadow: createShadowStore(use),
    taints: createTaintStore(use),
    report: createReportStore(use),
    ready,
    close: () => {
      closed = true
      return source.close()
    },
  }
}
