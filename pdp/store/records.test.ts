import { randomBytes, randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import postgres from 'postgres'
import { beforeAll, describe, expect, test } from 'vitest'
import { frameDigest } from '../contract/record.ts'
import type { IndexedFrame, RecordIndex, Store } from './store.ts'
import { openTestStore } from './testing.ts'

let store: Store
let url: string
beforeAll(async () => {
  ;({ store, url } = await openTestStore())
})

const T = 1_800_000_000_000
const GENESIS = Buffer.alloc(32)

/** Frames that continue each other, from `seq` on. */
function chain(
  count: number,
  options: { seq?: number; prev?: Uint8Array; bytes?: number; index?: Partial<RecordIndex> } = {},
): IndexedFrame[] {
  const { seq = 0, bytes = 40, index = {} } = options
  let prev = options.prev ?? GENESIS
  const frames: IndexedFrame[] = []
  for (let at = 0; at < count; at += 1) {
    const payload = randomBytes(bytes)
    const digest = frameDigest(prev, payload)
    frames.push({
      seq: seq + at,
      prev,
      digest,
      payload,
      index: { kind: 'intent', time_ms: T + at, ...index },
    })
    prev = digest
  }
  return frames
}

function append(epoch: string, frames: readonly IndexedFrame[]) {
  return store.records.append({ pep: 'pep-1', epoch, frames, received_ms: T })
}

async function stored(epoch: string) {
  const sql = postgres(url, { max: 1 })
  const rows = await sql<{ seq: string; prev: Buffer; digest: Buffer; payload: Buffer }[]>`
    select seq, prev, digest, payload from countersign.records where epoch = ${epoch} order by seq`
  await sql.end()
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }))
}

function plain(frames: readonly IndexedFrame[]) {
  return frames.map(({ index: _, payload, prev, digest, seq }) => ({
    seq,
    payload,
    prev: Buffer.from(prev),
    digest: Buffer.from(digest),
  }))
}

describe('an append', () => {
  test('keeps every byte, also of payloads of no bytes and of many', async () => {
    const epoch = randomUUID()
    const small = chain(3, { bytes: 0 })
    const large = chain(2, { seq: 3, prev: small.at(-1)!.digest, bytes: 9_000_000 })
    const some = chain(2_500, { seq: 5, prev: large.at(-1)!.digest, bytes: 7 })
    const frames = [...small, ...large, ...some]
    expect(await append(epoch, frames)).toEqual({ ok: true, seq: frames.length - 1 })
    const kept = await stored(epoch)
    expect(kept).toHaveLength(frames.length)
    const wanted = plain(frames)
    const wrong = kept.findIndex(
      (row, at) =>
        row.seq !== at ||
        !row.payload.equals(wanted[at]!.payload) ||
        !row.prev.equals(wanted[at]!.prev) ||
        !row.digest.equals(wanted[at]!.digest),
    )
    expect(wrong).toBe(-1)
  })

  test('again, in part or whole, is the same append', async () => {
    const epoch = randomUUID()
    const frames = chain(6)
    expect(await append(epoch, frames.slice(0, 4))).toEqual({ ok: true, seq: 3 })
    expect(await append(epoch, frames.slice(0, 4))).toEqual({ ok: true, seq: 3 })
    expect(await append(epoch, frames.slice(1, 3))).toEqual({ ok: true, seq: 3 })
    expect(await append(epoch, frames.slice(2))).toEqual({ ok: true, seq: 5 })
    expect(await append(epoch, [])).toEqual({ ok: true, seq: 5 })
    expect(await stored(epoch)).toEqual(plain(frames))
  })

  test('past a gap is refused with the number that is expected', async () => {
    const epoch = randomUUID()
    const frames = chain(6)
    expect(await append(epoch, frames.slice(1))).toEqual({ ok: false, expected: 0 })
    await append(epoch, frames.slice(0, 2))
    expect(await append(epoch, frames.slice(3))).toEqual({ ok: false, expected: 2 })
    expect(await append(epoch, [frames[2]!, frames[4]!])).toEqual({ ok: false, expected: 4 })
    expect(await stored(epoch)).toEqual(plain(frames.slice(0, 2)))
  })

  test('of frames that do not continue each other is refused', async () => {
    const epoch = randomUUID()
    const frames = [...chain(2), ...chain(1, { seq: 2, prev: randomBytes(32) })]
    expect(await append(epoch, frames)).toEqual({ ok: false, expected: 2 })
    expect(await stored(epoch)).toEqual([])
  })

  test('of a known number with another digest keeps nothing but one alarm', async () => {
    const epoch = randomUUID()
    const frames = chain(3)
    await append(epoch, frames)
    const before = await store.records.alarms()
    const changed = chain(4, { seq: 1, prev: frames[0]!.digest })
    expect(await append(epoch, changed)).toEqual({ ok: false, conflict: 1 })
    expect(await append(epoch, changed)).toEqual({ ok: false, conflict: 1 })
    expect(await stored(epoch)).toEqual(plain(frames))
    expect(await store.records.alarms()).toBe(before + 1)
  })

  test('that continues another last frame than ours is a conflict over that frame', async () => {
    const epoch = randomUUID()
    const frames = chain(3)
    await append(epoch, frames)
    const before = await store.records.alarms()
    const forked = chain(2, { seq: 3, prev: randomBytes(32) })
    expect(await append(epoch, forked)).toEqual({ ok: false, conflict: 2 })
    expect(await stored(epoch)).toHaveLength(3)
    expect(await store.records.alarms()).toBe(before + 1)
  })

  test('is not stopped by text that no column holds', async () => {
    const epoch = randomUUID()
    const index = { subject_id: 'a\0b\ud800', issuer: 'ü'.repeat(5_000), session_id: `s-${epoch}` }
    expect(await append(epoch, chain(2, { index }))).toEqual({ ok: true, seq: 1 })
    const [session] = await store.sessions.list({ limit: 1, subject: 'a\0b\ud800' })
    expect(session?.subject_id).toBe('a\uFFFDb\uFFFD')
  })

  test('of the same chain by many at once, in any pieces, keeps the chain', async () => {
    const pieces = fc.array(
      fc.record({ from: fc.constantFrom(0, 0, 0, 1, 5, 10), to: fc.integer({ min: 5, max: 20 }) }),
      { minLength: 2, maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(pieces, async (cuts) => {
        const epoch = randomUUID()
        const frames = chain(20)
        await Promise.all(cuts.map(({ from, to }) => append(epoch, frames.slice(from, to))))
        const kept = await stored(epoch)
        expect(kept).toEqual(plain(frames.slice(0, kept.length)))
        expect(await append(epoch, frames)).toEqual({ ok: true, seq: 19 })
        expect(await stored(epoch)).toEqual(plain(frames))
      }),
      { numRuns: 20 },
    )
  })
})
