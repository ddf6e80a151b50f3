import { describe, expect, test } from 'vitest'
import { recorded, read } from '../../pep/adapters/anthropic/testing.ts'
import {
  seenIn,
  seenInStream,
  signedPlaces,
  streamPlaces,
} from '../../pep/adapters/anthropic/testing-places.ts'
import { encodeFrame, plainFraming } from '../leakcheck/frames.ts'
import { places } from '../leakcheck/places.ts'
import { leaksIn } from '../leakcheck/secrets.ts'
import { readSse } from '../leakcheck/sse.ts'
import {
  expectNoLeak,
  halves,
  splitsOf,
  chunkOf,
  everySecret,
  masked,
  maskedBody,
  viewMask,
} from './testing.ts'

const LOADED = 120_000

describe('a streamed message', () => {
  describe.each([...streamPlaces, ...signedPlaces])('$name', (place) => {
    test.each(everySecret)(
      'a secret is not shown, wherever it is divided: %s',
      async (_, secret) => {
        const written = place.written?.(secret.text) ?? secret.text
        for (const [k, parts] of splitsOf(written, place.splits === 'every').entries()) {
          const reply = place.reply(parts)
          // Pieces of the transport, cut elsewhere each time.
          const out = await maskedBody(chunkOf(reply, [k * 37, k * 101 + 13]))
          expectNoLeak(seenInStream(out), secret)
          expect(readSse(out).problems).toEqual([])
        }
      },
      LOADED,
    )
  })

  test.each(everySecret)(
    'a secret is not shown when each piece is a single byte: %s',
    async (_, { text, ...secret }) => {
      const place = streamPlaces[0]
      const reply = place?.reply([text.slice(0, 9), text.slice(9)]) ?? Buffer.alloc(0)
      const out = await maskedBody(chunkOf(reply, [...reply.keys()]))
      expectNoLeak(seenInStream(out), { text, ...secret })
    },
    LOADED,
  )

  test.each(
    ['\n', '\r\n', '\r'].flatMap((newline) =>
      [false, true].flatMap((escaped) => [
        { newline: newline as '\n', escaped, dataLines: false },
        { newline: newline as '\n', escaped, dataLines: true },
      ]),
    ),
  )(
    'a secret is not shown in any framing: %j',
    async (framing) => {
      for (const place of places) {
        for (const [, secret] of everySecret) {
          const whole = place.around[0] + place.written(secret.text) + place.around[1]
          const at = whole.indexOf(place.written(secret.text)) + 6
          const frames = place.frames(halves(whole, at))
          const stream = Buffer.concat(frames.map((frame) => encodeFrame(frame, framing)))
          const out = await maskedBody(chunkOf(stream, [at, at * 9]))
          expect(leaksIn(seenInStream(out), secret), `${place.name} ${secret.kind}`).toBe(false)
        }
      }
    },
    LOADED,
  )

  test('without a secret is shown byte for byte, each piece with what belongs to it', async () => {
    const out = await masked(chunkOf(recorded, [100, 2000]))
    expect(read(out.body ?? Buffer.alloc(0))).toEqual(read(recorded))
    expect(readSse(Buffer.from(out.body ?? [])).problems).toEqual([])
  })

  test('keeps its timing: what is certain comes with the piece that it came in', async () => {
    const frames = ['Hello there, ', 'my friend. ', 'This is it. '].map((text) =>
      encodeFrame(
        { type: 'content_block_delta', fields: { index: 0, delta: { type: 'text_delta', text } } },
        plainFraming,
      ),
    )
    const [begin, ...rest] =
      places[0]?.frames(['x']).map((frame) => encodeFrame(frame, plainFraming)) ?? []
    const head = Buffer.concat([begin ?? Buffer.alloc(0), rest[0] ?? Buffer.alloc(0)])
    const tail = Buffer.concat(rest.slice(-3))
    const body = Buffer.concat([head, ...frames, tail])
    const ends = [head, ...frames].map((_, k, all) =>
      all.slice(0, k + 1).reduce((sum, { length }) => sum + length, 0),
    )
    const out = await masked(chunkOf(body, ends))
    expect(out.pieces.map(([at_ms]) => (at_ms - 1_700_000_000_000) / 1000)).toEqual([0, 1, 2, 3, 4])
    expect(out.pieces.every(([, bytes]) => bytes > 0)).toBe(true)
  })

  test('that cannot be read is not shown', async () => {
    const broken = Buffer.concat([recorded.subarray(0, 500), Buffer.from('data: {"type":\n\n')])
    expect(await viewMask(chunkOf(broken))).toMatchObject({ ok: false })
  })

  test('that ends in the middle is shown as far as it is certain', async () => {
    const secret = everySecret[0]?.[1]
    if (!secret) throw new Error('no secret')
    const reply = streamPlaces[0]?.reply([secret.text]) ?? Buffer.alloc(0)
    for (let end = 0; end < reply.length; end += 11) {
      const out = await maskedBody(chunkOf(reply.subarray(0, end)))
      expectNoLeak(seenIn(out), secret)
    }
  })

  test('with a field of a name that is taken is not shown', async () => {
    const taken = Buffer.from('data: {"type":"message_start","countersign view: x":1}\n\n')
    expect(await viewMask(chunkOf(taken))).toMatchObject({ ok: false })
  })
})

describe('an event stream of another protocol', () => {
  const openai = (parts: readonly string[]): Buffer =>
    Buffer.from(
      [
        ...parts.map((content) => JSON.stringify({ id: 'x', choices: [{ delta: { content } }] })),
        '[DONE]',
      ]
        .map((data) => `data: ${data}\n\n`)
        .join(''),
    )

  test.each(everySecret)('a secret is not shown: %s', async (_, secret) => {
    const out = await maskedBody(chunkOf(openai(['Look: ', secret.text, ' and so on']), [30, 60]))
    expectNoLeak(seenIn(out), secret)
    expect(out.toString()).toContain('REDACTED')
    expect(readSse(out).problems).toEqual([])
  })

  test('a secret that is written with escapes is not shown', async () => {
    const data = String.raw`{"said":"postgres:\/\/ada:pa55w0rd@localhost\/x","n":1}`
    const out = await maskedBody(chunkOf(Buffer.from(`id: 7\ndata: ${data}\n\n`), [20]))
    expect(readSse(out).events.map((event) => JSON.parse(event.data) as unknown)).toEqual([
      { said: 'postgres://[REDACTED:url_credentials]@localhost/x', n: 1 },
    ])
  })

  test.each(everySecret)(
    'where a secret is divided over events nothing is shown: %s',
    async (_, { text }) => {
      // What is left of it must be a value by itself no more than the parts are.
      const shown = await viewMask(chunkOf(openai(Array.from(text))))
      expect(shown).toEqual({
        ok: false,
        error: 'it holds a value that is divided over several events',
      })
    },
  )

  test('without a secret is the same bytes', async () => {
    const stream = openai(['Hello', ' world'])
    expect(await maskedBody(chunkOf(stream, [7]))).toEqual(stream)
  })
})
