import type { ApprovalDemand, ApprovalStatus, ApprovalUse } from './approval.ts'
import type { Decision } from './decision.ts'
import type { ActiveProfile } from './profile.ts'
import type { RecordAck, RecordBatch } from './record.ts'
import type { DecisionRequest } from './request.ts'
import type { Result } from './result.ts'

export type PdpErrorCode =
  /** No answer: unreachable, not ready, or the deadline passed. */
  | 'PDP_UNAVAILABLE'
  /** An answer that is not the contract's shape. */
  | 'PDP_BAD_ANSWER'
  /** The PDP does not know this caller. */
  | 'PDP_UNAUTHENTICATED'
  /** The PDP refused what was asked: bad request, approval already used, digest mismatch. */
  | 'PDP_REFUSED'
  /** The same (pep, epoch, seq) was committed with another digest: someone changed the journal. */
  | 'PDP_RECORD_CONFLICT'

export type PdpError = {
  readonly code: PdpErrorCode
  readonly message: string
  readonly cause?: unknown
}

/** How long a caller waits: until `deadline_ms` from now, or until `signal` ends the wait. */
export type Call = { readonly signal: AbortSignal; readonly deadline_ms: number }

/**
 * What a PEP needs of a PDP; the same in process and over HTTP. Nothing here throws for an expected failure,
 * and a caller that gets an error must refuse.
 */
export interface PdpClient {
  /** One decision for each request, in order. */
  decide(
    requests: readonly DecisionRequest[],
    call: Call,
  ): Promise<Result<readonly Decision[], PdpError>>

  /** The active extraction profile. */
  profile(call: Call): Promise<Result<ActiveProfile, PdpError>>

  /** Opens an approval for exactly this action, or finds the pending one. */
  demandApproval(demand: ApprovalDemand, call: Call): Promise<Result<ApprovalStatus, PdpError>>

  /** Answers when the approval leaves `pending`, or after `wait_ms` with the state it has then. */
  awaitApproval(id: string, wait_ms: number, call: Call): Promise<Result<ApprovalStatus, PdpError>>

  /** Uses an approved approval up. At most one caller ever gets `ok`. */
  useApproval(use: ApprovalUse, call: Call): Promise<Result<ApprovalStatus, PdpError>>

  /** Ships journal frames; `ok` only when they are committed. */
  append(batch: RecordBatch, call: Call): Promise<Result<RecordAck, PdpError>>
}

/** A reason that a PDP gives when facts were made for another revision: describe again, then ask again. */
export const STALE_FACTS_RULE = 'pdp.facts_revision'
