import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  frameDigest,
  type RecordFrame,
  sealedRecord,
  type SealedRecord,
} from '../../pdp/contract/record.ts'
import {
  decodePayload,
  encodeFrame,
  FRAME_HEADER_BYTES,
  frameMarker,
  GENESIS,
  parseFrames,
  type Link,
  type Piece,
} from './frame.ts'

/** As the journal writes it; this sealing is the identity, so that what is planted is found. */
const sealed = (operation_id: string, body: Uint8Array = new Uint8Array(0)): SealedRecord => ({
  v: 2,
  step: {
    kind: 'outcome',
    operation_id,
    time_ms: 1,
    session_id: 's-1',
    result: 'completed',
    bytes_in: 0,
    bytes_out: 0,
    masked: {},
    observed: {},
  },
  content: {
    key: '0'.repeat(32),
    sealed: body,
    commitment: '0'.repeat(64),
    blocks: [],
  },
})

const marker = frameMarker('20260101T000000000Z-0011223344556677')
const all = { verify: true, max_frames: 1e6 }

function chain(records: readonly SealedRecord[]): Buffer[] {
  let link: Link = { seq: 0, prev: GENESIS }
  return records.map((record) => {
    const { frame, digest } = encodeFrame(record, marker, link)
    link = { seq: link.seq + 1, prev: digest }
    return frame
  })
}

function frames(pieces: readonly Piece[]): RecordFrame[] {
  return pieces.flatMap((piece) => (piece.kind === 'frame' ? [piece.frame] : []))
}

const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 })
const toRecords = (list: readonly Uint8Array[]) => list.map((body, n) => sealed(`op-${n}`, body))

test('frames come back in order, chained, with the digest that the contract says', () => {
  fc.assert(
    fc.property(bodies, (list) => {
      const records = toRecords(list)
      const file = Buffer.concat(chain(records))
      const found = frames(parseFrames(file, 0, file.length, marker, all).pieces)
      expect(found.map((frame) => frame.seq)).toEqual(records.map((_, n) => n))
      let prev: Uint8Array = GENESIS
      for (const [n, frame] of found.entries()) {
        expect(Buffer.from(frame.prev)).toEqual(Buffer.from(prev))
        expect(frameDigest(frame.prev, frame.payload)).toEqual(Buffer.from(frame.digest))
        const decoded = sealedRecord.parse(decodePayload(frame.payload))
        expect(decoded.step).toEqual(records[n]!.step)
        expect([...decoded.content!.sealed]).toEqual([...list[n]!])
        prev = frame.digest
      }
    }),
  )
})

test('a file cut at any byte keeps every whole frame and nothing else', () => {
  const list = chain(toRecords([new Uint8Array(40), new Uint8Array(3), new Uint8Array(90)]))
  const file = Buffer.concat(list)
  for (let size = 0; size <= file.length; size += 1) {
    let whole = 0
    for (let end = 0; whole < list.length; whole += 1) {
      end += list[whole]!.length
      if (end > size) break
    }
    const { pieces, next } = parseFrames(file.subarray(0, size), 0, size, marker, all)
    expect(frames(pieces)).toHaveLength(whole)
    expect(next).toBe(size)
    const rest = size - list.slice(0, whole).reduce((sum, frame) => sum + frame.length, 0)
    expect(pieces.length).toBe(whole + (rest > 0 ? 1 : 0))
  }
})

test('every single flipped bit is noticed, and every other frame survives it', () => {
  const list = chain(toRecords([new Uint8Array(9), new Uint8Array(9), new Uint8Array(9)]))
  const start = list[0]!.length
  const end = start + list[1]!.length
  for (let bit = start * 8; bit < end * 8; bit += 1) {
    const file = Buffer.concat(list)
    file[bit >> 3]! ^= 1 << (bit & 7)
    const { pieces } = parseFrames(file, 0, file.length, marker, all)
    expect(frames(pieces).map((frame) => frame.seq)).toEqual([0, 2])
    expect(pieces[1]).toEqual({ kind: 'gap', offset: start, end })
  }
})

test('a file read in parts of any size gives the same frames as read whole', () => {
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 400 }), fc.nat(), (list, step, damaged) => {
      const file = Buffer.concat(chain(toRecords(list)))
      file[damaged % file.length]! ^= 0x10
      const whole = frames(parseFrames(file, 0, file.length, marker, all).pieces)
      const found: RecordFrame[] = []
      for (let at = 0, size = step; at < file.length;) {
        const part = file.subarray(at, at + size)
        const parsed = parseFrames(part, at, file.length, marker, all)
        found.push(...frames(parsed.pieces))
        if (parsed.pieces.length === 0) expect(parsed.need).toBeGreaterThan(part.length)
        size = Math.max(step, parsed.need)
        at = parsed.next
      }
      expect(found.map((frame) => frame.seq)).toEqual(whole.map((frame) => frame.seq))
    }),
  )
})

test('a frame that an agent plants in a body is not believed when the frame around it is damaged', () => {
  const foreign = frameMarker('20260101T000000000Z-ffffffffffffffff')
  const planted = encodeFrame(sealed('planted'), foreign, { seq: 1, prev: GENESIS }).frame
  const list = chain([sealed('a'), sealed('b', planted), sealed('c')])
  const file = Buffer.concat(list)
  file[list[0]!.length + 20]! ^= 1
  const found = frames(parseFrames(file, 0, file.length, marker, all).pieces)
  expect(
    found.map(
      (frame) =>
        (decodePayload(frame.payload) as { step: { operation_id: string } }).step.operation_id,
    ),
  ).toEqual(['a', 'c'])
})

test('a seq past 32 bits is kept exactly', () => {
  const seq = 2 ** 40 + 7
  const { frame } = encodeFrame(sealed('a'), marker, { seq, prev: GENESIS })
  expect(frames(parseFrames(frame, 0, frame.length, marker, all).pieces)[0]?.seq).toBe(seq)
})

test('a damaged payload is taken only by a reader that does not verify', () => {
  const { frame } = encodeFrame(sealed('a'), marker, { seq: 0, prev: GENESIS })
  frame[FRAME_HEADER_BYTES + 3]! ^= 1
  const lax = parseFrames(frame, 0, frame.length, marker, { verify: false, max_frames: 10 })
  expect(frames(lax.pieces)).toHaveLength(1)
  expect(frames(parseFrames(frame, 0, frame.length, marker, all).pieces)).toHaveLength(0)
})
