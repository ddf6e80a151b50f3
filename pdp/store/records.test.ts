import { hash, randomBytes, randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import postgres from 'postgres'
import { beforeAll, describe, expect, test } from 'vitest'
import { testIntent } from '../../sealing/testing.ts'
import { canonicalJson } from '../contract/action.ts'
import type { IndexedFrame, Store } from './store.ts'
import { openTestStore } from './testing.ts'
import { createTestJournal, plainFrames, testReader } from './testing-frames.ts'

let store: Store
let url: string
beforeAll(async () => {
  ;({ store, url } = await openTestStore())
})

const T = 1_800_000_000_000

const append = (epoch: string, frames: readonly IndexedFrame[]) =>
  store.records.append({ pep: 'pep-1', epoch, keys: [], frames, received_ms: T })

type Row = { readonly seq: string; readonly digest: Buffer; readonly leaf: string }

/** What is on record of an epoch: each leaf as what it was made from. */
async function stored(epoch: string) {
  const sql = postgres(url, { max: 1 })
  const rows = await sql<Row[]>`
    select seq, digest, leaf from countersign.leaves where epoch = ${epoch} order by idx`
  await sql.end()
  return rows.map(({ seq, digest, leaf: text }) => {
    const { logged_ms: _, ...leaf } = JSON.parse(text) as Record<string, unknown>
    return { seq: Number(seq), digest, leaf }
  })
}

const plain = (frames: readonly IndexedFrame[]) =>
  frames.map(({ seq, digest, leaf }) => ({ seq, digest: Buffer.from(digest), leaf }))

type LoggedLeaf = Readonly<Record<string, unknown>> & { readonly logged_ms: number }

const taken = (seq: number, fresh: number) => ({ ok: true, seq, fresh })

describe('an append', () => {
  test('keeps every byte, also of bodies of no bytes and of many, and of many records', async () => {
    const journal = await createTestJournal()
    const bodies = [0, 1, 5_000, 9_000_000, 9_000_000, ...Array.from({ length: 300 }, () => 7)]
    const records = bodies.map((bytes, at) =>
      testIntent({
        operation_id: `o-${at}`,
        exchange: { body_bytes: bytes, body: randomBytes(bytes) },
      }),
    )
    const { taken: sent } = await journal.ship(store, records)
    const found = await store.sessions.decisions({ from: 0, limit: 1_000 })
    expect(found).toHaveLength(records.length)
    const reader = testReader(store)
    for (const [at, { leaf, sealed }] of found.entries()) {
      const frame = sent.frames[at]!
      expect(leaf).toBe(
        canonicalJson({ ...frame.leaf, logged_ms: (JSON.parse(leaf) as LoggedLeaf).logged_ms }),
      )
      expect(hash('sha256', sealed!)).toBe(
        (frame.leaf['content'] as { readonly sealed: string }).sealed,
      )
      const opened = await reader.open(JSON.parse(leaf) as LoggedLeaf, sealed)
      const body = opened.ok && opened.value.kind === 'intent' && opened.value.exchange.body
      expect(body && Buffer.compare(body, records[at]!.exchange.body!)).toBe(0)
    }
  })

  test('again, in part or whole, is the same append', async () => {
    const epoch = randomUUID()
    const frames = plainFrames(6, { epoch })
    expect(await append(epoch, [])).toEqual(taken(-1, 0))
    expect(await append(epoch, frames.slice(0, 4))).toEqual(taken(3, 4))
    expect(await append(epoch, frames.slice(0, 4))).toEqual(taken(3, 0))
    expect(await append(epoch, frames.slice(1, 3))).toEqual(taken(3, 0))
    expect(await append(epoch, frames.slice(2))).toEqual(taken(5, 2))
    expect(await append(epoch, [])).toEqual(taken(5, 0))
    expect(await stored(epoch)).toEqual(plain(frames))
  })

  test('past a gap is refused with the number that is expected', async () => {
    const epoch = randomUUID()
    const frames = plainFrames(6, { epoch })
    expect(await append(epoch, frames.slice(1))).toEqual({ ok: false, expected: 0 })
    await append(epoch, frames.slice(0, 2))
    expect(await append(epoch, frames.slice(3))).toEqual({ ok: false, expected: 2 })
    expect(await append(epoch, [frames[2]!, frames[4]!])).toEqual({ ok: false, expected: 4 })
    expect(await stored(epoch)).toEqual(plain(frames.slice(0, 2)))
  })

  test('of frames that do not continue each other is refused', async () => {
    const epoch = randomUUID()
    const frames = [
      ...plainFrames(2, { epoch }),
      ...plainFrames(1, { epoch, seq: 2, prev: randomBytes(32) }),
    ]
    expect(await append(epoch, frames)).toEqual({ ok: false, expected: 2 })
    expect(await stored(epoch)).toEqual([])
  })

  test('of a known number with another digest keeps nothing but one alarm', async () => {
    const epoch = randomUUID()
    const frames = plainFrames(3, { epoch })
    await append(epoch, frames)
    const before = await store.records.alarms()
    const changed = plainFrames(4, { epoch, seq: 1, prev: frames[0]!.digest })
    expect(await append(epoch, changed)).toEqual({ ok: false, conflict: 1 })
    expect(await append(epoch, changed)).toEqual({ ok: false, conflict: 1 })
    expect(await stored(epoch)).toEqual(plain(frames))
    expect(await store.records.alarms()).toBe(before + 1)
  })

  test('that continues another last frame than ours is a conflict over that frame', async () => {
    const epoch = randomUUID()
    const frames = plainFrames(3, { epoch })
    await append(epoch, frames)
    const before = await store.records.alarms()
    const forked = plainFrames(2, { epoch, seq: 3, prev: randomBytes(32) })
    expect(await append(epoch, forked)).toEqual({ ok: false, conflict: 2 })
    expect(await stored(epoch)).toHaveLength(3)
    expect(await store.records.alarms()).toBe(before + 1)
  })

  test('is not stopped by text that no column holds', async () => {
    const journal = await createTestJournal()
    const { request } = testIntent()
    const subject = {
      ...request.subject,
      id: 'a\0b\ud800',
      properties: { ...request.subject.properties, issuer: 'ü'.repeat(5_000) },
    }
    const context = { ...request.context, session: { id: `s-${journal.epoch}` } }
    await journal.ship(store, [testIntent({ request: { ...request, subject, context } })])
    const [session] = await store.sessions.list({ limit: 1, subject: 'a\0b\ud800' })
    expect(session?.subject_id).toBe('a\uFFFDb\uFFFD')
    const steps = await store.sessions.steps(`s-${journal.epoch}`, { limit: 1 })
    const [step] = steps.ok ? steps.steps : []
    const leaf = JSON.parse(step?.leaf ?? '') as LoggedLeaf & { readonly subject: object }
    expect(leaf.subject).toMatchObject({ id: 'a\uFFFDb\uFFFD', issuer: 'ü'.repeat(5_000) })
    // What was sealed is as it was; of what is no UTF-8, MessagePack makes what it can.
    const opened = await testReader(store).open(leaf, step?.sealed)
    const kept = {
      id: expect.stringMatching(/^a\0b/) as string,
      properties: { issuer: 'ü'.repeat(5_000) },
    }
    expect(opened).toMatchObject({ ok: true, value: { request: { subject: kept } } })
  })

  test('of the same chain by many at once, in any pieces, keeps the chain', async () => {
    const pieces = fc.array(
      fc.record({ from: fc.constantFrom(0, 0, 0, 1, 5, 10), to: fc.integer({ min: 5, max: 20 }) }),
      { minLength: 2, maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(pieces, async (cuts) => {
        const epoch = randomUUID()
        const frames = plainFrames(20, { epoch })
        await Promise.all(cuts.map(({ from, to }) => append(epoch, frames.slice(from, to))))
        const kept = await stored(epoch)
        expect(kept).toEqual(plain(frames.slice(0, kept.length)))
        expect(await append(epoch, frames)).toEqual(taken(19, 20 - kept.length))
        expect(await stored(epoch)).toEqual(plain(frames))
      }),
      { numRuns: 20 },
    )
  })
})
