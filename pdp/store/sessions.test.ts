import { beforeAll, expect, test } from 'vitest'
import { testIntent, testOutcome } from '../../sealing/testing.ts'
import type { JournalRecord } from '../contract/record.ts'
import type { Store } from './store.ts'
import { openTestStore } from './testing.ts'
import { createTestJournal, type TestBatch } from './testing-frames.ts'

let store: Store
beforeAll(async () => {
  store = (await openTestStore()).store
})

const T = 1_800_000_000_000

/** In an epoch of its own. */
async function append(pep: string, records: readonly JournalRecord[]): Promise<TestBatch> {
  return (await createTestJournal({ pep })).ship(store, records)
}

type Told = {
  readonly time_ms?: number
  readonly subject_id?: string
  readonly action?: string
  readonly effect?: 'allow' | 'deny' | 'approve'
  readonly approved?: boolean
}

function intent(session: string, operation: string, told: Told = {}) {
  const { time_ms = T, subject_id = 'agent-1', action = 'anthropic.messages.create' } = told
  const { request, decision } = testIntent()
  return testIntent({
    operation_id: operation,
    time_ms,
    request: {
      ...request,
      subject: { ...request.subject, id: subject_id },
      action: { name: action },
      context: { ...request.context, session: { id: session } },
    },
    decision: {
      ...decision,
      effect: told.effect ?? 'allow',
      ...(told.approved && { approval: { id: 'approval-1', approvers: [], approved_ms: time_ms } }),
    },
  })
}

const decision = (session: string, operation: string, told: Told): JournalRecord => ({
  ...intent(session, operation, told),
  kind: 'decision',
})

const outcome = (
  session_id: string,
  operation_id: string,
  time_ms: number,
  result: 'completed' | 'cut' | 'unknown' = 'completed',
) => testOutcome({ session_id, operation_id, time_ms, result })

test('a session tells who, when, its labels and what happened in it', async () => {
  await append('pep-1', [
    intent('s-1', 'o-1'),
    intent('s-1', 'o-2', { time_ms: T + 5, action: 'http.request' }),
    outcome('s-1', 'o-1', T + 6),
    outcome('s-1', 'o-2', T + 7, 'cut'),
    decision('s-1', 'o-3', { time_ms: T + 8, effect: 'deny' }),
    decision('s-1', 'o-4', { time_ms: T + 9, effect: 'approve' }),
    intent('s-1', 'o-5', { time_ms: T + 9, approved: true }),
  ])
  await store.sessions.label('s-1', 'my session')
  await store.sessions.label('s-1', 'b')
  await store.sessions.label('s-1', 'b')
  expect(await store.sessions.list({ limit: 9, subject: 'agent-1' })).toEqual([
    {
      id: 's-1',
      cursor: expect.any(String),
      labels: ['b', 'my session'],
      subject_id: 'agent-1',
      issuer: 'https://issuer',
      first_ms: T,
      last_ms: T + 9,
      counts: {
        operations: 5,
        allowed: 3,
        denied: 1,
        approvals: 2,
        actions: { 'anthropic.messages.create': 4, 'http.request': 1 },
        results: { completed: 1, cut: 1 },
      },
    },
  ])
})

test('sessions are listed the one active last first, page by page, by subject, label and time', async () => {
  const subject_id = 'agent-2'
  const label = 'nightly'
  await append('pep-1', [
    ...['p-0', 'p-1', 'p-2', 'p-3', 'p-4'].map((id, at) =>
      intent(id, `o-${id}`, { subject_id, time_ms: T + at }),
    ),
    intent('p-0', 'o-p-0b', { subject_id, time_ms: T + 100 }),
  ])
  for (const at of [0, 1, 2, 3, 4]) await store.sessions.label(`p-${at}`, label)
  const list = (query: object) => store.sessions.list({ limit: 10, subject: subject_id, ...query })
  const ids = async (query: object) => (await list(query)).map((session) => session.id)
  const all = ['p-0', 'p-4', 'p-3', 'p-2', 'p-1']
  expect(await ids({})).toEqual(all)
  const before = (await list({ limit: 2 })).at(-1)!.cursor
  expect(await ids({ before })).toEqual(all.slice(2))
  for (const parts of ['no cursor', ['x', 'y'], [1e300, 'y'], [1, {}], [1]]) {
    const none = Buffer.from(JSON.stringify(parts)).toString('base64url')
    expect(await ids({ before: none })).toEqual(all)
  }
  expect(await ids({ since_ms: T + 3 })).toEqual(['p-0', 'p-4', 'p-3'])
  expect(await ids({ label })).toEqual(all)
  expect(await ids({ label: 'other' })).toEqual([])
})

test('the steps of a session are all of its operations, in the order of the log, page by page', async () => {
  const first = await append('pep-1', [
    intent('r-1', 'r-o-1', { time_ms: T + 10 }),
    intent('r-2', 'r-o-2', { time_ms: T + 11 }),
    {
      kind: 'chunk',
      time_ms: T + 12,
      operation_id: 'r-o-1',
      session_id: 'r-1',
      connection: 'claude',
      direction: 'delivered',
      offset: 0,
      pieces: [[T + 12, 3]],
      body: Buffer.from('abc'),
    },
    outcome('r-2', 'r-o-2', T + 13),
    outcome('r-1', 'r-o-1', T + 14),
    { kind: 'event', time_ms: T + 15, name: 'pep.alive', detail: {} },
  ])
  // The same one after a crash, in another epoch; by its clock before all of them.
  const recovered = await append('pep-1', [outcome('r-1', 'r-o-1', T, 'unknown')])
  const all = [first.records[0], first.records[2], first.records[4], recovered.records[0]]
  const read = async (session: string, after?: number) => {
    const page = await store.sessions.steps(session, {
      limit: 3,
      ...(after !== undefined && { after }),
    })
    return page.ok ? page.steps : []
  }
  const page = await read('r-1')
  const kinds = page.map(({ leaf }) => (JSON.parse(leaf) as { kind: string }).kind)
  expect(kinds).toEqual(['intent', 'chunk', 'outcome'])
  const rest = await read('r-1', page.at(-1)?.index)
  expect([...page, ...rest].map(({ sealed }) => sealed && Buffer.from(sealed))).toEqual(
    all.map((record) => Buffer.from(record?.content?.sealed ?? '')),
  )
  expect(await read('r-1', rest.at(-1)?.index)).toEqual([])
  const operation = await store.sessions.operation({ session: 'r-1', id: 'r-o-1', limit: 9 })
  expect(operation.map(({ index }) => index)).toEqual(
    [...page, ...rest].flatMap(({ leaf, index }) =>
      (JSON.parse(leaf) as { operation_id?: string }).operation_id === 'r-o-1' ? [index] : [],
    ),
  )
  expect(operation.length).toBeGreaterThan(1)
})

test('a decision is found by its id, and all of them in the order of the log', async () => {
  const made = intent('d-1', 'd-o-1')
  const decided = { ...made, decision: { ...made.decision, id: 'd-id-1' as never } }
  await append('pep-1', [decided, decision('d-1', 'd-o-2', { effect: 'deny' })])
  const step = await store.sessions.decision('d-id-1')
  expect(JSON.parse(step?.leaf ?? '')).toMatchObject({ kind: 'intent', operation_id: 'd-o-1' })
  expect(await store.sessions.decision('d-id-2')).toBeUndefined()
  const all = await store.sessions.decisions({ from: 0, limit: 9, session: 'd-1' })
  expect(all.map(({ leaf }) => (JSON.parse(leaf) as { kind: string }).kind)).toEqual([
    'intent',
    'decision',
  ])
  const later = await store.sessions.decisions({
    from: (step?.index ?? 0) + 1,
    limit: 1,
    session: 'd-1',
  })
  expect(later).toEqual(all.slice(1))
})

test('a label leads to its session when only one carries it, and to a choice when several do', async () => {
  await append('pep-1', [
    intent('l-1', 'l-o-1'),
    intent('l-2', 'l-o-2', { time_ms: T }),
    intent('l-3', 'l-o-3', { time_ms: T + 1 }),
    intent('l-4', 'l-o-4'),
  ])
  await store.sessions.label('l-1', 'only')
  for (const id of ['l-2', 'l-3']) await store.sessions.label(id, 'shared')
  // A client calls its session by the id of another one: the id wins.
  await store.sessions.label('l-4', 'l-1')
  const page = { limit: 5 }
  expect(await store.sessions.steps('only', page)).toMatchObject({ ok: true, id: 'l-1' })
  expect(await store.sessions.steps('l-1', page)).toMatchObject({ ok: true, id: 'l-1' })
  const shared = await store.sessions.steps('shared', page)
  expect(!shared.ok && shared.sessions.map((session) => session.id)).toEqual(['l-3', 'l-2'])
  expect(await store.sessions.steps('nobody', page)).toEqual({ ok: false, sessions: [] })
})

test('whose session it is and which connections it reached is what its records say', async () => {
  await append('pep-1', [
    intent('h-1', 'h-o-1', { subject_id: 'agent-9' }),
    { ...intent('h-1', 'h-o-2', { subject_id: 'agent-9' }), connection: 'another' },
  ])
  expect(await store.sessions.holder('h-1')).toEqual({
    subject: { issuer: 'https://issuer', id: 'agent-9' },
    connections: ['another', 'claude'],
  })
  expect(await store.sessions.holder('h-2')).toBeUndefined()
})

test('whose a session is stays known when its end came before its beginning', async () => {
  await append('pep-1', [outcome('h-late', 'o-1', T + 6, 'unknown')])
  await append('pep-1', [intent('h-late', 'o-1', { subject_id: 'agent-7' })])
  await append('pep-1', [intent('h-late', 'o-2', { subject_id: 'agent-8' })])
  const { issuer } = testIntent().request.subject.properties
  expect(await store.sessions.holder('h-late')).toMatchObject({
    subject: { issuer, id: 'agent-7' },
  })
})
