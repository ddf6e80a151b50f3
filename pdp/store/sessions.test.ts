import { randomBytes, randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { frameDigest } from '../contract/record.ts'
import type { IndexedFrame, RecordIndex, Store } from './store.ts'
import { openTestStore } from './testing.ts'

let store: Store
beforeAll(async () => {
  store = (await openTestStore()).store
})

const T = 1_800_000_000_000

async function append(pep: string, records: readonly RecordIndex[]): Promise<IndexedFrame[]> {
  let prev: Uint8Array = Buffer.alloc(32)
  const frames = records.map((index, seq) => {
    const payload = randomBytes(16)
    const frame = { seq, prev, digest: frameDigest(prev, payload), payload, index }
    prev = frame.digest
    return frame
  })
  const answer = await store.records.append({ pep, epoch: randomUUID(), frames, received_ms: T })
  expect(answer).toMatchObject({ ok: true })
  return frames
}

function intent(session: string, operation: string, over: Partial<RecordIndex> = {}): RecordIndex {
  return {
    kind: 'intent',
    time_ms: T,
    operation_id: operation,
    session_id: session,
    subject_id: 'agent-1',
    issuer: 'https://login.example.com',
    connection: 'claude',
    action: 'anthropic.messages.create',
    effect: 'allow',
    ...over,
  }
}

function outcome(operation: string, time_ms: number, result = 'completed'): RecordIndex {
  return { kind: 'outcome', time_ms, operation_id: operation, result }
}

test('a session tells who, when, its labels and what happened in it', async () => {
  await append('pep-1', [
    intent('s-1', 'o-1', { session_label: 'my session' }),
    intent('s-1', 'o-2', { time_ms: T + 5, action: 'http.request' }),
    outcome('o-1', T + 6),
    outcome('o-2', T + 7, 'cut'),
    intent('s-1', 'o-3', { kind: 'decision', time_ms: T + 8, effect: 'deny' }),
    intent('s-1', 'o-4', {
      kind: 'decision',
      time_ms: T + 9,
      effect: 'approve',
      session_label: 'b',
    }),
  ])
  expect(await store.sessions.list({ limit: 9, subject: 'agent-1' })).toEqual([
    {
      id: 's-1',
      cursor: expect.any(String),
      labels: ['b', 'my session'],
      subject_id: 'agent-1',
      issuer: 'https://login.example.com',
      first_ms: T,
      last_ms: T + 9,
      counts: {
        operations: 4,
        allowed: 2,
        denied: 1,
        approvals: 1,
        actions: { 'anthropic.messages.create': 3, 'http.request': 1 },
        results: { completed: 1, cut: 1 },
      },
    },
  ])
})

test('sessions are listed the one active last first, page by page, by subject, label and time', async () => {
  const subject_id = 'agent-2'
  const session_label = 'nightly'
  await append('pep-1', [
    ...['p-0', 'p-1', 'p-2', 'p-3', 'p-4'].map((id, at) =>
      intent(id, `o-${id}`, { subject_id, session_label, time_ms: T + at }),
    ),
    intent('p-0', 'o-p-0b', { subject_id, time_ms: T + 100 }),
  ])
  const list = (query: object) => store.sessions.list({ limit: 10, subject: subject_id, ...query })
  const ids = async (query: object) => (await list(query)).map((session) => session.id)
  const all = ['p-0', 'p-4', 'p-3', 'p-2', 'p-1']
  expect(await ids({})).toEqual(all)
  const before = (await list({ limit: 2 })).at(-1)!.cursor
  expect(await ids({ before })).toEqual(all.slice(2))
  expect(await ids({ before: 'no cursor' })).toEqual(all)
  expect(await ids({ since_ms: T + 3 })).toEqual(['p-0', 'p-4', 'p-3'])
  expect(await ids({ label: session_label })).toEqual(all)
  expect(await ids({ label: 'other' })).toEqual([])
})

test('the records of a session are all of its operations, in time order, page by page', async () => {
  const frames = await append('pep-1', [
    intent('r-1', 'r-o-1', { time_ms: T + 10 }),
    intent('r-2', 'r-o-2', { time_ms: T + 11 }),
    { kind: 'chunk', time_ms: T + 12, operation_id: 'r-o-1' },
    outcome('r-o-2', T + 13),
    outcome('r-o-1', T + 14),
    { kind: 'event', time_ms: T + 15 },
  ])
  // Another enforcement point names an operation that is not its own.
  await append('pep-2', [outcome('r-o-1', T + 16)])
  // The same one after a crash, in another epoch.
  const recovered = await append('pep-1', [outcome('r-o-1', T + 17, 'unknown')])
  const all = [frames[0]!, frames[2]!, frames[4]!, recovered[0]!].map((frame) => frame.payload)
  const read = async (session: string, after?: string) => {
    const page = await store.sessions.records(session, { limit: 3, ...(after ? { after } : {}) })
    return page.ok ? page.records : []
  }
  const first = await read('r-1')
  expect(first.map((record) => record.kind)).toEqual(['intent', 'chunk', 'outcome'])
  const rest = await read('r-1', first.at(-1)!.cursor)
  expect([...first, ...rest].map((record) => record.payload)).toEqual(all)
  expect(await read('r-1', rest.at(-1)!.cursor)).toEqual([])
})

test('a label leads to its session when only one carries it, and to a choice when several do', async () => {
  await append('pep-1', [
    intent('l-1', 'l-o-1', { session_label: 'only' }),
    intent('l-2', 'l-o-2', { session_label: 'shared', time_ms: T }),
    intent('l-3', 'l-o-3', { session_label: 'shared', time_ms: T + 1 }),
    // A client calls its session by the id of another one: the id wins.
    intent('l-4', 'l-o-4', { session_label: 'l-1' }),
  ])
  const page = { limit: 5 }
  expect(await store.sessions.records('only', page)).toMatchObject({ ok: true, id: 'l-1' })
  expect(await store.sessions.records('l-1', page)).toMatchObject({ ok: true, id: 'l-1' })
  const shared = await store.sessions.records('shared', page)
  expect(!shared.ok && shared.sessions.map((session) => session.id)).toEqual(['l-3', 'l-2'])
  expect(await store.sessions.records('nobody', page)).toEqual({ ok: false, sessions: [] })
})
