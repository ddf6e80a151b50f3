import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PepMaskError } from './errors.ts'
import { encodeSse, SseDecoder, type SseFrame } from './sse.ts'

const lineEnd = fc.constantFrom('\n', '\r', '\r\n')
const line = fc.oneof(
  fc.constantFrom(
    'event: ping',
    'data: {"a":1}',
    'data:',
    'data: é😀',
    ': comment',
    ':',
    'id: 7',
    'retry: 10',
    'data',
    'x: y',
    'data:  two',
  ),
  fc.string({ maxLength: 10 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
)
const stream = fc
  .array(fc.tuple(fc.array(line, { maxLength: 4 }), lineEnd), { maxLength: 6 })
  .map((frames) =>
    frames.map(([lines, end]) => lines.map((text) => text + end).join('') + end).join(''),
  )

function decode(pieces: readonly Uint8Array[]): { frames: SseFrame[]; rest: Buffer } {
  const decoder = new SseDecoder()
  const frames = pieces.flatMap((piece) => decoder.feed(piece))
  return { frames, rest: decoder.end() }
}

const events = (frames: readonly SseFrame[]) =>
  frames
    .filter((frame) => frame.data !== undefined)
    .map(({ event, data, id }) => ({ event, data, id }))

test('a stream split at any bytes gives the same events, and its frames are its bytes', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(300), { maxLength: 6 }), (text, places) => {
      const bytes = Buffer.from(text)
      const whole = decode([bytes])
      const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
        (a, b) => a - b,
      )
      const pieces = [...cuts, bytes.length].map((to, k) =>
        bytes.subarray(k === 0 ? 0 : cuts[k - 1], to),
      )
      for (const split of [pieces, Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
        const { frames, rest } = decode(split)
        expect(events(frames)).toEqual(events(whole.frames))
        expect(Buffer.concat([...frames.map((frame) => frame.raw), rest]).equals(bytes)).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
})

test('fields, comments, several data lines and a byte-order mark are read as the standard says', () => {
  const { frames } = decode([
    Buffer.from(
      '\uFEFF: hi\nevent: delta\ndata: one\ndata:two\nid: 1\nretry: 5\nfoo: bar\n\n:\n\ndata\n\nevent: x\n\n',
    ),
  ])
  expect(frames.map(({ raw: _, ...frame }) => frame)).toEqual([
    { event: 'delta', data: 'one\ntwo', id: '1', retry: '5', comments: ['hi'], unknown: ['foo'] },
    {
      event: undefined,
      data: undefined,
      id: undefined,
      retry: undefined,
      comments: [''],
      unknown: [],
    },
    { event: undefined, data: '', id: undefined, retry: undefined, comments: [], unknown: [] },
    { event: 'x', data: undefined, id: undefined, retry: undefined, comments: [], unknown: [] },
  ])
})

test('a frame comes out with the byte that ends it, also where a CRLF is split', () => {
  const decoder = new SseDecoder()
  expect(decoder.feed(Buffer.from('data: a\r\n'))).toHaveLength(0)
  expect(decoder.feed(Buffer.from('\r'))).toHaveLength(1)
  const [next] = decoder.feed(Buffer.from('\ndata: b\r\n\r\n'))
  expect(next?.data).toBe('b')
})

test('half a frame is given back, not dispatched', () => {
  const { frames, rest } = decode([Buffer.from('data: a\n\ndata: secret')])
  expect(frames).toHaveLength(1)
  expect(rest.toString()).toBe('data: secret')
})

test('a frame past the bound, and one that is not UTF-8, end the stream', () => {
  const long = new SseDecoder(100)
  expect(() => Array.from({ length: 20 }, () => long.feed(Buffer.from('data: aaaa')))).toThrow(
    PepMaskError,
  )
  expect(() => long.feed(Buffer.from('\n\n'))).toThrow(PepMaskError)
  const bad = new SseDecoder()
  expect(() => bad.feed(Buffer.from([100, 97, 116, 97, 58, 0xff, 10, 10]))).toThrow(/UTF-8/)
})

test('an encoded event is decoded to itself', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const data = text.replace(/\r\n|\r/g, '\n')
      const { frames, rest } = decode([encodeSse('e', data)])
      expect(frames.map(({ event, data }) => ({ event, data }))).toEqual([{ event: 'e', data }])
      expect(rest).toHaveLength(0)
    }),
  )
})

test('an event that comes in many small pieces is read in proportion to its length, and stays whole', () => {
  const data = 'x'.repeat(4_000_000)
  const bytes = Buffer.from(`event: a\ndata: ${data}\n\nevent: b\ndata: 1\n\n`)
  const decoder = new SseDecoder(16 * 1024 * 1024)
  const frames: SseFrame[] = []
  const started = performance.now()
  for (let at = 0; at < bytes.length; at += 200)
    frames.push(...decoder.feed(bytes.subarray(at, at + 200)))
  expect(performance.now() - started).toBeLessThan(3000)
  expect(frames.map(({ event }) => event)).toEqual(['a', 'b'])
  expect(frames[0]?.data).toBe(data)
  expect(Buffer.concat(frames.map(({ raw }) => raw)).equals(bytes)).toBe(true)
})
