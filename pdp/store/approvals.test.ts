import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'
import { testMaster } from '../../sealing/testing.ts'
import { type ApprovalVault, createApprovalVault } from '../approvals/vault.ts'
import { actionDigest, type CanonicalAction } from '../contract/action.ts'
import { assertNever } from '../contract/result.ts'
import { openStore } from './open.ts'
import type { ApprovalRow, NewApproval, Requester, Store } from './store.ts'
import { openTestStore } from './testing.ts'

let store: Store
let url: string
let folder: string
let vault: ApprovalVault
beforeAll(async () => {
  vault = createApprovalVault(await createWrapper(testMaster), createUnwrapper(testMaster))
  ;({ store, url, folder } = await openTestStore())
})

const NOW = 1_800_000_000_000
const ISSUER = 'https://login.example.com'
const agent: Requester = { issuer: ISSUER, type: 'agent', id: 'agent-1' }
const person = (id: string): Requester => ({ issuer: ISSUER, type: 'user', id })

const command = (): CanonicalAction => ({
  type: 'anthropic.tool_use',
  connection: 'claude',
  tool: 'Bash',
  input: { command: `rm ${randomUUID()}` },
})

function newApproval(over: Partial<NewApproval> = {}, action = command()): NewApproval {
  const owner = { id: randomUUID(), session_id: 's-1', connection: 'claude' }
  const reasons = [{ rule: 'approve.rm', message: 'deletes' }]
  return {
    ...owner,
    requester: agent,
    action_name: 'anthropic.tool_use',
    action_digest: actionDigest(action),
    content: vault.seal(owner, { action, reasons }),
    approvers: ['security', 'leads'],
    count: 1,
    valid_s: 600,
    operation_id: randomUUID(),
    demand: { decision_id: randomUUID(), revision: 'r'.repeat(64) },
    ...over,
  }
}

async function opened(
  over: Partial<NewApproval> = {},
  action?: CanonicalAction,
): Promise<ApprovalRow> {
  return (await store.approvals.demand(newApproval(over, action), NOW)).row
}

function vote(row: ApprovalRow, approver: Requester, approve = true, now_ms = NOW + 1) {
  const { id, action_digest } = row
  return store.approvals.vote({ id, action_digest, approver, approve, now_ms })
}

function consume(row: ApprovalRow, over: { action_digest?: string; now_ms?: number } = {}) {
  return store.approvals.consume({
    id: row.id,
    action_digest: row.action_digest,
    decision_id: 'd-2',
    revision: 'r-2',
    operation_id: 'o-2',
    now_ms: NOW + 2,
    ...over,
  })
}

describe('a demand', () => {
  test('is found again as it was asked for', async () => {
    const action: CanonicalAction = {
      type: 'anthropic.tool_use',
      connection: 'claude',
      tool: 'Write',
      input: { content: 'a \0 byte, ü, and 1e21', number: 1e21 },
    }
    const row = await opened({}, action)
    expect(await store.approvals.find(row.id, NOW)).toEqual(row)
    expect(await vault.open(row)).toMatchObject({ ok: true, value: { action } })
    expect(row.action_digest).toBe(actionDigest(action))
    expect(row).toMatchObject({ state: 'pending', demanded_ms: NOW, expires_ms: NOW + 600_000 })
  })

  test('made by many callers at once is one approval, opened once', async () => {
    const demand = newApproval()
    const answers = await Promise.all(
      Array.from({ length: 24 }, () =>
        store.approvals.demand({ ...demand, id: randomUUID() }, NOW),
      ),
    )
    expect(new Set(answers.map((answer) => answer.row.id)).size).toBe(1)
    expect(answers.filter((answer) => answer.opened)).toHaveLength(1)
  })

  test('for the same groups in another order is the same one; for others it is not', async () => {
    const demand = newApproval()
    const { row } = await store.approvals.demand(demand, NOW)
    const id = async (over: Partial<NewApproval>) =>
      (await store.approvals.demand({ ...demand, id: randomUUID(), ...over }, NOW)).row.id
    expect(await id({ approvers: ['leads', 'security'] })).toBe(row.id)
    const others = [
      await id({ approvers: ['leads'] }),
      await id({ count: 2 }),
      await id({ requester: { ...agent, id: 'agent-2' } }),
      await id({ action_digest: 'f'.repeat(64) }),
    ]
    expect(new Set([row.id, ...others]).size).toBe(5)
  })

  test('is opened anew once the one before it lapsed, was denied or was used', async () => {
    const demand = newApproval({ valid_s: 10 })
    const again = async (now_ms: number) =>
      (await store.approvals.demand({ ...demand, id: randomUUID() }, now_ms)).row
    const first = await again(NOW)
    const second = await again(NOW + 10_000)
    expect(second.id).not.toBe(first.id)
    expect((await store.approvals.find(first.id, NOW + 10_000))?.state).toBe('expired')
    await vote(second, person('bo'), false, NOW + 10_001)
    const third = await again(NOW + 10_002)
    expect(third.id).not.toBe(second.id)
    await vote(third, person('bo'), true, NOW + 10_003)
    expect((await again(NOW + 10_004)).id).toBe(third.id)
    expect(await consume(third, { now_ms: NOW + 10_005 })).toBeDefined()
    expect((await again(NOW + 10_006)).id).not.toBe(third.id)
  })
})

describe('a vote', () => {
  test('approves when enough different people approved', async () => {
    const row = await opened({ count: 2 })
    const first = await vote(row, person('bo'))
    expect(first).toMatchObject({ ok: true, row: { state: 'pending' } })
    expect(await vote(row, person('bo'))).toMatchObject({ ok: false, reason: 'already_voted' })
    const other = { ...person('bo'), type: 'service' }
    expect(await vote(row, other)).toMatchObject({ ok: false, reason: 'already_voted' })
    const second = await vote(row, person('cy'), true, NOW + 5)
    expect(second).toMatchObject({ ok: true, row: { state: 'approved', decided_ms: NOW + 5 } })
    expect(second.ok && second.row.votes.map((cast) => cast.approver.id)).toEqual(['bo', 'cy'])
  })

  test('against ends it', async () => {
    const row = await opened({ count: 2 })
    await vote(row, person('bo'))
    expect(await vote(row, person('cy'), false)).toMatchObject({
      ok: true,
      row: { state: 'denied' },
    })
    expect(await vote(row, person('di'))).toMatchObject({ ok: false, reason: 'not_pending' })
    expect(await consume(row)).toBeUndefined()
  })

  test('is refused to the requester, under any type of token', async () => {
    const row = await opened()
    expect(await vote(row, agent)).toMatchObject({ ok: false, reason: 'requester' })
    expect(await vote(row, { ...agent, type: 'user' })).toMatchObject({ reason: 'requester' })
    expect((await store.approvals.find(row.id, NOW))?.votes).toEqual([])
  })

  test('on another action than the one shown, an unknown or a lapsed approval is refused', async () => {
    const row = await opened({ valid_s: 10 })
    const bo = person('bo')
    expect(await vote({ ...row, action_digest: '0'.repeat(64) }, bo)).toMatchObject({
      reason: 'digest_differs',
    })
    expect(await vote({ ...row, id: randomUUID() }, bo)).toEqual({ ok: false, reason: 'unknown' })
    expect(await vote({ ...row, id: 'no uuid' }, bo)).toEqual({ ok: false, reason: 'unknown' })
    expect(await vote(row, bo, true, row.expires_ms)).toMatchObject({ reason: 'not_pending' })
  })

  test('keeps its comment, whatever characters it has', async () => {
    const row = await opened()
    const { id, action_digest } = row
    const comment = 'fine \0 \ud800 ok'
    const cast = { approver: person('bo'), approve: true, comment, now_ms: NOW }
    await store.approvals.vote({ id, action_digest, ...cast })
    const kept = await store.approvals.find(id, NOW)
    expect(kept?.votes[0]?.comment).toBe('fine \uFFFD \uFFFD ok')
  })
})

describe('an approved approval', () => {
  test('is found for its requester and action only, until it lapses', async () => {
    const row = await opened()
    expect(await store.approvals.approvedFor(agent, row.action_digest, NOW)).toBeUndefined()
    await vote(row, person('bo'))
    const found = await store.approvals.approvedFor(agent, row.action_digest, NOW + 2)
    expect(found?.id).toBe(row.id)
    expect(found?.votes).toHaveLength(1)
    const other = { ...agent, id: 'agent-2' }
    expect(await store.approvals.approvedFor(other, row.action_digest, NOW)).toBeUndefined()
    expect(
      await store.approvals.approvedFor(agent, row.action_digest, row.expires_ms),
    ).toBeUndefined()
  })

  test('is consumed by exactly one of many who try at once', async () => {
    const row = await opened()
    await vote(row, person('bo'))
    const tries = await Promise.all(Array.from({ length: 24 }, () => consume(row)))
    const won = tries.filter((taken) => taken !== undefined)
    expect(won).toHaveLength(1)
    expect(won[0]).toMatchObject({
      state: 'consumed',
      consumed: { decision_id: 'd-2', revision: 'r-2', operation_id: 'o-2', at_ms: NOW + 2 },
    })
  })

  test('is not consumed for another action, another requester, or too late', async () => {
    const row = await opened()
    await vote(row, person('bo'))
    expect(await consume(row, { action_digest: 'a'.repeat(64) })).toBeUndefined()
    expect(await consume(row, { now_ms: row.expires_ms })).toBeUndefined()
    const use = { id: row.id, action_digest: row.action_digest, now_ms: NOW + 2 }
    const by = { decision_id: 'd', revision: 'r', operation_id: 'o' }
    const requester = { ...agent, type: 'service' }
    expect(await store.approvals.consume({ ...use, ...by, requester })).toBeUndefined()
    expect(await store.approvals.consume({ ...use, ...by, requester: agent })).toBeDefined()
  })
})

describe('the list', () => {
  test('shows newest first, by state and by group, page by page', async () => {
    const { store: own } = await openTestStore()
    const rows: ApprovalRow[] = []
    for (let at = 0; at < 5; at += 1)
      rows.push((await own.approvals.demand(newApproval({ valid_s: 60 }), NOW + at)).row)
    const other = newApproval({ approvers: ['ops'], valid_s: 1 })
    await own.approvals.demand(other, NOW + 9)
    const newest = rows.toReversed().map((row) => row.id)
    const ids = async (query: Partial<Parameters<typeof own.approvals.list>[0]>) =>
      (await own.approvals.list({ limit: 10, now_ms: NOW + 9, ...query })).map((row) => row.id)
    expect(await ids({})).toEqual([other.id, ...newest])
    expect(await ids({ groups: ['security'] })).toEqual(newest)
    expect(await ids({ groups: ['security'], limit: 2, before: newest[1]! })).toEqual(
      newest.slice(2, 4),
    )
    expect(await ids({ groups: [] })).toEqual([])
    expect(await ids({ state: 'expired' })).toEqual([])
    expect(await ids({ state: 'expired', now_ms: NOW + 1_009 })).toEqual([other.id])
    expect(await ids({ state: 'pending', now_ms: NOW + 1_009 })).toEqual(newest)
  })
})

test('a change is told to listeners of this and of another process', async () => {
  const other = await openStore({ url, folder, log: () => undefined })
  const told: string[] = []
  const toldThere: string[] = []
  const end = store.approvals.onChange((id) => told.push(id))
  other.approvals.onChange((id) => toldThere.push(id))
  // The other one listens as soon as it can.
  await expect.poll(async () => (await opened(), toldThere.length)).toBeGreaterThan(0)
  const row = await opened()
  await vote(row, person('bo'))
  await expect.poll(() => told.filter((id) => id === row.id)).toHaveLength(2)
  await expect.poll(() => toldThere.filter((id) => id === row.id)).toHaveLength(2)
  end()
  const ended = told.length
  const before = toldThere.length
  await opened()
  await expect.poll(() => toldThere.length).toBeGreaterThan(before)
  expect(told).toHaveLength(ended)
  await other.close()
})

/** What happened to one approval that several people and agents meet over. */
type Step =
  | { readonly kind: 'vote'; readonly who: number; readonly approve: boolean }
  | { readonly kind: 'consume'; readonly digest: boolean }
  | { readonly kind: 'demand' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      who: fc.nat(4),
      approve: fc.boolean(),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      who: fc.nat(4),
      approve: fc.constant(true),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({ kind: fc.constant('consume' as const), digest: fc.boolean() }),
    weight: 3,
  },
  { arbitrary: fc.record({ kind: fc.constant('demand' as const) }), weight: 1 },
)

test('whatever order people and agents come in, and at once: one use at most, after enough people, never the requester', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 3 }),
      async (rounds, count) => {
        // Person 0 is the one who asks.
        const demand = newApproval({ count, requester: person('0') })
        const { row } = await store.approvals.demand(demand, NOW)
        let used = 0
        for (const round of rounds) {
          const before = await store.approvals.find(row.id, NOW)
          const results = await Promise.all(round.map((one) => play(one, row, demand)))
          used += results.filter(Boolean).length
          const after = await store.approvals.find(row.id, NOW)
          checkInvariants(after!, before!, count, used)
        }
      },
    ),
    { numRuns: 40 },
  )
})

async function play(one: Step, row: ApprovalRow, demand: NewApproval): Promise<boolean> {
  switch (one.kind) {
    case 'vote':
      await vote(row, person(String(one.who)), one.approve)
      return false
    case 'consume':
      return (await consume(row, one.digest ? {} : { action_digest: '0'.repeat(64) })) !== undefined
    case 'demand':
      await store.approvals.demand({ ...demand, id: randomUUID() }, NOW)
      return false
    default:
      return assertNever(one)
  }
}

function checkInvariants(after: ApprovalRow, before: ApprovalRow, count: number, used: number) {
  const voters = after.votes.map((cast) => cast.approver.id)
  const approving = after.votes.filter((cast) => cast.approve)
  expect(voters).not.toContain('0')
  expect(new Set(voters).size).toBe(voters.length)
  expect(used).toBe(after.state === 'consumed' ? 1 : 0)
  if (after.state === 'approved' || after.state === 'consumed')
    expect(approving).toHaveLength(count)
  if (after.state === 'denied') expect(approving.length).toBe(after.votes.length - 1)
  if (before.state === 'denied' || before.state === 'consumed') expect(after).toEqual(before)
}
