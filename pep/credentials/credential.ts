import type { Result } from '../../pdp/contract/result.ts'
import type { Refusal } from '../core/refusal.ts'

/** A connection's credential as it is injected into one request. */
export type Injected = {
  /** Header name, lower case. */
  readonly header: string
  /** Header value: prefix and secret. Goes upstream and nowhere else. */
  readonly value: string
  /** What must never reach a client, for `Masks`. */
  readonly literals: readonly string[]
}

/** Where a connection's credential comes from; re-read behind the scenes. */
export type Credential = {
  /** The header it goes into, lower case; absent when the connection has none. */
  readonly header: string | undefined
  /**
   * What to inject now; keep it for the whole of one request. `ok(undefined)`: the connection has no credential.
   * An error means refuse: a request that should carry a credential is never sent without.
   */
  readonly current: () => Result<Injected | undefined, Refusal>
  readonly close: () => void
}
