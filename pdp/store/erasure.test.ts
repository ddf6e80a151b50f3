import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { testIntent, testMaster, testOutcome } from '../../sealing/testing.ts'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'
import { type ApprovalVault, createApprovalVault } from '../approvals/vault.ts'
import { actionDigest, type CanonicalAction } from '../contract/action.ts'
import type { DecisionId } from '../contract/brand.ts'
import type { JournalRecord } from '../contract/record.ts'
import type { LeafBody } from '../evidence/log-store.ts'
import { consistencyProof } from '../evidence/merkle/proof.ts'
import { rootOf } from '../evidence/merkle/range.ts'
import { isConsistent } from '../evidence/merkle/verify.ts'
import type { ApprovalRow, Erased, RetentionRule, Store } from './store.ts'
import { openTestStore } from './testing.ts'
import { createTestJournal, testReader } from './testing-frames.ts'

const NOW = 1_800_000_000_000
const DAY_MS = 86_400_000
const SSN = '078-05-1120'

let vault: ApprovalVault
beforeAll(async () => {
  vault = createApprovalVault(await createWrapper(testMaster), createUnwrapper(testMaster))
})

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function opened(): Promise<{ store: Store; owner: Sql }> {
  const { store, url } = await openTestStore()
  const owner = postgres(url, { max: 1 })
  ends.push(
    () => owner.end(),
    () => store.close(),
  )
  return { store, owner }
}

const admin = (name: string, detail: object = {}): LeafBody => ({
  v: 1,
  kind: 'admin',
  time_ms: NOW,
  source: { pdp: 'pdp' },
  name,
  detail,
})
const erasing = (erased: Erased): LeafBody => admin('erase', erased)

/** All that an operation leaves, with this in every place where content can be. */
function operation(session: string, text: string, decision_id: string): JournalRecord[] {
  const { request, decision } = testIntent()
  const operation_id = randomUUID()
  const about = { operation_id, session_id: session, connection: 'claude' }
  const body = Buffer.concat([Buffer.from(text), randomBytes(300_000), Buffer.from(text)])
  return [
    testIntent({
      operation_id,
      request: {
        ...request,
        resource: { ...request.resource, id: `/customers/${text}` },
        context: { ...request.context, session: { id: session, label: `label ${text}` } },
      },
      decision: {
        ...decision,
        id: decision_id as DecisionId,
        reasons: [{ rule: 'r', message: text }],
      },
      exchange: {
        method: 'POST',
        target: `/customers/${text}`,
        headers: [['x-ssn', text]],
        body_bytes: body.length,
        body,
        forwarded: Buffer.from(text),
      },
    }),
    {
      kind: 'chunk',
      time_ms: NOW,
      ...about,
      direction: 'delivered',
      offset: 0,
      pieces: [[NOW, text.length]],
      body: Buffer.from(text),
    },
    testOutcome({ ...about, reason: text, headers: [['x-ssn', text]] }),
  ]
}

async function demand(
  store: Store,
  session_id: string,
  text: string,
  over: { readonly connection?: string; readonly at_ms?: number } = {},
): Promise<ApprovalRow> {
  const { connection = 'claude', at_ms = NOW } = over
  const action: CanonicalAction = {
    type: 'http.request',
    connection,
    method: 'DELETE',
    target: `/customers/${text}/${randomUUID()}`,
    headers: [],
    body: { text },
  }
  const owner = { id: randomUUID(), session_id, connection }
  const { row } = await store.approvals.demand(
    {
      ...owner,
      requester: { issuer: 'https://issuer', type: 'agent', id: 'agent-1' },
      action_name: 'http.request',
      action_digest: actionDigest(action),
      content: vault.seal(owner, { action, reasons: [{ rule: 'r', message: text }] }),
      approvers: ['people'],
      count: 1,
      valid_s: 600,
      operation_id: randomUUID(),
      demand: { decision_id: randomUUID(), revision: 'r' },
    },
    at_ms,
  )
  return row
}

const vote = (store: Store, { id, action_digest }: ApprovalRow, approve: boolean, comment = '') =>
  store.approvals.vote({
    id,
    action_digest,
    approver: { issuer: 'https://issuer', type: 'user', id: 'olivia' },
    approve,
    comment,
    now_ms: NOW + 1,
  })

const consume = (store: Store, { id, action_digest }: ApprovalRow) =>
  store.approvals.consume({
    id,
    action_digest,
    decision_id: 'd',
    revision: 'r',
    operation_id: 'o',
    now_ms: NOW + 2,
  })

const difference = (decision_id: string, text: string, session_id: string | null = null) => ({
  decision_id,
  session_id,
  at_ms: NOW,
  live_revision: 'l',
  candidate_revision: 'c',
  subject: 'agent-1',
  action: 'http.request',
  resource: `/customers/${text}`,
  connection: 'claude',
  from: { effect: 'allow' as const, reasons: [{ rule: 'r', message: text }], obligations: [] },
  to: { effect: 'deny' as const, reasons: [], obligations: [] },
})

/** `table.column` of everything in the database that has this, as it is or written down in another way. */
async function placesOf(owner: Sql, text: string): Promise<readonly string[]> {
  const bytes = Buffer.from(text)
  const base64 = [0, 1, 2].map((at) =>
    Buffer.concat([Buffer.alloc(at), bytes])
      .toString('base64')
      .slice(at === 0 ? 0 : 4, -4),
  )
  const forms = [text, bytes.toString('hex'), ...base64].map((form) => Buffer.from(form))
  const columns = await owner<{ table: string; column: string; bytes: boolean }[]>`
    select table_name as table, column_name as column, data_type = 'bytea' as bytes
    from information_schema.columns where table_schema = 'countersign'`
  expect(columns.length).toBeGreaterThan(80)
  const places: string[] = []
  for (const { table, column, bytes: raw } of columns) {
    const name = owner(column)
    const rows = await owner<{ value: Buffer | string | null }[]>`
      select ${raw ? owner`${name}` : owner`${name}::text`} as value from countersign.${owner(table)}`
    const found = rows.some(({ value }) => {
      const held = typeof value === 'string' ? Buffer.from(value) : value
      return held && forms.some((form) => held.includes(form))
    })
    if (found) places.push(`${table}.${column}`)
  }
  return places.toSorted()
}

/** Files of the server that have any of these, whatever it says itself. */
async function filesWith(owner: Sql, folder: string, wanted: readonly Buffer[]): Promise<string[]> {
  await owner`checkpoint`
  const tables = await owner<{ name: string; path: string | null }[]>`
    select relname as name, pg_relation_filepath(oid) as path from pg_class
    where relnamespace in (select oid from pg_namespace where nspname in ('countersign', 'pg_toast'))`
  const found: string[] = []
  for (const { name, path } of tables) {
    if (path === null) continue
    const bytes = await readFile(join(dirname(folder), 'data', path))
    if (wanted.some((one) => bytes.includes(one))) found.push(name)
  }
  return found
}

async function textsOf(store: Store): Promise<readonly string[]> {
  return (await store.log.leaves(0, 10_000)).map(({ leaf }) => leaf)
}

/** Until that many connections wait for a lock. */
async function waiting(held: TransactionSql, count: number): Promise<void> {
  await expect
    .poll(async () => {
      const rows = await held`
        select distinct pid from pg_locks where not granted and (database is null
          or database = (select oid from pg_database where datname = current_database()))`
      return rows.length
    })
    .toBe(count)
}

type Told = {
  readonly kind: string
  readonly name?: string
  readonly event?: string
  readonly approval_id?: string
  readonly detail?: object
}
const told = (texts: readonly string[]) => texts.map((text) => JSON.parse(text) as Told)

test('after a session was erased nothing has its content, its leaves verify, and what others have opens', async () => {
  const { store, owner } = await opened()
  const [mine, other] = [randomUUID(), randomUUID()]
  const journal = await createTestJournal()
  await journal.ship(store, [
    ...operation('s-1', SSN, mine),
    ...operation('s-2', 'innocent', other),
  ])
  await store.sessions.label('s-1', `label ${SSN}`)
  await store.sessions.label('s-2', 'label innocent')
  await store.shadow.append([difference(mine, SSN), difference(other, 'innocent')])
  const pending = await demand(store, 's-1', SSN)
  const approved = await demand(store, 's-1', SSN)
  const consumed = await demand(store, 's-1', SSN)
  const denied = await demand(store, 's-1', SSN)
  const theirs = await demand(store, 's-2', 'innocent')
  await vote(store, approved, true, `fine, ${SSN}`)
  await vote(store, consumed, true, `also ${SSN}`)
  await vote(store, denied, false, `no ${SSN}`)
  await vote(store, theirs, false, 'keep this')
  await consume(store, consumed)
  // What is not sealed before, is seen by who looks: so this looks where it must.
  expect(await placesOf(owner, SSN)).toEqual([
    'session_labels.label',
    'shadow_differences.from_verdict',
    'shadow_differences.resource',
    'votes.comment',
  ])
  const digests = [pending, approved, consumed, denied].map(({ action_digest }) => action_digest)
  expect(await placesOf(owner, digests[0] ?? '')).toEqual(['approvals.action_digest'])
  const before = await textsOf(store)
  const head = await store.log.head()

  expect(await store.erasure.erase({ session_id: 's-1' }, erasing, NOW + 5)).toEqual({
    keys: 1,
    approvals: 4,
  })
  expect(await store.erasure.scrub()).toBe(true)

  expect(await placesOf(owner, SSN)).toEqual([])
  for (const digest of digests) expect(await placesOf(owner, digest)).toEqual([])
  const keys = await owner`select wrapped from countersign.session_keys where session_id = 's-1'`
  expect(keys).toEqual([{ wrapped: null }])
  for (const { id } of [pending, approved, consumed, denied]) {
    const row = await store.approvals.find(id, NOW)
    expect(row).toMatchObject({ action_digest: '' })
    expect(row?.content).toBeUndefined()
    expect(await vault.open(row!)).toMatchObject({ ok: false })
    expect(row?.votes.every(({ comment }) => comment === undefined)).toBe(true)
  }
  expect(await consume(store, { ...approved, action_digest: '' })).toBeUndefined()
  expect(await consume(store, approved)).toBeUndefined()

  const texts = await textsOf(store)
  expect(texts.slice(0, before.length)).toEqual(before)
  const after = await store.log.head()
  expect(
    isConsistent({
      first: { size: head.size, root: rootOf(head.range) },
      second: { size: after.size, root: rootOf(after.range) },
      proof: await consistencyProof(store.log.hashes, head.size, after.size),
    }),
  ).toBe(true)
  const added = told(texts.slice(before.length))
  const ended = (event: string) =>
    added.filter((leaf) => leaf.event === event).map((leaf) => leaf.approval_id)
  expect(ended('expired')).toHaveLength(2)
  expect(new Set(ended('expired'))).toEqual(new Set([pending.id, approved.id]))
  expect(ended('erased')).toHaveLength(4)
  expect(new Set(ended('erased'))).toEqual(
    new Set([pending.id, approved.id, consumed.id, denied.id]),
  )
  expect(added).toHaveLength(7)
  expect(added.at(-1)).toMatchObject({
    kind: 'admin',
    name: 'erase',
    detail: { keys: 1, approvals: 4 },
  })

  const found = await store.sessions.steps('s-2', { limit: 10 })
  const steps = found.ok ? found.steps : []
  const reader = testReader(store)
  for (const step of steps.slice(0, 3))
    expect(await reader.open(JSON.parse(step.leaf) as object as never, step.sealed)).toMatchObject({
      ok: true,
    })
  expect(await vault.open((await store.approvals.find(theirs.id, NOW))!)).toMatchObject({
    ok: true,
  })
  expect((await store.approvals.find(theirs.id, NOW))?.votes[0]?.comment).toBe('keep this')
  expect(await store.shadow.list({ limit: 9 })).toHaveLength(1)
  expect((await store.sessions.list({ limit: 9, label: 'label innocent' }))[0]?.id).toBe('s-2')
  // The session is still found by its id, and says that its content is gone.
  const gone = await store.sessions.steps('s-1', { limit: 3 })
  const [first] = gone.ok ? gone.steps : []
  expect(await reader.open(JSON.parse(first?.leaf ?? '') as never, first?.sealed)).toMatchObject({
    error: { code: 'erased' },
  })
})

describe('what comes after a session was erased', () => {
  const keyOf = async (owner: Sql, session: string) =>
    (
      await owner<{ wrapped: Buffer | null }[]>`
        select wrapped from countersign.session_keys where session_id = ${session}`
    ).map(({ wrapped }) => wrapped !== null)

  test('under a key that was made before, and had not been shipped, is not kept', async () => {
    const { store, owner } = await opened()
    const shipped = await createTestJournal({ now: () => NOW - 10 })
    await shipped.ship(store, operation('s-1', 'before', randomUUID()))
    // Another enforcement point that could not reach the store, say.
    const late = await createTestJournal({ pep: 'pep-2', now: () => NOW - 10 })
    const batch = late.batch(operation('s-1', SSN, randomUUID())).taken
    await store.erasure.erase({ session_id: 's-1' }, erasing, NOW)
    const size = await store.log.size()
    expect(await store.records.append(batch)).toMatchObject({ ok: true, fresh: 3 })
    expect(await keyOf(owner, 's-1')).toEqual([false, false])
    const [row] =
      await owner`select (select count(*)::int from countersign.sealed_records) as records,
      (select count(*)::int from countersign.sealed_blocks) as blocks`
    expect(row).toEqual({ records: 0, blocks: 0 })
    const [leaf] = await store.log.leaves(size, 1)
    expect(await testReader(store).open(JSON.parse(leaf!.leaf) as never, undefined)).toMatchObject({
      error: { code: 'erased' },
    })
    // What the session does from then on is another matter.
    const young = await createTestJournal({ pep: 'pep-3', now: () => NOW + 1 })
    await young.ship(store, operation('s-1', SSN, randomUUID()))
    expect((await keyOf(owner, 's-1')).filter(Boolean)).toHaveLength(1)
  })

  test('stays where it is held by then', async () => {
    const { store, owner } = await opened()
    const shipped = await createTestJournal({ now: () => NOW - 10 })
    await shipped.ship(store, operation('s-1', 'before', randomUUID()))
    const late = await createTestJournal({ pep: 'pep-2', now: () => NOW - 10 })
    const batch = late.batch(operation('s-1', SSN, randomUUID())).taken
    await store.erasure.erase({ session_id: 's-1' }, erasing, NOW)
    await store.erasure.hold({ session_id: 's-1' }, () => admin('hold'), NOW)
    await store.records.append(batch)
    expect((await keyOf(owner, 's-1')).filter(Boolean)).toHaveLength(1)
  })

  test.each(['with its key', 'under a key that was there'])(
    'while it was on its way %s is not kept',
    async (how) => {
      const { store, owner } = await opened()
      const first = await createTestJournal({ now: () => NOW - 10 })
      await first.ship(store, operation('s-1', SSN, randomUUID()))
      const late =
        how === 'with its key'
          ? await createTestJournal({ pep: 'pep-2', now: () => NOW - 10 })
          : first
      const batch = late.batch(operation('s-1', SSN, randomUUID())).taken
      expect(batch.keys).toHaveLength(late === first ? 0 : 1)
      let appending: Promise<unknown> = Promise.resolve()
      // While the log is held both have looked at what was there before, and wait.
      await owner.begin(async (held) => {
        await held`select from countersign.log_head for update`
        const erased = store.erasure.erase({ session_id: 's-1' }, erasing, NOW)
        await waiting(held, 1)
        appending = store.records.append(batch).then(() => erased)
        await waiting(held, 2)
      })
      await appending
      expect((await keyOf(owner, 's-1')).filter(Boolean)).toEqual([])
      const [row] =
        await owner`select (select count(*)::int from countersign.sealed_records) as records,
      (select count(*)::int from countersign.sealed_blocks) as blocks`
      expect(row).toEqual({ records: 0, blocks: 0 })
    },
  )

  test('as its name, or as a difference that waited to be written, is not kept', async () => {
    const { store, owner } = await opened()
    const journal = await createTestJournal({ now: () => NOW - 10 })
    await journal.ship(store, operation('s-1', SSN, randomUUID()))
    // Of a decision that a person then approved: the log has the one after.
    await store.shadow.append([difference(randomUUID(), SSN, 's-1')])
    expect(await store.shadow.list({ limit: 9 })).toHaveLength(1)
    await store.erasure.erase({ session_id: 's-1' }, erasing, NOW + 1)
    expect(await placesOf(owner, SSN)).toEqual([])
    await store.sessions.label('s-1', SSN)
    await store.shadow.append([difference(randomUUID(), SSN, 's-1')])
    expect(await placesOf(owner, SSN)).toEqual([])
    await store.shadow.append([{ ...difference(randomUUID(), SSN, 's-1'), at_ms: NOW + 2 }])
    expect(await store.shadow.list({ limit: 9 })).toHaveLength(1)
  })
})

test('after an erasure was scrubbed no file of a table has its keys and names', async () => {
  const { store, url, folder } = await openTestStore()
  const owner = postgres(url, { max: 1 })
  ends.push(() => owner.end())
  const keys: Uint8Array[] = []
  // The newest of all, so that nothing moves over them; of several keys.
  for (const connection of ['a', 'b', 'c', 'd']) {
    const journal = await createTestJournal()
    const records = operation('s-1', SSN, randomUUID()).slice(0, 1)
    const batch = await journal.ship(
      store,
      records.map((one) => ({ ...one, connection }) as JournalRecord),
    )
    keys.push(...batch.taken.keys.map(({ wrapped }) => wrapped))
  }
  await store.sessions.label('s-1', `label ${SSN}`)
  await store.shadow.append([difference(randomUUID(), SSN, 's-1')])
  const denied = await demand(store, 's-1', SSN)
  await vote(store, denied, false, `no ${SSN}`)
  // The end is under no other key.
  const wanted = [Buffer.from(SSN), ...keys.map((key) => Buffer.from(key).subarray(-32))]
  expect(await filesWith(owner, folder, wanted)).toEqual(
    expect.arrayContaining(['session_keys', 'session_labels', 'shadow_differences', 'votes']),
  )
  await store.erasure.erase({ session_id: 's-1' }, erasing, Date.now())
  expect(await store.erasure.scrub()).toBe(true)
  expect(await filesWith(owner, folder, wanted)).toEqual([])
})

test('an erasure of what has nothing left is on record all the same', async () => {
  const { store } = await opened()
  const erase = () => store.erasure.erase({ session_id: 's-9' }, erasing, NOW)
  expect(await erase()).toEqual({ keys: 0, approvals: 0 })
  expect(told(await textsOf(store))).toMatchObject([{ name: 'erase' }])
})

test('an erasure that cannot be put on record does not happen', async () => {
  const { store, owner } = await opened()
  const journal = await createTestJournal()
  await journal.ship(store, operation('s-1', SSN, randomUUID()))
  const pending = await demand(store, 's-1', SSN)
  await refuseLeaves(owner)
  await expect(store.erasure.erase({ session_id: 's-1' }, erasing, NOW)).rejects.toMatchObject({
    code: 'STORE_BROKEN',
  })
  expect(await owner`select from countersign.session_keys where wrapped is not null`).toHaveLength(
    1,
  )
  expect(await owner`select from countersign.sealed_records`).toHaveLength(3)
  expect(await store.approvals.find(pending.id, NOW)).toEqual(pending)
})

/** From now on the log takes nothing. */
const refuseLeaves = (owner: Sql) => owner`
  create trigger nothing_more before insert on countersign.leaves
  for each statement execute function countersign.refuse_change()`

describe('a legal hold', () => {
  test.each([
    ['the session', { session_id: 's-1' }],
    ['a connection that it reached', { connection: 'claude' }],
  ])('on %s keeps it from being erased until it is released, on record', async (_, what) => {
    const { store } = await opened()
    const journal = await createTestJournal()
    await journal.ship(store, operation('s-1', SSN, randomUUID()))
    await journal.ship(store, operation('s-2', SSN, randomUUID()))
    const pending = await demand(store, 's-1', SSN)
    const id = await store.erasure.hold(what, (hold) => admin('hold', { hold }), NOW)
    expect(await store.erasure.holds()).toEqual([{ id, ...what, at_ms: NOW }])
    const before = await textsOf(store)
    expect(told(before).at(-1)).toMatchObject({ name: 'hold', detail: { hold: id } })
    expect(await store.erasure.erase({ session_id: 's-1' }, erasing, NOW)).toBe('held')
    const rules = [{ connection: '*', keep_days: 1 }]
    const late = Date.now() + 100 * DAY_MS
    const free = 'session_id' in what ? 1 : 0
    const due = await store.erasure.due(rules, late)
    expect(due.map(({ keys }) => keys)).toEqual(free ? [1] : [])
    expect(await store.erasure.erase({ rules, now_ms: late }, erasing, NOW)).toEqual({
      keys: free,
      approvals: 0,
    })
    expect(await store.approvals.find(pending.id, NOW)).toEqual(pending)
    expect((await textsOf(store)).slice(before.length)).toHaveLength(free)
    expect(await store.erasure.release(randomUUID(), admin('release'), NOW)).toBe(false)
    expect(await store.erasure.release('no uuid', admin('release'), NOW)).toBe(false)
    expect(await store.erasure.release(id, admin('release'), NOW)).toBe(true)
    expect(await store.erasure.release(id, admin('release'), NOW)).toBe(false)
    expect(await store.erasure.holds()).toEqual([])
    const releases = told(await textsOf(store)).filter(({ name }) => name === 'release')
    expect(releases).toHaveLength(1)
    expect(await store.erasure.erase({ session_id: 's-1' }, erasing, NOW)).toEqual({
      keys: 1,
      approvals: 1,
    })
  })

  test('is found by its id behind however many that came later', async () => {
    const { store, owner } = await opened()
    const what = { connection: 'claude' }
    const id = await store.erasure.hold(what, (hold) => admin('hold', { hold }), NOW)
    await owner`
      insert into countersign.legal_holds (id, connection, at_ms)
      select gen_random_uuid(), 'other', ${NOW}::bigint + n from generate_series(1, 1000) n`
    const listed = await store.erasure.holds()
    expect(listed).toHaveLength(1000)
    expect(listed.some((hold) => hold.id === id)).toBe(false)
    expect(await store.erasure.holds(id)).toEqual([{ id, ...what, at_ms: NOW }])
    expect(await store.erasure.holds(randomUUID())).toEqual([])
    await store.erasure.release(id, admin('release'), NOW)
    expect(await store.erasure.holds(id)).toEqual([])
  })

  test('on the connection of an approval alone holds its session as well', async () => {
    const { store } = await opened()
    await demand(store, 's-1', SSN, { connection: 'another' })
    await store.erasure.hold({ connection: 'another' }, () => admin('hold'), NOW)
    expect(await store.erasure.erase({ session_id: 's-1' }, erasing, NOW)).toBe('held')
  })
})

describe('retention', () => {
  type Kept = {
    readonly session: string
    readonly connection: string
    readonly age_days: number
    readonly approval: boolean
  }
  const kept: fc.Arbitrary<Kept> = fc.record({
    session: fc.constantFrom('s-1', 's-2', 's-3'),
    connection: fc.constantFrom('a', 'b', 'c'),
    age_days: fc.double({ min: 0, max: 40, noNaN: true }),
    approval: fc.boolean(),
  })
  const rule: fc.Arbitrary<RetentionRule> = fc.record({
    connection: fc.constantFrom('a', 'b', '*'),
    keep_days: fc.integer({ min: 1, max: 30 }),
  })
  const rules = fc.uniqueArray(rule, {
    minLength: 1,
    maxLength: 3,
    selector: ({ connection }) => connection,
  })
  const holds = fc.array(
    fc.oneof(
      fc.record({ session_id: fc.constantFrom('s-1', 's-2') }),
      fc.record({ connection: fc.constantFrom('a', 'c') }),
    ),
    { maxLength: 2 },
  )

  test('erases what rules say is too old and nobody holds, and that is what was due', async () => {
    const { store, owner } = await opened()
    await fc.assert(
      fc.asyncProperty(fc.array(kept, { maxLength: 12 }), rules, holds, async (all, set, held) => {
        await startAgain(owner)
        for (const one of all) await keep(owner, one)
        const ids = []
        for (const what of held) ids.push(await store.erasure.hold(what, () => admin('hold'), NOW))
        const tooOld = all.filter((one) => isTooOld(one, set, held))
        const wanted = Object.fromEntries(
          Map.groupBy(tooOld, ({ connection }) => connection)
            .entries()
            .map(([connection, of]) => [
              connection,
              {
                keys: of.filter(({ approval }) => !approval).length,
                approvals: of.filter(({ approval }) => approval).length,
              },
            ]),
        )
        const due = await store.erasure.due(set, NOW)
        expect(
          Object.fromEntries(
            due.map(({ connection, keys, approvals }) => [connection, { keys, approvals }]),
          ),
        ).toEqual(wanted)
        const size = await store.log.size()
        const erased = await store.erasure.erase({ rules: set, now_ms: NOW }, erasing, NOW)
        const sum = (what: 'keys' | 'approvals') => due.reduce((to, one) => to + one[what], 0)
        expect(erased).toEqual({ keys: sum('keys'), approvals: sum('approvals') })
        // One leaf for each approval and one for all, when there was anything at all.
        expect(await store.log.size()).toBe(tooOld.length > 0 ? size + sum('approvals') + 1 : size)
        const left = await owner`
          select from countersign.session_keys where wrapped is not null and session_id like 's-%'
          union all select from countersign.approvals where erased_ms is null`
        expect(left).toHaveLength(all.length - tooOld.length)
        expect(await store.erasure.due(set, NOW)).toEqual([])
        for (const id of ids) await store.erasure.release(id, admin('release'), NOW)
      }),
      { numRuns: 40 },
    )
  }, 120_000)

  /** What one key sealed may be a day younger than the key. */
  function isTooOld(
    { session, connection, age_days }: Kept,
    set: readonly RetentionRule[],
    held: readonly { readonly session_id?: string; readonly connection?: string }[],
  ): boolean {
    const applies =
      set.find((one) => one.connection === connection) ?? set.find((one) => one.connection === '*')
    if (!applies || Math.floor(NOW - age_days * DAY_MS) >= NOW - (applies.keep_days + 1) * DAY_MS)
      return false
    return !held.some((one) => one.session_id === session || one.connection === connection)
  }

  async function keep(owner: Sql, { session, connection, age_days, approval }: Kept) {
    const at_ms = Math.floor(NOW - age_days * DAY_MS)
    if (!approval) {
      await owner`insert into countersign.session_keys (id, session_id, connection, wrapped, created_ms)
        values (${randomUUID()}, ${session}, ${connection}, 'wrapped', ${at_ms})`
      return
    }
    const id = randomUUID()
    await owner`insert into countersign.approvals (
        id, state, live_key, requester_issuer, requester_type, requester_id, session_id, connection, action_name,
        action_digest, sealed, wrapped_key, commitment, approvers, count, valid_s, operation_id, demand_decision_id,
        demand_revision, demanded_ms, expires_ms)
      values (${id}, 'pending', ${id}, 'i', 'agent', 'a', ${session}, ${connection}, 'n', 'd', 'sealed', 'key',
        'commitment', '{security}', 1, 60, 'o', 'd', 'r', ${at_ms}, ${at_ms + 60_000})`
    await owner`update countersign.approvals set state = 'expired' where id = ${id}`
  }

  const startAgain = (owner: Sql) =>
    owner.unsafe(`
    alter table countersign.session_keys disable trigger user;
    delete from countersign.session_keys;
    alter table countersign.session_keys enable trigger user;
    delete from countersign.approvals`)

  test('leaves what still waits for people to its own end', async () => {
    const { store } = await opened()
    const rules = [{ connection: '*', keep_days: 1 }]
    const row = await demand(store, 's-1', SSN)
    const late = NOW + 100 * DAY_MS
    expect(await store.erasure.due(rules, late)).toEqual([])
    expect(await store.erasure.erase({ rules, now_ms: late }, erasing, late)).toEqual({
      keys: 0,
      approvals: 0,
    })
    expect(await store.approvals.expire(late)).toBe(1)
    expect(await store.erasure.due(rules, late)).toMatchObject([
      { connection: 'claude', keys: 0, approvals: 1, oldest_ms: row.demanded_ms },
    ])
    expect(await store.erasure.erase({ rules, now_ms: late }, erasing, late)).toEqual({
      keys: 0,
      approvals: 1,
    })
  })

  test('takes some hundred at a time, and says each time what it took', async () => {
    const { store, owner } = await opened()
    await owner`insert into countersign.session_keys (id, session_id, connection, wrapped, created_ms)
      select 'k-' || n, 's-' || n, 'a', 'wrapped', n from generate_series(1, 1200) n`
    const rules = [{ connection: 'a', keep_days: 1 }]
    const took: number[] = []
    for (;;) {
      const erased = await store.erasure.erase({ rules, now_ms: NOW }, erasing, NOW)
      if (erased === 'held' || erased.keys === 0) break
      took.push(erased.keys)
    }
    expect(took).toEqual([500, 500, 200])
    const details = told(await textsOf(store)).map(({ detail }) => detail)
    expect(details).toEqual(took.map((keys) => ({ keys, approvals: 0 })))
  })

  test('without rules erases nothing', async () => {
    const { store, owner } = await opened()
    await owner`insert into countersign.session_keys (id, session_id, connection, wrapped, created_ms)
      values ('k', 's', 'a', 'wrapped', 1)`
    expect(await store.erasure.due([], NOW)).toEqual([])
    expect(await store.erasure.erase({ rules: [], now_ms: NOW }, erasing, NOW)).toEqual({
      keys: 0,
      approvals: 0,
    })
  })

  test('takes differences that are too old along, also of sessions that nobody recorded', async () => {
    const { store } = await opened()
    const [old, held, young] = [randomUUID(), randomUUID(), randomUUID()]
    await store.shadow.append([
      { ...difference(old, SSN, 'never-recorded'), at_ms: NOW - 50 * DAY_MS },
      { ...difference(held, SSN, 'held'), at_ms: NOW - 50 * DAY_MS },
      difference(young, SSN, 'never-recorded'),
    ])
    await store.erasure.hold({ session_id: 'held' }, () => admin('hold'), NOW)
    const rules = [{ connection: 'claude', keep_days: 30 }]
    await store.erasure.erase({ rules, now_ms: NOW }, erasing, NOW)
    const left = await store.shadow.list({ limit: 9 })
    expect(left.map((one) => one.decision_id).toSorted()).toEqual([held, young].toSorted())
  })

  test('of all content of a session takes what the session is called and its differences along', async () => {
    const { store, owner } = await opened()
    const [first, second] = [randomUUID(), randomUUID()]
    const journal = await createTestJournal({ now: () => NOW - 50 * DAY_MS })
    await journal.ship(store, operation('s-1', SSN, first))
    const partly = operation('s-2', SSN, second)
    await journal.ship(store, partly)
    const young = await createTestJournal({ now: () => NOW })
    await young.ship(store, operation('s-2', SSN, randomUUID()))
    for (const session of ['s-1', 's-2']) await store.sessions.label(session, `label ${SSN}`)
    await store.shadow.append([difference(first, SSN), difference(second, SSN)])
    const rules = [{ connection: '*', keep_days: 30 }]
    expect(await store.erasure.erase({ rules, now_ms: NOW }, erasing, NOW)).toMatchObject({
      keys: 2,
    })
    const labels = await owner`select session_id from countersign.session_labels`
    expect(labels).toEqual([{ session_id: 's-2' }])
    expect((await store.shadow.list({ limit: 9 })).map((one) => one.decision_id)).toEqual([second])
  })
})

test('erasing while others write, vote and use ends with every leaf in its place, or says to ask again', async () => {
  const { store } = await opened()
  const journal = await createTestJournal()
  await journal.ship(store, operation('s-1', SSN, randomUUID()))
  const rows = await Promise.all(Array.from({ length: 8 }, () => demand(store, 's-1', SSN)))
  const work = [
    ...rows.map(async (row) => {
      await vote(store, row, true)
      await consume(store, row)
    }),
    (async () => {
      for (let at = 0; at < 6; at += 1)
        await journal.ship(store, operation('s-1', SSN, randomUUID()))
    })(),
    store.erasure.erase({ session_id: 's-1' }, erasing, NOW + 5),
  ]
  for (const one of await Promise.allSettled(work))
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'STORE_CONFLICT' })
  // Whoever was told to ask again does.
  await store.erasure.erase({ session_id: 's-1' }, erasing, NOW + 6)
  const leaves = told(await textsOf(store))
  for (const { id } of rows) {
    const events = leaves.filter((leaf) => leaf.approval_id === id).map(({ event }) => event)
    expect([
      ['demanded', 'expired', 'erased'],
      ['demanded', 'voted', 'approved', 'expired', 'erased'],
      ['demanded', 'voted', 'approved', 'consumed', 'erased'],
    ]).toContainEqual(events)
  }
})
