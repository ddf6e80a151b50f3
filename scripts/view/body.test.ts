import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { recorded, read } from '../../pep/adapters/anthropic/testing.ts'
import {
  jsonPlaces,
  leakOf,
  seenIn,
  seenInStream,
  signedPlaces,
  streamPlaces,
  stringsOf,
} from '../../pep/adapters/anthropic/testing-places.ts'
import { expectNone, pieces, places as cutPlaces, render } from '../fuzz/secrets.ts'
import { encodeFrame, plainFraming } from '../leakcheck/frames.ts'
import { places } from '../leakcheck/places.ts'
import { leaksIn, type Secret } from '../leakcheck/secrets.ts'
import { readSse } from '../leakcheck/sse.ts'
import type { MaskObligation } from '../../pdp/contract/obligation.ts'
import type { JournalRecord } from '../../pdp/contract/record.ts'
import { testIntent, testOutcome } from '../../sealing/testing.ts'
import { chunkOf, everySecret, masked, maskedBody, viewMask } from './testing.ts'

const LOADED = 120_000

const halves = (text: string, at: number): string[] => [text.slice(0, at), text.slice(at)]
/** Cut everywhere, and into single characters. */
const splitsOf = (text: string, every: boolean): string[][] => [
  ...Array.from({ length: text.length - 1 }, (_, k) => k + 1)
    .filter((at) => every || at % 7 === 3)
    .map((at) => halves(text, at)),
  Array.from(text),
]

function expectNoLeak(seen: string, { sensitive }: Secret): void {
  expect(leakOf(sensitive, seen)).toBeUndefined()
}

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

describe('JSON', () => {
  describe.each(jsonPlaces)('%s', (_, make) => {
    test.each(everySecret)('a secret is not shown: %s', async (_kind, secret) => {
      const json = JSON.stringify(make(secret.text))
      const escaped = json.replace(
        /[^"{}[\]:,]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
      for (const body of [json, /\d,|true|null|\\/.test(json) ? json : escaped]) {
        const out = await maskedBody(chunkOf(Buffer.from(body), [10, 50, 51]))
        expectNoLeak(seenIn(out, [JSON.parse(out.toString())]), secret)
      }
    })
  })

  test.each(everySecret)(
    'a secret in a request is not shown, whatever its place: %s',
    async (_, secret) => {
      const { text } = secret
      const request = {
        model: text,
        system: [{ type: 'text', text }],
        metadata: { user_id: text },
        tools: [{ name: 'Bash', input_schema: { description: text } }],
        messages: [
          { role: 'user', content: text },
          { role: 'assistant', content: [{ type: 'thinking', thinking: text, signature: 'EqQB' }] },
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: text, name: text, input: { [text]: text } }],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'toolu_01', content: [{ type: 'text', text }] },
            ],
          },
        ],
      }
      const out = await maskedBody(chunkOf(Buffer.from(JSON.stringify(request))))
      expectNoLeak(seenIn(out, [JSON.parse(out.toString())]), secret)
      expect(JSON.parse(out.toString())).toMatchObject({
        messages: [
          {},
          { content: [{ type: 'thinking', signature: 'EqQB' }] },
          {},
          { content: [{ tool_use_id: 'toolu_01' }] },
        ],
      })
    },
  )

  test.each(everySecret)(
    'a secret that goes on from block to block is not shown: %s',
    async (_, secret) => {
      for (const parts of splitsOf(secret.text, true)) {
        const content = parts.map((text) => ({ type: 'text', text }))
        const body = Buffer.from(
          `\ufeff${JSON.stringify({ messages: [{ role: 'user', content }], after: 'é' }, null, 1)}`,
        )
        const out = await maskedBody(chunkOf(body, [31, 77, 120]))
        const value = JSON.parse(out.toString().slice(1)) as {
          messages: { content: { text: string }[] }[]
        }
        expectNoLeak((value.messages[0]?.content ?? []).map(({ text }) => text).join(''), secret)
        expect(value).toMatchObject({ after: 'é' })
      }
    },
  )

  test('in which there is nothing is the same bytes', async () => {
    const body = Buffer.from(
      '{ "id":"msg_014p7gG3wDgGV9EUtLvnow3U", "n": 1.50, "t":"\\u00e9 x" }\n',
    )
    expect(await maskedBody(chunkOf(body, [3, 30]))).toEqual(body)
  })

  test('of pictures shows their size', async () => {
    const data = Buffer.alloc(3000, 7).toString('base64')
    const source = { type: 'base64', media_type: 'image/png', data }
    const url = `data:image/png;base64,${data}`
    const body = Buffer.from(JSON.stringify({ content: [{ type: 'image', source }], url }))
    const out = JSON.parse((await maskedBody(chunkOf(body, [99]))).toString()) as unknown
    expect(out).toEqual({
      content: [{ type: 'image', source: { ...source, data: '[NOT SHOWN: 3000 bytes]' } }],
      url: '[NOT SHOWN: 3000 bytes]',
    })
  })

  test.each([
    ['a key twice', '{"a":"1","a":"2"}'],
    ['an end too early', '{"a":"1"'],
    ['an unknown escape', '{"a":"\\q"}'],
    ['nesting without end', `${'{"a":['.repeat(400)}${']}'.repeat(400)}`],
  ])('that readers read differently is not shown: %s', async (_, text) => {
    expect(await viewMask(chunkOf(Buffer.from(text)))).toMatchObject({ ok: false })
  })

  test('that stands in lines is masked line by line', async () => {
    const lines = everySecret.map(([, { text }]) => JSON.stringify({ line: text }))
    const out = await maskedBody(
      chunkOf(Buffer.from(`${lines.join('\n')}\n{"last":true}\n`), [40, 90]),
    )
    for (const [, secret] of everySecret) expectNoLeak(seenIn(out), secret)
    expect(
      out
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => stringsOf(JSON.parse(line))).length,
    ).toBe(lines.length + 1)
  })

  test('that is cut off is shown so far when it is of no message', async () => {
    const body = Buffer.from('{"a":"ada@example.com", "b": ["x", "4111 1111 11')
    const operation = [
      testIntent(),
      testOutcome({ truncated: [{ direction: 'received', limit_bytes: 48 }] }),
    ]
    expect((await maskedBody(chunkOf(body), operation)).toString()).toBe(
      '{"a":"[REDACTED:email]", "b": ["x", "',
    )
    expect(await viewMask(chunkOf(body))).toMatchObject({ ok: false })
  })

  test('has what policy masks by its path masked', async () => {
    const intent = testIntent()
    const obligations = [
      {
        kind: 'mask',
        where: 'response',
        fields: ['$..nickname'],
        style: 'partial',
      } satisfies MaskObligation,
    ]
    const operation: JournalRecord[] = [
      { ...intent, decision: { ...intent.decision, obligations } },
    ]
    const body = Buffer.from('{"nickname":"Bo","age":7}')
    expect((await maskedBody(chunkOf(body), operation)).toString()).toBe(
      '{"nickname":"[REDACTED:field]","age":7}',
    )
    expect(await viewMask(chunkOf(Buffer.from('nickname: Bo')), operation)).toMatchObject({
      ok: false,
    })
  })
})

describe('text', () => {
  test.each(everySecret)(
    'a secret is not shown, cut into pieces at every place: %s',
    async (_, secret) => {
      const text = Buffer.from(`Grüße 😀 ${secret.text} – und der Rest`)
      for (let at = 0; at < text.length; at++) {
        const out = await maskedBody(chunkOf(text, [at]))
        expectNoLeak(seenIn(out), secret)
        expect(out.toString()).toMatch(/^Grüße 😀 .*REDACTED.* – und der Rest$/s)
      }
    },
  )

  test.each(everySecret)('a secret in a form is not shown: %s', async (_, secret) => {
    for (const written of [
      encodeURIComponent(secret.text),
      encodeURIComponent(secret.text).replaceAll('%20', '+'),
    ]) {
      const out = await maskedBody(chunkOf(Buffer.from(`a=1&value=${written}&b=x+y`), [5, 12]))
      expectNoLeak(seenIn(out) + decodeURIComponent(out.toString().replaceAll('+', ' ')), secret)
      expect(out.toString()).toMatch(/^a=1&value=.*REDACTED.*&b=x\+y$/)
    }
  })

  test('that holds a value behind its escapes is not shown', async () => {
    const text = String.raw`log: "postgres:\/\/ada:pa55w0rd-x@localhost" and more`
    expect(await viewMask(chunkOf(Buffer.from(text)))).toEqual({
      ok: false,
      error: 'it holds a value behind its escapes',
    })
  })

  test('that is cut off does not show what may be the beginning of a value', async () => {
    const operation = [testOutcome({ result: 'aborted' })]
    const out = await maskedBody(chunkOf(Buffer.from('the card is 4111 1111 1111 11')), operation)
    expect(out.toString()).not.toContain('4111')
    expect(out.toString()).toContain('the card is')
  })
})

test.each([
  ['compressed', gzipSync('4111 1111 1111 1111'), []],
  ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), []],
  ['of bytes that are not text', Buffer.from('4111\u0001 1111'), []],
  ['of UTF-16', Buffer.from('4111 1111', 'utf16le'), []],
  [
    'of another character set',
    Buffer.from('hello'),
    [['content-type', 'text/plain; charset=utf-7']],
  ],
  ['said to be encoded', Buffer.from('hello'), [['Content-Encoding', 'gzip']]],
  ['said to be a picture', Buffer.from('hello'), [['content-type', 'image/x-portable-bitmap']]],
  ['said to be JSON', Buffer.from('hello'), [['content-type', 'application/problem+json']]],
  ['of a document for printers', Buffer.from('%PDF-1.7 and so on'), []],
] as const)('a body is not shown that is %s', async (_, body, headers) => {
  const operation = [testOutcome({ headers: headers.map(([name, value]) => [name, value]) })]
  expect(await viewMask(chunkOf(body), operation)).toMatchObject({ ok: false })
})

test('pieces that are not those of the body hide it', async () => {
  const chunk = chunkOf(Buffer.from('hello'))
  expect(await viewMask({ ...chunk, pieces: [[0, 4]] })).toMatchObject({ ok: false })
  expect(await viewMask({ ...chunk, offset: 3 })).toMatchObject({ ok: false })
})

test('a chunk whose body is not kept stays as it is', async () => {
  const { body: _, ...chunk } = chunkOf(Buffer.from('hello'))
  expect(await viewMask(chunk)).toEqual({ ok: true, value: chunk })
})

test(
  'whatever form a secret has that maskers know, in any body and cut anywhere, it is not shown',
  async () => {
    const body = fc.constantFrom('text', 'json', 'message', 'events')
    await fc.assert(
      fc.asyncProperty(pieces, cutPlaces, body, async (parts, cuts, kind) => {
        const { text, values } = render(parts)
        // What is lost in a text of UTF-8 was never sent.
        const sent = text.toWellFormed()
        const bytes = Buffer.from(
          kind === 'text'
            ? sent
            : kind === 'json'
              ? JSON.stringify({ content: [{ type: 'text', text: sent }, sent] })
              : kind === 'events'
                ? `data: ${JSON.stringify({ said: sent })}\n\n`
                : (streamPlaces[0]?.reply(halves(sent, Math.floor(sent.length / 2))) ?? ''),
        )
        const shown = await viewMask(chunkOf(bytes, cuts))
        if (!shown.ok) return
        const out = Buffer.from((shown.value as { body: Uint8Array }).body)
        const seen =
          kind === 'message'
            ? stringsOf(read(out).content).join('\n')
            : kind === 'json'
              ? stringsOf(JSON.parse(out.toString())).join('\n')
              : out.toString()
        expectNone(values, seen)
      }),
      { numRuns: 300 },
    )
  },
  LOADED,
)

test(
  'a body of 16 MiB lets others have their turn',
  async () => {
    const line = `${'the quick brown fox jumps over the lazy dog, '.repeat(20)}ada@example.com 4111 1111 1111 1111\n`
    const text = line.repeat(Math.ceil((16 * 1024 * 1024) / line.length))
    const json = JSON.stringify({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'text', text: 'x' },
          ],
        },
      ],
    })
    for (const body of [text, json]) {
      let longest = 0
      let last = performance.now()
      const watch = setInterval(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }, 1)
      const out = await maskedBody(chunkOf(Buffer.from(body)))
      clearInterval(watch)
      expect(out.includes('ada@')).toBe(false)
      expect(longest).toBeLessThan(2000)
    }
  },
  LOADED,
)
