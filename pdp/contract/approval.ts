import { z } from 'zod'
import type { CanonicalAction } from './action.ts'
import type { ActionDigest, ApprovalId, DecisionId, Revision } from './brand.ts'
import type { DecisionRequest } from './request.ts'

/**
 * pending → approved → consumed; pending → denied | expired; approved → expired.
 * Only `approved` allows, once: `consumed` is final.
 */
export const approvalState = z.enum(['pending', 'approved', 'denied', 'expired', 'consumed'])
export type ApprovalState = z.infer<typeof approvalState>

/** What a PEP sees of an approval. */
export const approvalStatus = z.strictObject({
  id: z.string().transform((value) => value as ApprovalId),
  state: approvalState,
  /** When it can no longer be approved or used, milliseconds since the epoch. */
  expires_ms: z.int(),
})
export type ApprovalStatus = z.infer<typeof approvalStatus>

/** Asks for an approval. The PDP decides the request again itself and takes approvers from its own decision. */
export type ApprovalDemand = {
  readonly request: DecisionRequest
  /** The PDP refuses an action whose digest is not `request.context.action_digest`. */
  readonly action: CanonicalAction
  /** The PEP's name for the operation that waits. */
  readonly operation_id: string
}

/** Uses an approval up, durably, before anything is forwarded. */
export type ApprovalUse = {
  readonly id: ApprovalId
  readonly action_digest: ActionDigest
  readonly decision_id: DecisionId
  readonly revision: Revision
  readonly operation_id: string
}
