import { StoreError, type StoreErrorCode } from './store.ts'

/** SQLSTATEs and codes of the driver and of Node that say: not now. */
const UNAVAILABLE =
  /^(?:08...|53...|57P0.|57014|55P03|25006|3D000|CONNECT|E(?:CONN|HOST|NET|PIPE|TIMEDOUT|NOTFOUND|AI_)|ERR_SOCKET|ENOENT|EACCES)/
/** Serialization failure, deadlock. */
const CONFLICT = new Set(['40001', '40P01'])

/**
 * What to tell a caller of an error of the driver; drizzle wraps those. Whatever is not known is `STORE_BROKEN`: every
 * code makes callers refuse. The message never holds the values of a query.
 */
export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const cause = rootCause(error)
  return new StoreError(codeOf(cause), `the store refused: ${message(cause)}`, { cause })
}

/** One line on an error, without the query and its parameters. */
export function message(error: unknown): string {
  const cause = rootCause(error)
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof StoreError) return cause.message
  const code = property(cause, 'code')
  const first = cause.message.split('\n')[0] ?? ''
  return code && !first.includes(code) ? `${first} (${code})` : first || (code ?? cause.name)
}

function codeOf(error: unknown): StoreErrorCode {
  const code = property(error, 'code') ?? ''
  if (CONFLICT.has(code)) return 'STORE_CONFLICT'
  return UNAVAILABLE.test(code) ? 'STORE_UNAVAILABLE' : 'STORE_BROKEN'
}

function rootCause(error: unknown): unknown {
  let at = error
  while (at instanceof Error && at.cause instanceof Error && !property(at, 'code')) at = at.cause
  if (at instanceof AggregateError && at.errors[0] instanceof Error && !at.message)
    return at.errors[0]
  return at
}

function property(error: unknown, name: 'code'): string | undefined {
  if (typeof error !== 'object' || error === null || !(name in error)) return undefined
  const value = (error as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : undefined
}
