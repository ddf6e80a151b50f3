import type { ApprovalStatus } from '../../pdp/contract/approval.ts'
import type { OperationId } from '../../pdp/contract/brand.ts'
import type { Decision } from '../../pdp/contract/decision.ts'
import type { Facts } from '../../pdp/contract/facts.ts'
import type { OutcomeRecord } from '../../pdp/contract/record.ts'
import type { Operation } from '../core/operation.ts'
import type { Refusal } from '../core/refusal.ts'

/** What a model's reply says of itself; what is absent is not known yet. Never its content. */
export type ModelReply = {
  readonly id?: string
  readonly model?: string
  /** Why the model stopped, in its own word. */
  readonly finish_reason?: string
  readonly usage?: Usage
}

/** Tokens as Anthropic counts them: `input_tokens` without those of the cache. */
export type Usage = {
  readonly input_tokens?: number
  readonly output_tokens?: number
  readonly cache_read_input_tokens?: number
  readonly cache_creation_input_tokens?: number
}

/**
 * Tells others of operations, one span each; absent where nobody is told. It is no record: what is told here may be
 * dropped, and nothing waits for it. Nothing throws, and what is said of an operation that has not begun or has ended
 * is ignored.
 */
export type Telemetry = {
  /** An operation is described; one with `parent_id` belongs to an operation that has not ended. */
  readonly begin: (operation: Operation) => void
  /** It was decided; the last decision counts. */
  readonly decided: (id: OperationId, decision: Decision, facts: Facts) => void
  /** Its approval is waited for, or was decided. */
  readonly held: (id: OperationId, approval: ApprovalStatus) => void
  /** More of a model's reply is known. */
  readonly replied: (id: OperationId, reply: ModelReply) => void
  /** It does not go on. */
  readonly refused: (id: OperationId, refusal: Refusal) => void
  /** It is over; without an outcome when it was released and nothing was forwarded. The first call counts. */
  readonly ended: (id: OperationId, outcome?: Ending) => void
  /** Offers what waits a last time, for at most two seconds. */
  readonly close: () => Promise<void>
}

export type Ending = Pick<OutcomeRecord, 'result' | 'status' | 'reason' | 'masked' | 'observed'>
