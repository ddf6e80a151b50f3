import { createHash } from 'node:crypto'
import { and, arrayOverlaps, desc, eq, gt, inArray, lte, or, sql, type SQL } from 'drizzle-orm'
import { canonicalJson } from '../contract/action.ts'
import type { Use } from './connection.ts'
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

export function createApprovalStore(use: Use): Omit<ApprovalStore, 'onChange'> {
  return {
    demand: (approval, now_ms) => demand(use, approval, now_ms),
    find: (id, now_ms = Date.now()) => find(use, id, now_ms),
    approvedFor: (requester, digest, now_ms) => approvedFor(use, requester, digest, now_ms),
    list: (query) => list(use, query),
    vote: (vote) => castVote(use, vote),
    consume: (consumption) => consume(use, consumption),
  }
}

async function demand(
  use: Use,
  approval: NewApproval,
  now_ms: number,
): Promise<{ row: ApprovalRow; opened: boolean }> {
  const live_key = liveKey(approval)
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [opened] = await use(({ db }) =>
      db
        .insert(approvals)
        .values(toInsert(approval, live_key, now_ms))
        .onConflictDoNothing()
        .returning(),
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
      db
        .update(approvals)
        .set({ state: 'expired' })
        .where(and(eq(approvals.id, live.id), LIVE, lte(approvals.expires_ms, now_ms))),
    )
  }
  throw new StoreError('STORE_CONFLICT', 'the approval changes all the time; ask again')
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

/** One statement: of all who come at once, the database lets one through. */
async function consume(use: Use, use_: Consumption): Promise<ApprovalRow | undefined> {
  if (!isUuid(use_.id)) return undefined
  const rows = await use(({ db }) =>
    db
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
      .returning(),
  )
  const [row] = rows
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
  const { requester, demand, ...rest } = approval
  return {
    ...rest,
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
