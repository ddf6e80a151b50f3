import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testMaster } from '../../sealing/testing.ts'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'
import { type ApprovalVault, createApprovalVault } from '../approvals/vault.ts'
import { actionDigest, type CanonicalAction } from '../contract/action.ts'
import { assertNever } from '../contract/result.ts'
import type { ApprovalRow, NewApproval, Requester, Store } from './store.ts'
import { openTestStore } from './testing.ts'

let store: Store
let owner: Sql
let vault: ApprovalVault
beforeAll(async () => {
  const opened = await openTestStore()
  ;({ store } = opened)
  owner = postgres(opened.url, { max: 1 })
  vault = createApprovalVault(await createWrapper(testMaster), createUnwrapper(testMaster))
})
afterAll(() => owner.end())

const NOW = 1_800_000_000_000
const SECRET = 'rm 078-05-1120'
const agent: Requester = { issuer: 'https://issuer', type: 'agent', id: 'agent-1' }
const person = (id: string): Requester => ({ ...agent, type: 'user', id })

function newApproval(over: Partial<NewApproval> = {}): NewApproval {
  const action: CanonicalAction = {
    type: 'anthropic.tool_use',
    connection: 'claude',
    tool: 'Bash',
    input: { command: SECRET, id: randomUUID() },
  }
  const known = { id: randomUUID(), session_id: 's-1', connection: 'claude' }
  const reasons = [{ rule: 'approve.rm', message: SECRET }]
  return {
    ...known,
    requester: agent,
    action_name: 'anthropic.tool_use',
    action_digest: actionDigest(action),
    content: vault.seal(known, { action, reasons }),
    approvers: ['security', 'leads'],
    count: 1,
    valid_s: 600,
    operation_id: 'o-1',
    demand: { decision_id: 'd-1', revision: 'r-1' },
    ...over,
  }
}

const demanded = async (over: Partial<NewApproval> = {}): Promise<ApprovalRow> =>
  (await store.approvals.demand(newApproval(over), NOW)).row

const vote = (row: ApprovalRow, who: string, approve = true) =>
  store.approvals.vote({
    id: row.id,
    action_digest: row.action_digest,
    approver: person(who),
    approve,
    comment: SECRET,
    now_ms: NOW + 1,
  })

const consume = (row: ApprovalRow) =>
  store.approvals.consume({
    id: row.id,
    action_digest: row.action_digest,
    decision_id: 'd-2',
    revision: 'r-2',
    operation_id: 'o-2',
    now_ms: NOW + 2,
  })

type Leaf = Readonly<Record<string, unknown>> & { readonly event: string }

async function leavesOf(id: string): Promise<readonly Leaf[]> {
  const rows = await owner<{ leaf: string }[]>`
    select leaf from countersign.leaves
    where kind = 'approval' and leaf::json ->> 'approval_id' = ${id} order by idx`
  return rows.map(({ leaf }) => JSON.parse(leaf) as Leaf)
}
const eventsOf = async (id: string) => (await leavesOf(id)).map(({ event }) => event)

describe('each transition has its leaf', () => {
  test('from the demand to the use, with all of it but what was asked for', async () => {
    const approval = newApproval({ count: 2 })
    const { row } = await store.approvals.demand(approval, NOW)
    await vote(row, 'bo')
    await vote(row, 'cy')
    await consume(row)
    const leaves = await leavesOf(row.id)
    expect(leaves.map(({ event }) => event)).toEqual([
      'demanded',
      'voted',
      'voted',
      'approved',
      'consumed',
    ])
    const told = {
      v: 1,
      kind: 'approval',
      source: { pdp: 'pdp' },
      approval_id: row.id,
      requester: agent,
      session_id: 's-1',
      connection: 'claude',
      action: 'anthropic.tool_use',
      operation_id: 'o-1',
      decision_id: 'd-1',
      revision: 'r-1',
      approvers: ['leads', 'security'],
      count: 2,
      expires_ms: NOW + 600_000,
      action_commitment: Buffer.from(approval.content.commitment).toString('hex'),
      logged_ms: expect.any(Number) as number,
    }
    const used = { operation_id: 'o-2', decision_id: 'd-2', revision: 'r-2' }
    expect(leaves).toEqual([
      { ...told, event: 'demanded', time_ms: NOW },
      { ...told, event: 'voted', time_ms: NOW + 1, by: person('bo'), approve: true },
      { ...told, event: 'voted', time_ms: NOW + 1, by: person('cy'), approve: true },
      { ...told, event: 'approved', time_ms: NOW + 1 },
      { ...told, event: 'consumed', time_ms: NOW + 2, consumed: used },
    ])
    const text = JSON.stringify(leaves)
    expect(text).not.toContain('078-05-1120')
    expect(text).not.toContain(row.action_digest)
  })

  test('a vote against, a lapse that is swept, and one that another demand finds', async () => {
    const denied = await demanded()
    await vote(denied, 'bo', false)
    expect(await eventsOf(denied.id)).toEqual(['demanded', 'voted', 'denied'])
    const swept = await demanded({ valid_s: 1 })
    expect(await store.approvals.expire(NOW + 1_000)).toBe(1)
    expect(await store.approvals.expire(NOW + 1_000)).toBe(0)
    expect(await eventsOf(swept.id)).toEqual(['demanded', 'expired'])
    const lapsing = newApproval({ valid_s: 1 })
    const { row } = await store.approvals.demand(lapsing, NOW)
    const next = await store.approvals.demand({ ...lapsing, id: randomUUID() }, NOW + 1_000)
    expect(next.opened).toBe(true)
    expect(await eventsOf(row.id)).toEqual(['demanded', 'expired'])
    expect(await eventsOf(next.row.id)).toEqual(['demanded'])
  })

  test('and what changes nothing has none', async () => {
    const row = await demanded()
    const before = await store.log.size()
    await store.approvals.demand({ ...newApproval(), ...againOf(row) }, NOW)
    await vote(row, agent.id)
    await vote({ ...row, action_digest: 'f'.repeat(64) }, 'bo')
    await vote({ ...row, id: randomUUID() }, 'bo')
    await consume(row)
    await store.approvals.find(row.id, NOW)
    await store.approvals.expire(NOW)
    expect(await store.log.size()).toBe(before)
    await vote(row, 'bo')
    await vote(row, 'bo')
    await consume(row)
    await consume(row)
    expect(await eventsOf(row.id)).toEqual(['demanded', 'voted', 'approved', 'consumed'])
  })
})

const againOf = ({ action_digest, approvers, count }: ApprovalRow) => ({
  id: randomUUID(),
  action_digest,
  approvers,
  count,
})

describe('at once', () => {
  test('24 demands, 24 voters, 24 uses and 24 sweeps each leave one leaf', async () => {
    const many = <T>(work: (at: number) => Promise<T>) =>
      Promise.all(Array.from({ length: 24 }, (_, at) => work(at)))
    const approval = newApproval()
    const rows = await many(() => store.approvals.demand({ ...approval, id: randomUUID() }, NOW))
    const { row } = rows[0]!
    expect(await eventsOf(row.id)).toEqual(['demanded'])
    const votes = await many((at) => vote(row, `person-${at}`))
    expect(votes.filter(({ ok }) => ok)).toHaveLength(1)
    expect(await eventsOf(row.id)).toEqual(['demanded', 'voted', 'approved'])
    const uses = await many(() => consume(row))
    expect(uses.filter((used) => used !== undefined)).toHaveLength(1)
    expect(await eventsOf(row.id)).toEqual(['demanded', 'voted', 'approved', 'consumed'])
    const lapsing = await demanded({ valid_s: 1 })
    const swept = await many(() => store.approvals.expire(NOW + 1_000))
    expect(swept.reduce((sum, one) => sum + one, 0)).toBe(1)
    expect(await eventsOf(lapsing.id)).toEqual(['demanded', 'expired'])
  })

  type Step = 'approve' | 'deny' | 'consume' | 'demand' | 'expire'
  const round = fc.array(
    fc.constantFrom<Step>('approve', 'approve', 'deny', 'consume', 'consume', 'demand', 'expire'),
    { minLength: 1, maxLength: 6 },
  )

  test('whoever meets: leaves tell one way through, and it ends where the row is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(round, { maxLength: 4 }),
        fc.integer({ min: 1, max: 2 }),
        async (rounds, count) => {
          const approval = newApproval({ count, valid_s: 1 })
          const { row } = await store.approvals.demand(approval, NOW)
          let voters = 0
          for (const steps of rounds)
            await Promise.all(
              steps.map((step) => play(step, approval, row, `person-${(voters += 1)}`)),
            )
          const after = await store.approvals.find(row.id, NOW)
          const events = await eventsOf(row.id)
          const votes = after?.votes.length ?? 0
          const states = events.filter((event) => event !== 'voted')
          expect(events.length - states.length).toBe(votes)
          const last = states.at(-1)
          expect(last === 'demanded' ? 'pending' : last).toBe(after?.state)
          expect([
            ['demanded'],
            ['demanded', 'denied'],
            ['demanded', 'expired'],
            ['demanded', 'approved'],
            ['demanded', 'approved', 'expired'],
            ['demanded', 'approved', 'consumed'],
          ]).toContainEqual(states)
        },
      ),
      { numRuns: 40 },
    )
  })

  async function play(step: Step, approval: NewApproval, row: ApprovalRow, who: string) {
    switch (step) {
      case 'approve':
        return vote(row, who)
      case 'deny':
        return vote(row, who, false)
      case 'consume':
        return consume(row)
      case 'demand':
        return store.approvals.demand({ ...approval, id: randomUUID() }, NOW)
      case 'expire':
        return store.approvals.expire(NOW + 1_000)
      default:
        return assertNever(step)
    }
  }
})

test('what cannot be put on record does not happen: no demand, vote, use or end', async () => {
  const pending = await demanded()
  const lapsed = await demanded({ valid_s: 0 })
  const approved = await demanded()
  await vote(approved, 'bo')
  const size = await store.log.size()
  const all = () => owner`select * from countersign.approvals order by id`
  const before = await all()
  const votes = await owner`select count(*) from countersign.votes`
  await owner.unsafe(`create trigger nothing_more before insert on countersign.leaves
    for each statement execute function countersign.refuse_change()`)
  const broken = { code: 'STORE_BROKEN' }
  try {
    await expect(demanded()).rejects.toMatchObject(broken)
    await expect(vote(pending, 'bo')).rejects.toMatchObject(broken)
    await expect(vote(pending, 'bo', false)).rejects.toMatchObject(broken)
    await expect(consume(approved)).rejects.toMatchObject(broken)
    await expect(store.approvals.expire(NOW + 1)).rejects.toMatchObject(broken)
  } finally {
    await owner`drop trigger nothing_more on countersign.leaves`
  }
  expect(await all()).toEqual(before)
  expect(await owner`select count(*) from countersign.votes`).toEqual(votes)
  expect(await store.log.size()).toBe(size)
  // And then it does.
  expect(await consume(approved)).toBeDefined()
  expect(await store.approvals.expire(NOW + 1)).toBe(1)
  expect(await eventsOf(lapsed.id)).toEqual(['demanded', 'expired'])
})
