import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import postgres, { type Sql } from 'postgres'
import { afterEach, describe, expect, test } from 'vitest'
import { testIntent } from '../../../sealing/testing.ts'
import { canonicalJson } from '../../contract/action.ts'
import type { LeafBody } from '../../evidence/log-store.ts'
import { leafHash, nodeHash } from '../../evidence/merkle/hash.ts'
import { consistencyProof, inclusionProof } from '../../evidence/merkle/proof.ts'
import { growRange, rootOf } from '../../evidence/merkle/range.ts'
import { isConsistent, isIncluded } from '../../evidence/merkle/verify.ts'
import { connect, createUse } from '../connection.ts'
import type { EvidenceLog, Store } from '../store.ts'
import { openTestStore } from '../testing.ts'
import { createTestJournal, plainFrames } from '../testing-frames.ts'
import { createAppendLeaves } from './append.ts'
import { createLog } from './store.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  // The server has few connections.
  for (const end of ends.splice(0)) await end()
})

async function opened(): Promise<{ store: Store; url: string; owner: Sql }> {
  const { store, url } = await openTestStore()
  const owner = postgres(url, { max: 1 })
  ends.push(
    () => owner.end(),
    () => store.close(),
  )
  return { store, url, owner }
}

const event = (detail: Readonly<Record<string, unknown>> = {}): LeafBody => ({
  v: 1,
  kind: 'event',
  time_ms: 1,
  source: { pdp: 'pdp' },
  name: 'test',
  detail,
})

type Row = { idx: string; leaf: string; hash: Buffer; logged_ms: string }

/** Checks all that is stored against what its leaves say, from scratch. @returns the leaves' texts. */
async function checkAll(owner: Sql): Promise<readonly string[]> {
  const rows = await owner<Row[]>`
    select idx, leaf, hash, logged_ms from countersign.leaves order by idx`
  expect(rows.findIndex((row, at) => Number(row.idx) !== at)).toBe(-1)
  const texts = rows.map(({ leaf }) => leaf)
  const hashes = texts.map(leafHash)
  expect(rows.findIndex((row, at) => !row.hash.equals(hashes[at]!))).toBe(-1)
  expect(texts.find((text) => canonicalJson(JSON.parse(text)) !== text)).toBeUndefined()
  const times = texts.map((text) => (JSON.parse(text) as { logged_ms: number }).logged_ms)
  expect(times.findIndex((time, at) => time < (times[at - 1] ?? 0))).toBe(-1)
  expect(rows.findIndex((row, at) => Number(row.logged_ms) !== times[at])).toBe(-1)

  const nodes = await owner<{ level: number; n: string; hash: Buffer }[]>`
    select level, n, hash from countersign.log_nodes order by level, n`
  const wanted = [8, 16].flatMap((level) =>
    subtrees(hashes, level).map((hash, n) => ({ level, n: String(n), hash })),
  )
  expect(nodes.map((node) => ({ ...node, hash: node.hash.toString('hex') }))).toEqual(
    wanted.map((node) => ({ ...node, hash: Buffer.from(node.hash).toString('hex') })),
  )

  const [head] = await owner<{ size: string; range: Buffer; logged_ms: string }[]>`
    select size, range, logged_ms from countersign.log_head`
  const range = growRange()
  for (const hash of hashes) range.append(hash)
  expect(head).toEqual({
    size: String(texts.length),
    range: Buffer.concat(range.hashes()),
    logged_ms: String(times.at(-1) ?? 0),
  })
  return texts
}

/** Complete subtrees of 2^level leaves, pair by pair. */
function subtrees(leaves: readonly Uint8Array[], level: number): readonly Uint8Array[] {
  let row = leaves
  for (let at = 0; at < level; at += 1)
    row = Array.from({ length: Math.floor(row.length / 2) }, (_, n) =>
      nodeHash(row[2 * n]!, row[2 * n + 1]!),
    )
  return row
}

/** Proofs, read as the service reads them, of these leaves and of the trees that end with them. */
async function checkProofs(log: EvidenceLog, texts: readonly string[], indexes: readonly number[]) {
  const size = texts.length
  const rootAt = (count: number): Uint8Array => {
    const range = growRange()
    for (const text of texts.slice(0, count)) range.append(leafHash(text))
    return range.root()
  }
  const { range } = await log.head()
  const root = rootOf(range)
  for (const index of indexes) {
    const leaf = leafHash(texts[index]!)
    const proof = await inclusionProof(log.hashes, index, size)
    expect(isIncluded({ index, size, leaf, root, proof })).toBe(true)
    const first = { size: index + 1, root: rootAt(index + 1) }
    const hashes = await consistencyProof(log.hashes, index + 1, size)
    expect(isConsistent({ first, second: { size, root }, proof: hashes })).toBe(true)
  }
}

/** One that writes: an enforcement point, people who ask for approvals, or the service itself. */
type Write = { readonly who: 'pep' | 'approval' | 'pdp'; readonly leaves: number }

const write: fc.Arbitrary<Write> = fc.record({
  who: fc.constantFrom('pep' as const, 'pep' as const, 'approval' as const, 'pdp' as const),
  leaves: fc.integer({ min: 1, max: 60 }),
})

async function play(store: Store, { who, leaves }: Write): Promise<number> {
  switch (who) {
    case 'pep': {
      const journal = await createTestJournal({ pep: `pep-${leaves % 3}` })
      const records = Array.from({ length: leaves }, (_, at) =>
        testIntent({ operation_id: `${journal.epoch}-${at}` }),
      )
      const half = Math.ceil(leaves / 2)
      await journal.ship(store, records.slice(0, half))
      await journal.ship(store, records.slice(half))
      return leaves
    }
    case 'approval': {
      const action_digest = randomUUID()
      const { row } = await store.approvals.demand(
        {
          id: randomUUID(),
          requester: { issuer: 'i', type: 'agent', id: 'a' },
          session_id: 's-1',
          connection: 'claude',
          action_name: 'http.request',
          action_digest,
          content: {
            sealed: Buffer.alloc(1),
            wrapped_key: Buffer.alloc(1),
            commitment: Buffer.alloc(32),
          },
          approvers: ['people'],
          count: 1,
          valid_s: 60,
          operation_id: 'o',
          demand: { decision_id: 'd', revision: 'r' },
        },
        1,
      )
      const approver = { issuer: 'i', type: 'user', id: 'olivia' }
      await store.approvals.vote({ id: row.id, action_digest, approver, approve: true, now_ms: 2 })
      const by = { decision_id: 'd', revision: 'r', operation_id: 'o' }
      await store.approvals.consume({ id: row.id, action_digest, ...by, now_ms: 3 })
      // Demanded, voted, approved, consumed.
      return 4
    }
    case 'pdp':
      await store.log.append(Array.from({ length: leaves }, (_, at) => event({ at })))
      return leaves
    default:
      return who satisfies never
  }
}

describe('whoever writes at once', () => {
  test('leaves are numbered without gaps, and every node and the head are what they say', async () => {
    const { store, owner } = await opened()
    let size = 0
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 10 }), async (writes) => {
        const wrote = await Promise.all(writes.map((one) => play(store, one)))
        size += wrote.reduce((sum, count) => sum + count, 0)
        const texts = await checkAll(owner)
        expect(texts).toHaveLength(size)
        expect(await store.log.size()).toBe(size)
        const some = [0, 1, 254, 255, 256, 257, 511, 512, size - 2, size - 1]
        await checkProofs(
          store.log,
          texts,
          [...new Set(some)].filter((index) => index >= 0 && index < size),
        )
      }),
      { numRuns: 12 },
    )
    expect(size).toBeGreaterThan(300)
  }, 120_000)

  test('it holds past 65,536 leaves, in one batch over the edge', async () => {
    const { store, owner } = await opened()
    const epoch = randomUUID()
    const append = (frames: ReturnType<typeof plainFrames>) =>
      store.records.append({ pep: 'pep-1', epoch, keys: [], frames, received_ms: 1 })
    let prev: Uint8Array | undefined
    for (let seq = 0; seq < 66_000; seq += 6_600) {
      const frames = plainFrames(6_600, { seq, epoch, ...(prev && { prev }) })
      expect(await append(frames)).toEqual({ ok: true, seq: seq + 6_599, fresh: 6_600 })
      prev = frames.at(-1)?.digest
    }
    const texts = await checkAll(owner)
    expect(texts).toHaveLength(66_000)
    await checkProofs(store.log, texts, [0, 255, 256, 40_000, 65_535, 65_536, 65_999])
    expect((await owner`select n from countersign.log_nodes where level = 16`).length).toBe(1)
  }, 120_000)
})

test('a frame is never two leaves: not again, not at once, not after an answer was lost', async () => {
  const { store, owner } = await opened()
  const journal = await createTestJournal()
  const records = Array.from({ length: 9 }, (_, at) => testIntent({ operation_id: `o-${at}` }))
  const { taken } = journal.batch(records)
  const first = await Promise.all(Array.from({ length: 8 }, () => store.records.append(taken)))
  expect(first.every((answer) => answer.ok && answer.seq === 8)).toBe(true)
  const fresh = first.map((answer) => (answer.ok ? answer.fresh : -1))
  expect(fresh.toSorted((a, b) => b - a)).toEqual([9, 0, 0, 0, 0, 0, 0, 0])
  expect(await store.records.append(taken)).toEqual({ ok: true, seq: 8, fresh: 0 })
  expect(await checkAll(owner)).toHaveLength(9)
  // Whatever a service believes, the table does not take the same frame again.
  const again = owner`
    insert into countersign.leaves (idx, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq)
    select 9, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq from countersign.leaves where idx = 3`
  await expect(again).rejects.toMatchObject({ code: '23505' })
})

test('text of any kind is kept as canonical JSON, and what JSON of databases does not hold is replaced', async () => {
  const { store, owner } = await opened()
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\0', '\ud800', 'a\udfff\0b', '\\u0000', '\\ud800', '\u2028', '"\\', 'é'),
  )
  const detail = fc.dictionary(
    text,
    fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.array(text)),
    { maxKeys: 5 },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(detail, { minLength: 1, maxLength: 8 }), async (details) => {
      const { from } = await store.log.append(details.map(event))
      const leaves = await store.log.leaves(from, details.length)
      for (const [at, { leaf }] of leaves.entries()) {
        expect(leaf).not.toMatch(/\0|\p{Surrogate}/u)
        const read = JSON.parse(leaf) as { readonly detail: object }
        const wanted = JSON.parse(clean(details[at]!)) as object
        expect(canonicalJson(read.detail)).toBe(canonicalJson(wanted))
      }
    }),
    { numRuns: 60 },
  )
  await checkAll(owner)
  // What is found by a column is found by what the leaf says.
  const journal = await createTestJournal()
  const { request } = testIntent()
  const context = { ...request.context, session: { id: 's\0\ud800' } }
  await journal.ship(store, [testIntent({ request: { ...request, context } })])
  expect(await store.sessions.steps('s\0\ud800', { limit: 1 })).toMatchObject({ ok: true })
  const [known] = await owner`select session_id from countersign.leaves where pep = 'pep-1'`
  expect(known?.['session_id']).toBe('s\uFFFD\uFFFD')
  await checkAll(owner)
})

/** JSON with U+FFFD in place of what has no place in it. */
const clean = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g, '$1\uFFFD')

describe('time of the log', () => {
  /** A log of its own clock, on a database that is there. */
  function logOf(url: string, now: () => number): EvidenceLog {
    const connection = connect(url)
    ends.push(() => connection.sql.end())
    return createLog(
      createUse(() => connection),
      createAppendLeaves('second', now),
    )
  }
  const leavesOf = async (log: EvidenceLog) =>
    (await log.leaves(0, 100)).map(
      ({ leaf }) =>
        JSON.parse(leaf) as {
          readonly name: string
          readonly detail: object
          readonly logged_ms: number
          readonly source: object
        },
    )

  test('never goes back, and a clock that does is told once while it lasts', async () => {
    const { url, owner } = await opened()
    let now = 1_000_000
    const log = logOf(url, () => now)
    expect(await log.append([event()])).toEqual({ from: 0 })
    now = 1_005_000
    await log.append([event()])
    now = 1_000_000
    // The index is that of what was asked for, not of what is told beside it.
    expect(await log.append([event({ at: 'back' })])).toEqual({ from: 3 })
    expect(await log.append([event()])).toEqual({ from: 4 })
    now = 1_006_000
    await log.append([event()])
    const leaves = await leavesOf(log)
    expect(leaves.map(({ logged_ms }) => logged_ms)).toEqual([
      1_000_000, 1_005_000, 1_005_000, 1_005_000, 1_005_000, 1_006_000,
    ])
    expect(leaves.map(({ name }) => name)).toEqual([
      'test',
      'test',
      'clock.back',
      'test',
      'test',
      'test',
    ])
    expect(leaves[2]).toMatchObject({ detail: { by_ms: 5_000 }, source: { pdp: 'second' } })
    expect(leaves[3]?.detail).toEqual({ at: 'back' })
    await checkAll(owner)
  })

  test('of services whose clocks differ by a little is the later one, and nothing is told', async () => {
    const { url, owner } = await opened()
    const early = logOf(url, () => 1_000_000)
    const late = logOf(url, () => 1_001_500)
    await late.append([event()])
    await early.append([event()])
    await Promise.all(
      Array.from({ length: 10 }, (_, at) => (at % 2 ? early : late).append([event()])),
    )
    const leaves = await leavesOf(early)
    expect(leaves).toHaveLength(12)
    expect(leaves.every(({ name, logged_ms }) => name === 'test' && logged_ms === 1_001_500)).toBe(
      true,
    )
    await checkAll(owner)
  })
})

test('hashes that the log lost are an error, never a shorter answer', async () => {
  const { store, owner } = await opened()
  await store.log.append(Array.from({ length: 520 }, (_, at) => event({ at })))
  await expect(store.log.hashes(0, 518, 521)).rejects.toMatchObject({ code: 'STORE_BROKEN' })
  await owner`alter table countersign.log_nodes disable trigger all`
  await owner`delete from countersign.log_nodes where level = 8 and n = 1`
  await expect(inclusionProof(store.log.hashes, 3, 520)).rejects.toMatchObject({
    code: 'STORE_BROKEN',
  })
})

test('the newest leaf of a key, and leaves from an index on, are found', async () => {
  const { store } = await opened()
  expect(await store.log.newestKeyLeaf()).toBeUndefined()
  const key = (vkey: string): LeafBody => ({ ...event(), kind: 'key', vkey })
  await store.log.append([key('a'), event(), key('b'), event()])
  expect(JSON.parse((await store.log.newestKeyLeaf()) ?? '')).toMatchObject({ vkey: 'b' })
  expect((await store.log.leaves(1, 2)).map(({ index }) => index)).toEqual([1, 2])
  expect(await store.log.leaves(4, 2)).toEqual([])
})
