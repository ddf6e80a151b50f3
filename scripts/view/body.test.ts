import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { read } from '../../pep/adapters/anthropic/testing.ts'
import { seenIn, streamPlaces, stringsOf } from '../../pep/adapters/anthropic/testing-places.ts'
import { expectNone, pieces, places as cutPlaces, render } from '../fuzz/secrets.ts'
import { testOutcome } from '../../sealing/testing.ts'
import { expectNoLeak, halves, chunkOf, everySecret, maskedBody, viewMask } from './testing.ts'

const LOADED = 120_000

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
      const began = performance.now()
      let last = began
      const watch = setInterval(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }, 1)
      const out = await maskedBody(chunkOf(Buffer.from(body)))
      clearInterval(watch)
      expect(out.includes('ada@')).toBe(false)
      expect(longest).toBeLessThan((last - began) / 2)
    }
  },
  LOADED,
)
