import { createHash } from 'node:crypto'
import { and, arrayOverlaps, desc, eq, gt, inArray, lte, or, sql, type SQL } from 'drizzle-orm'
import { canonicalJson } from '../contract/action.ts'
import { approvalLeaf } from './approval-leaf.ts'
import type { Transaction, Use } from './connection.ts'
import type { Appending } from './log/append.ts'
import { effectiveState, isUuid, toRow, withVotes } from './approval-row.ts'
import { approvals } from './schema.ts'
import {
  StoreError,
  type ApprovalQuery,
  type ApprovalRow,
  type ApprovalStore,
  type Consumption,
  type NewApproval,
  type Requester,
} from './store.ts'
import { castVote } from './votes.ts'

const LIVE = inArray(approvals.state, ['pending', 'approved'])
/** Each try loses only to another caller who moved the approval on. */
const TRIES = 8

/** Each change of an approval and the leaf that tells of it are one transaction. */
export function createApprovalStore(parts: Appending): Omit<ApprovalStore, 'onChange'> {
  const { use } = parts
  return {
    demand: (approval, now_ms) => demand(parts, approval, now_ms),
    find: (id, now_ms = Date.now()) => find(use, id, now_ms),
    approvedFor: (requester, digest, now_ms) => approvedFor(use, requester, digest, now_ms),
    list: (query) => list(use, query),
    vote: (vote) => castVote(parts, vote),
    consume: (consumption) => consume(parts, consumption),
    expire: (now_ms) => use(({ db }) => db.transaction((tx) => expire(parts, tx, now_ms))),
  }
}

async function demand(
  { use, appendLeaves, source }: Appending,
  approval: NewApproval,
  now_ms: number,
): Promise<{ row: ApprovalRow; opened: boolean }> {
  const live_key = liveKey(approval)
  for (let tries = 0; tries < TRIES; tries += 1) {
    const opened = await use(({ db }) =>
      db.transaction(async (transaction) => {
        const [row] = await transaction
          .insert(approvals)
          .values(toInsert(approval, live_key, now_ms))
          .onConflictDoNothing()
          .returning()
        if (row) await appendLeaves(transaction, [approvalLeaf(source, row, 'demanded', now_ms)])
        return row
      }),
    )
    if (opened) return { row: toRow(opened, [], now_ms), opened: true }
    const [live] = await use(({ db }) =>
      db
        .select()
        .from(approvals)
        .where(and(eq(approvals.live_key, live_key), LIVE)),
    )
    if (!live) continue
    if (effectiveState(live, now_ms) === live.state) {
      const [row] = await withVotes(use, [live], now_ms)
      if (row) return { row, opened: false }
    }
    // It lapsed and still holds the place of a new one.
    await use(({ db }) =>
      db.transaction((transaction) =>
        expire({ appendLeaves, source }, transaction, now_ms, eq(approvals.id, live.id)),
      ),
    )
  }
  throw new StoreError('STORE_CONFLICT', 'the approval changes all the time; ask again')
}

/** Most that one sweep ends; the next takes the rest. */
const MAX_EXPIRED = 500

/** Ends what lapsed, and says so in the log. @returns how many. */
async function expire(
  { appendLeaves, source }: Pick<Appending, 'appendLeaves' | 'source'>,
  transaction: Transaction,
  now_ms: number,
  which?: SQL,
): Promise<number> {
  const lapsed = await transaction
    .select({ id: approvals.id })
    .from(approvals)
    .where(and(which, LIVE, lte(approvals.expires_ms, now_ms)))
    .orderBy(approvals.id)
    .limit(MAX_EXPIRED)
    // One that somebody else is at work on is theirs, and comes again if it stays.
    .for('update', { skipLocked: true })
  if (lapsed.length === 0) return 0
  const ended = await transaction
    .update(approvals)
    .set({ state: 'expired' })
    .where(
      inArray(
        approvals.id,
        lapsed.map(({ id }) => id),
      ),
    )
    .returning()
  await appendLeaves(
    transaction,
    ended.map((row) => approvalLeaf(source, row, 'expired', now_ms)),
  )
  return ended.length
}

async function find(use: Use, id: string, now_ms: number): Promise<ApprovalRow | undefined> {
  if (!isUuid(id)) return undefined
  const rows = await use(({ db }) => db.select().from(approvals).where(eq(approvals.id, id)))
  const [row] = await withVotes(use, rows, now_ms)
  return row
}

async function approvedFor(
  use: Use,
  requester: Requester,
  action_digest: string,
  now_ms: number,
): Promise<ApprovalRow | undefined> {
  const rows = await use(({ db }) =>
    db
      .select()
      .from(approvals)
      .where(
        and(
          eq(approvals.action_digest, action_digest),
          sameRequester(requester),
          eq(approvals.state, 'approved'),
          gt(approvals.expires_ms, now_ms),
        ),
      )
      .orderBy(desc(approvals.decided_ms))
      .limit(1),
  )
  const [row] = await withVotes(use, rows, now_ms)
  return row
}

async function list(use: Use, query: ApprovalQuery): Promise<readonly ApprovalRow[]> {
  const now_ms = query.now_ms ?? Date.now()
  if (query.groups?.length === 0) return []
  if (query.before !== undefined && !isUuid(query.before)) return []
  const rows = await use(({ db }) =>
    db
      .select()
      .from(approvals)
      .where(
        and(
          query.state && isInState(query.state, now_ms),
          query.groups && arrayOverlaps(approvals.approvers, [...query.groups]),
          query.before
            ? sql`(${approvals.demanded_ms}, ${approvals.id}) <
                (select demanded_ms, id from ${approvals} as last where last.id = ${query.before})`
            : undefined,
        ),
      )
      .orderBy(desc(approvals.demanded_ms), desc(approvals.id))
      .limit(query.limit),
  )
  return withVotes(use, rows, now_ms)
}

/** Of all who come at once, the database lets one through. */
async function consume(
  { use, appendLeaves, source }: Appending,
  use_: Consumption,
): Promise<ApprovalRow | undefined> {
  if (!isUuid(use_.id)) return undefined
  const row = await use(({ db }) =>
    db.transaction(async (transaction) => {
      const [taken] = await transaction
        .update(approvals)
        .set({
          state: 'consumed',
          consumed_decision_id: use_.decision_id,
          consumed_revision: use_.revision,
          consumed_operation_id: use_.operation_id,
          consumed_ms: use_.now_ms,
        })
        .where(
          and(
            eq(approvals.id, use_.id),
            eq(approvals.state, 'approved'),
            eq(approvals.action_digest, use_.action_digest),
            gt(approvals.expires_ms, use_.now_ms),
            use_.requester && sameRequester(use_.requester),
          ),
        )
        .returning()
      if (taken)
        await appendLeaves(transaction, [
          approvalLeaf(source, taken, 'consumed', use_.now_ms, {
            consumed: {
              operation_id: use_.operation_id,
              decision_id: use_.decision_id,
              revision: use_.revision,
            },
          }),
        ])
      return taken
    }),
  )
  // No second query: once consumed, nothing may fail any more.
  return row && toRow(row, [], use_.now_ms)
}

/** As it is now, whatever the row still says. */
function isInState(state: ApprovalRow['state'], now_ms: number): SQL | undefined {
  const same = eq(approvals.state, state)
  switch (state) {
    case 'pending':
    case 'approved':
      return and(same, gt(approvals.expires_ms, now_ms))
    case 'expired':
      return or(same, and(LIVE, lte(approvals.expires_ms, now_ms)))
    case 'denied':
    case 'consumed':
      return same
    default:
      return state satisfies never
  }
}

function sameRequester(requester: Requester): SQL | undefined {
  return and(
    eq(approvals.requester_issuer, requester.issuer),
    eq(approvals.requester_type, requester.type),
    eq(approvals.requester_id, requester.id),
  )
}

/** Who asks for what from whom: only one such approval is pending or approved at a time. */
function liveKey(approval: NewApproval): string {
  const { requester, action_digest, count } = approval
  const approvers = [...new Set(approval.approvers)].sort()
  const text = canonicalJson([
    requester.issuer,
    requester.type,
    requester.id,
    action_digest,
    approvers,
    count,
  ])
  return createHash('sha256').update(`countersign/approval/v1\n${text}`).digest('hex')
}

function toInsert(approval: NewApproval, live_key: string, now_ms: number) {
  const { requester, demand, content, ...rest } = approval
  return {
    ...rest,
    ...content,
    approvers: [...new Set(approval.approvers)].sort(),
    state: 'pending' as const,
    live_key,
    requester_issuer: requester.issuer,
    requester_type: requester.type,
    requester_id: requester.id,
    demand_decision_id: demand.decision_id,
    demand_revision: demand.revision,
    demanded_ms: now_ms,
    expires_ms: now_ms + approval.valid_s * 1000,
  }
}
