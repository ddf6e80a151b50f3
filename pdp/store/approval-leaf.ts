import type { StoredApproval } from './approval-row.ts'
import type { NewLeaf } from './log/append.ts'

export type ApprovalEvent =
  | 'demanded'
  | 'voted'
  | 'approved'
  | 'denied'
  | 'expired'
  | 'consumed'
  | 'erased'

/**
 * What the log says of an approval. What was asked for is told by its commitment under the approval's own key, as of all
 * content.
 * @param more who voted and how, or what used it up.
 */
export function approvalLeaf(
  source: string,
  row: StoredApproval,
  event: ApprovalEvent,
  time_ms: number,
  more: Readonly<Record<string, unknown>> = {},
): NewLeaf {
  return {
    body: {
      v: 1,
      kind: 'approval',
      time_ms,
      source: { pdp: source },
      event,
      approval_id: row.id,
      requester: {
        issuer: row.requester_issuer,
        type: row.requester_type,
        id: row.requester_id,
      },
      session_id: row.session_id,
      connection: row.connection,
      action: row.action_name,
      operation_id: row.operation_id,
      decision_id: row.demand_decision_id,
      revision: row.demand_revision,
      approvers: row.approvers,
      count: row.count,
      expires_ms: row.expires_ms,
      ...(row.commitment && { action_commitment: Buffer.from(row.commitment).toString('hex') }),
      ...more,
    },
  }
}
