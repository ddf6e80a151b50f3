import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testIntent, testOutcome, testSealer } from '../../sealing/testing.ts'
import { canonicalJson } from '../contract/action.ts'
import { leafOf, leafText } from './leaf.ts'
import type { LeafBody } from './log-store.ts'

const body = (detail: unknown): LeafBody => ({
  v: 1,
  kind: 'event',
  time_ms: 1,
  source: { pdp: 'pdp' },
  name: 'test',
  detail,
})

describe('the text of a leaf', () => {
  test('is RFC 8785, without spaces and with sorted members', () => {
    expect(leafText(body({ b: 1e21, a: [0.5, -0, 'é\u2028'], é: null }), 7)).toBe(
      '{"detail":{"a":[0.5,0,"é\u2028"],"b":1e+21,"é":null},"kind":"event","logged_ms":7,"name":"test","source":{"pdp":"pdp"},"time_ms":1,"v":1}',
    )
  })

  test('holds neither NUL nor lone surrogates, in values and in names, and all other text as it is', () => {
    const text = leafText(body({ 'a\0': 'b\ud800c', d: ['\udc00', '\ud83d\ude00', '\\u0000'] }), 7)
    expect((JSON.parse(text) as { detail: object }).detail).toEqual({
      'a\uFFFD': 'b\uFFFDc',
      d: ['\uFFFD', '\u{1F600}', '\\u0000'],
    })
  })

  test('is canonical, well formed and the same again, whatever it tells', () => {
    const json = fc.jsonValue({ stringUnit: 'binary' })
    fc.assert(
      fc.property(json, fc.nat(), (detail, logged_ms) => {
        const text = leafText(body(detail), logged_ms)
        expect(text.isWellFormed()).toBe(true)
        expect(text).not.toMatch(/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/)
        const read = JSON.parse(text) as LeafBody & { readonly logged_ms: number }
        expect(canonicalJson(read)).toBe(text)
        expect(read.logged_ms).toBe(logged_ms)
        const { logged_ms: _, ...again } = read
        expect(leafText(again, logged_ms)).toBe(text)
      }),
      { numRuns: 500 },
    )
  })

  test('that has no canonical form is no leaf', () => {
    expect(() => leafText(body({ at: NaN }), 1)).toThrow()
    expect(() => leafText(body({ at: 1n }), 1)).toThrow()
  })
})

describe('the leaf of a frame', () => {
  const source = { pep: 'pep-1', epoch: 'e', seq: 4 }

  test('tells of content by its commitment, and by hashes of all sealed bytes that came with it', async () => {
    const sealer = await testSealer()
    const exchange = { body_bytes: 300_000, body: Buffer.alloc(300_000, 'x') }
    const { record } = sealer.seal(testIntent({ exchange }))
    const content = record.content!
    expect(content.blocks).toHaveLength(2)
    expect(leafOf(source, record)).toEqual({
      v: 1,
      ...record.step,
      source,
      content: {
        key: content.key,
        commitment: content.commitment,
        sealed: hash('sha256', content.sealed),
        blocks: content.blocks.map(({ sealed }) => hash('sha256', sealed)),
      },
    })
    const again = sealer.seal(testIntent({ exchange })).record
    expect(leafOf(source, again)['content']).not.toHaveProperty('blocks')
  })

  test('of an event has no content', async () => {
    const event = { kind: 'event', time_ms: 1, name: 'pep.alive', detail: { a: 1 } } as const
    const { record } = (await testSealer()).seal(event)
    expect(leafOf(source, record)).toEqual({ v: 1, ...event, source })
  })

  test('says nothing of a message', async () => {
    const sealer = await testSealer()
    const secret = '078-05-1120'
    const intent = testIntent()
    const records = [
      testIntent({
        request: {
          ...intent.request,
          resource: { ...intent.request.resource, id: secret },
          context: { ...intent.request.context, session: { id: 's-1', label: secret } },
        },
        decision: { ...intent.decision, reasons: [{ rule: 'r', message: secret }] },
        exchange: {
          method: 'POST',
          target: secret,
          headers: [[secret, secret]],
          body_bytes: 1,
          body: Buffer.from(secret),
          forwarded: Buffer.from(secret),
        },
      }),
      testOutcome({ reason: secret, headers: [[secret, secret]] }),
    ]
    for (const record of records)
      expect(leafText(leafOf(source, sealer.seal(record).record), 1)).not.toContain(secret)
  })
})
