import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres, { type Sql } from 'postgres'
import { StoreError } from './store.ts'
import { storeError } from './errors.ts'
import { patientSocket } from './socket.ts'

/** The service's connections: `db` for what drizzle has words for, `sql` for the rest. */
export type Connection = {
  readonly sql: Sql
  readonly db: PostgresJsDatabase
  /** As `db`, for statements that come again and again with the same text: the server reads each but once. */
  readonly repeating: PostgresJsDatabase
}

/** What goes through a transaction: all of it is kept, or nothing. */
export type Transaction = Parameters<Parameters<PostgresJsDatabase['transaction']>[0]>[0]

/** Longest a use of the store takes, milliseconds. */
export const DEADLINE_MS = 6_000
/** Longest an append takes: a batch may be large. */
export const APPEND_DEADLINE_MS = 60_000
/** Longest the store may take to say that it answers. */
export const READY_DEADLINE_MS = 2_000

/**
 * Runs a use of the store. @throws {StoreError} nothing else, and not later than the deadline. What was underway then may
 * still happen: an append again is the same append, a vote or a consumption nobody heard of lets nothing through.
 */
export type Use = <T>(
  work: (connection: Connection) => Promise<T>,
  deadline_ms?: number,
) => Promise<T>

/** @param credentials in place of those of the URL. @throws {TypeError} when the URL is none. */
export function connect(
  url: string,
  credentials?: { readonly username: string; readonly password: string },
): Connection {
  const sql = postgres(url, {
    ...credentials,
    // The driver takes it, and its types do not know it. Of several hosts it has to find the right one by itself.
    ...(!url.includes(',') && ({ socket: patientSocket } as object)),
    max: 8,
    connect_timeout: 4,
    idle_timeout: 300,
    // Connections come back soon, and those who wait while they do not are told soon.
    backoff: () => 0.25,
    onnotice: () => undefined,
    connection: {
      application_name: 'countersign',
      statement_timeout: DEADLINE_MS - 1_000,
      idle_in_transaction_session_timeout: APPEND_DEADLINE_MS,
      // An acknowledged record is on disk, whatever the server's default is.
      synchronous_commit: 'on',
    },
  })
  return { sql, db: drizzle(sql), repeating: drizzle(preparing(sql)) }
}

/** drizzle asks for statements without a name, each of which is read and planned anew and takes two round trips. */
function preparing(sql: Sql): Sql {
  const unsafe: Sql['unsafe'] = (text, parameters) =>
    sql.unsafe(text, parameters, { prepare: true })
  return new Proxy(sql, {
    get: (_, name) =>
      name === 'unsafe'
        ? unsafe
        : name === 'begin'
          ? (work: (transaction: Sql) => Promise<unknown>) =>
              sql.begin((transaction) => work(preparing(transaction as unknown as Sql)))
          : (Reflect.get(sql, name) as unknown),
  })
}

export function createUse(current: () => Connection): Use {
  return async (work, deadline_ms = DEADLINE_MS) => {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      const message = `the store did not answer within ${deadline_ms} ms`
      late.reject(new StoreError('STORE_UNAVAILABLE', message))
    }, deadline_ms)
    try {
      return await Promise.race([work(current()), late.promise])
    } catch (error) {
      throw storeError(error)
    } finally {
      clearTimeout(timer)
    }
  }
}
