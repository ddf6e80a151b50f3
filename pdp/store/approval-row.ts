import { asc, inArray } from 'drizzle-orm'
import type { Use } from './connection.ts'
import { votes, type approvals } from './schema.ts'
import type { ApprovalRow, Vote } from './store.ts'

export type StoredApproval = typeof approvals.$inferSelect
type StoredVote = typeof votes.$inferSelect

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)
}

/** Fail closed: past its time an approval is expired, whether or not anyone wrote that down. */
export function effectiveState(row: StoredApproval, now_ms: number): StoredApproval['state'] {
  const live = row.state === 'pending' || row.state === 'approved'
  return live && row.expires_ms <= now_ms ? 'expired' : row.state
}

export async function withVotes(
  use: Use,
  rows: readonly StoredApproval[],
  now_ms: number,
): Promise<readonly ApprovalRow[]> {
  if (rows.length === 0) return []
  const ids = rows.map((row) => row.id)
  const cast = await use(({ db }) =>
    db.select().from(votes).where(inArray(votes.approval_id, ids)).orderBy(asc(votes.at_ms)),
  )
  const byApproval = Map.groupBy(cast, (vote) => vote.approval_id)
  return rows.map((row) => toRow(row, byApproval.get(row.id) ?? [], now_ms))
}

export function toRow(
  row: StoredApproval,
  cast: readonly StoredVote[],
  now_ms: number,
): ApprovalRow {
  return {
    id: row.id,
    state: effectiveState(row, now_ms),
    requester: {
      issuer: row.requester_issuer,
      type: row.requester_type,
      id: row.requester_id,
    },
    session_id: row.session_id,
    connection: row.connection,
    action_name: row.action_name,
    action_digest: row.action_digest,
    ...(row.sealed &&
      row.wrapped_key &&
      row.commitment && {
        content: { sealed: row.sealed, wrapped_key: row.wrapped_key, commitment: row.commitment },
      }),
    approvers: row.approvers,
    count: row.count,
    valid_s: row.valid_s,
    operation_id: row.operation_id,
    demand: { decision_id: row.demand_decision_id, revision: row.demand_revision },
    demanded_ms: row.demanded_ms,
    expires_ms: row.expires_ms,
    ...(row.decided_ms === null ? {} : { decided_ms: row.decided_ms }),
    votes: cast.map(toVote),
    ...consumption(row),
  }
}

function consumption(row: StoredApproval): Pick<ApprovalRow, 'consumed'> {
  if (row.consumed_ms === null) return {}
  return {
    consumed: {
      decision_id: row.consumed_decision_id ?? '',
      revision: row.consumed_revision ?? '',
      operation_id: row.consumed_operation_id ?? '',
      at_ms: row.consumed_ms,
    },
  }
}

function toVote(vote: StoredVote): Vote {
  return {
    approver: { issuer: vote.issuer, type: vote.approver_type, id: vote.approver_id },
    approve: vote.approve,
    ...(vote.comment === null ? {} : { comment: vote.comment }),
    at_ms: vote.at_ms,
  }
}
