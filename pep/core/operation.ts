import type { CanonicalAction } from '../../pdp/contract/action.ts'
import type { OperationId } from '../../pdp/contract/brand.ts'
import type { Facts } from '../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../pdp/contract/profile.ts'
import type { Exchange } from '../../pdp/contract/record.ts'
import type { Result } from '../../pdp/contract/result.ts'
import type { Action, Context, Resource, Subject } from '../../pdp/contract/request.ts'
import type { Enforcement } from './enforce.ts'
import type { ObligationSupport } from './obligations.ts'
import type { Refusal } from './refusal.ts'

/** Who calls, as `identify` found out; made once for a request or a socket. */
export type Caller = {
  readonly subject: Subject
  /** See `Context.session`: `id` is derived, `label` is what the client says. */
  readonly session: Context['session']
  readonly source: Context['source']
}

/**
 * One operation: something an agent wants done, in one protocol. A request over HTTP is one, and so is a tool
 * call in a reply, a SQL statement or an SSH command. This is all the gate knows of a protocol.
 */
export type Operation = {
  readonly id: OperationId
  readonly parent_id?: OperationId
  readonly caller: Caller
  readonly connection: string
  readonly action: Action
  readonly resource: Resource
  /** Called again when the policy that asked for the facts was replaced. Must not throw. */
  readonly extract: (profile: ExtractionProfile) => Facts
  /** What an approver would be shown. `undefined`: it cannot be shown whole (a body that streams), so it cannot be approved. */
  readonly canonical: () => CanonicalAction | undefined
  /**
   * Makes the body that will be forwarded, masked as the enforcement says; called once, after `enforce` and
   * before the intent is recorded. Absent: the body of `exchange` is forwarded as it came. `ok(undefined)`: it
   * streams. A refusal here also keeps an approval from being used up in vain.
   */
  readonly prepare?: (enforcement: Enforcement) => Result<Uint8Array | undefined, Refusal>
  /** What the record holds; `body` is dropped or masked as the `record` obligation says. */
  readonly exchange: Exchange
  /** Which obligations this adapter can keep for this operation. Others refuse it. */
  readonly keeps: ObligationSupport
  /** Whether a permit means that something is forwarded upstream (`intent`) or not (`decision`). */
  readonly forwards: boolean
  /** Names of a tool call that traces may tell: they hold no injected credential. */
  readonly told?: () => { readonly tool?: string; readonly call_id?: string }
  /** Called while an approval is waited for, about every second, so that a stream can be kept open. */
  readonly heartbeat?: () => void
  /** Longest the client of this protocol may be held, seconds; `undefined`: as the obligation says. */
  readonly max_wait_s?: number
  /** Ends when the client goes away. */
  readonly signal: AbortSignal
}
