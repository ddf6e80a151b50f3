import { randomBytes } from 'node:crypto'
import type { WrappedKey } from '../pdp/contract/record.ts'
import { type ContentKey, contentKey, KEY_BYTES } from './envelope.ts'
import type { Wrapper } from './wrapper.ts'

export type SessionKeys = {
  /** The key of a session's content on a connection; `made`: when it is new, to be made durable before it is used. */
  readonly keyFor: (
    session_id: string,
    connection: string,
  ) => { readonly key: ContentKey; readonly made?: WrappedKey }
  /** Every session gets a new key. */
  readonly forget: () => void
}

export type SessionKeysOptions = {
  readonly wrapper: Wrapper
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Most keys that are kept in memory; a session whose key went gets another. */
  readonly max_keys?: number
  /** A key that is older is replaced: what one key opens stays bounded. */
  readonly max_age_ms?: number
}

const DAY_MS = 24 * 60 * 60 * 1000

export function createSessionKeys(options: SessionKeysOptions): SessionKeys {
  const { wrapper, now, max_keys = 10_000, max_age_ms = DAY_MS } = options
  // In the order of their last use.
  const kept = new Map<string, { readonly key: ContentKey; readonly created_ms: number }>()

  return {
    keyFor(session_id, connection) {
      // No connection's name has a line break.
      const name = `${connection}\n${session_id}`
      const known = kept.get(name)
      kept.delete(name)
      // A clock that went back makes a new key as well.
      const age_ms = known ? now() - known.created_ms : 0
      if (known && age_ms >= 0 && age_ms < max_age_ms) {
        kept.set(name, known)
        return { key: known.key }
      }
      const secret = randomBytes(KEY_BYTES)
      const owner = { id: randomBytes(16).toString('hex'), session_id, connection }
      const created_ms = now()
      const key = contentKey(owner.id, secret)
      const made = { ...owner, created_ms, wrapped: wrapper.wrap(owner, secret) }
      const [oldest] = kept.keys()
      if (oldest !== undefined && kept.size >= max_keys) kept.delete(oldest)
      kept.set(name, { key, created_ms })
      return { key, made }
    },
    forget: () => kept.clear(),
  }
}
