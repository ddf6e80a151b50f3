import { asc, eq } from 'drizzle-orm'
import { effectiveState, isUuid, toRow, type StoredApproval } from './approval-row.ts'
import { approvalLeaf } from './approval-leaf.ts'
import type { Appending } from './log/append.ts'
import type { Transaction } from './connection.ts'
import { approvals, votes } from './schema.ts'
import type { Requester, VoteInput, VoteRefusal, VoteResult } from './store.ts'
import { storable } from './text.ts'

type StoredVote = typeof votes.$inferSelect

/** With the approval's row locked from the look at it to the end: votes on one approval come one after the other. */
export async function castVote(parts: Appending, vote: VoteInput): Promise<VoteResult> {
  if (!isUuid(vote.id)) return { ok: false, reason: 'unknown' }
  return parts.use(({ db }) =>
    db.transaction(async (transaction) => {
      const [row] = await transaction
        .select()
        .from(approvals)
        .where(eq(approvals.id, vote.id))
        .for('update')
      if (!row) return { ok: false, reason: 'unknown' }
      const cast = await votesOn(transaction, vote.id)
      const reason = refusal(row, cast, vote)
      if (reason) return { ok: false, reason, row: toRow(row, cast, vote.now_ms) }
      return { ok: true, row: await count(parts, transaction, row, vote) }
    }),
  )
}

function refusal(
  row: StoredApproval,
  cast: readonly StoredVote[],
  vote: VoteInput,
): VoteRefusal | undefined {
  if (row.action_digest !== vote.action_digest) return 'digest_differs'
  const requester = { issuer: row.requester_issuer, id: row.requester_id }
  if (samePerson(requester, vote.approver)) return 'requester'
  const before = cast.some(({ issuer, approver_id: id }) =>
    samePerson({ issuer, id }, vote.approver),
  )
  if (before) return 'already_voted'
  return effectiveState(row, vote.now_ms) === 'pending' ? undefined : 'not_pending'
}

/** By issuer and id alone: another type of token does not make another person. */
function samePerson(one: Pick<Requester, 'issuer' | 'id'>, other: Requester): boolean {
  return one.issuer === other.issuer && one.id === other.id
}

async function count(
  { appendLeaves, source }: Appending,
  transaction: Transaction,
  row: StoredApproval,
  vote: VoteInput,
) {
  const { approver: by, approve, now_ms } = vote
  await transaction.insert(votes).values({
    approval_id: row.id,
    issuer: by.issuer,
    approver_id: by.id,
    approver_type: by.type,
    approve,
    comment: vote.comment === undefined ? null : storable(vote.comment),
    at_ms: now_ms,
  })
  const cast = await votesOn(transaction, row.id)
  const state = outcome(row, cast)
  const voted = approvalLeaf(source, row, 'voted', now_ms, { by, approve })
  if (state === 'pending') {
    await appendLeaves(transaction, [voted])
    return toRow(row, cast, now_ms)
  }
  const change = { state, decided_ms: now_ms }
  await transaction.update(approvals).set(change).where(eq(approvals.id, row.id))
  await appendLeaves(transaction, [voted, approvalLeaf(source, row, state, now_ms)])
  return toRow({ ...row, ...change }, cast, now_ms)
}

function outcome(
  row: StoredApproval,
  cast: readonly StoredVote[],
): 'approved' | 'denied' | 'pending' {
  if (cast.some((vote) => !vote.approve)) return 'denied'
  return cast.length >= row.count ? 'approved' : 'pending'
}

function votesOn(transaction: Transaction, id: string): Promise<StoredVote[]> {
  return transaction.select().from(votes).where(eq(votes.approval_id, id)).orderBy(asc(votes.at_ms))
}
