import type { Decision } from '../../pdp/contract/decision.ts'
import type { ChunkRecord, OutcomeRecord } from '../../pdp/contract/record.ts'
import type { Enforcement } from './enforce.ts'
import type { Operation } from './operation.ts'

declare const proof: unique symbol

/** What `close` needs to know of how an operation ended. */
export type Outcome = Omit<OutcomeRecord, Owner>

/** A part of a body as it streamed. */
export type Chunk = Omit<ChunkRecord, Owner>

/** What the gate knows of every record of an operation. */
type Owner = 'kind' | 'operation_id' | 'time_ms' | 'session_id' | 'connection'

/**
 * Proof that an operation was decided, that its obligations can be kept, that its approval (if it needed one)
 * is used up, and that its intent is on disk. Forwarding takes a permit and nothing else.
 */
export type Permit = {
  readonly [proof]: true
  readonly operation: Operation
  readonly decision: Decision
  readonly enforcement: Enforcement
  /** The body to forward: what `prepare` made, else the body of the exchange. Absent when the body streams. */
  readonly body?: Uint8Array
  /** Whether a part of a body would be taken now. */
  readonly accepting: () => boolean
  /**
   * Journals a part of a body; of a request, await it before forwarding the part. Of its bytes nothing is kept where
   * policy keeps none.
   */
  readonly chunk: (chunk: Chunk) => Promise<void>
  /** Journals the outcome; await it before the client sees the end. The first call counts, later ones are ignored. */
  readonly close: (outcome: Outcome) => Promise<void>
}

/** Only the gate calls this, after the intent is on disk. The direction rules of the build hold it to that. */
export function issuePermit(parts: Omit<Permit, typeof proof>): Permit {
  return Object.freeze(parts) as Permit
}
