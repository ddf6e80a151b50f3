import { describe, expect, test } from 'vitest'
import { jsonPlaces, seenIn, stringsOf } from '../../pep/adapters/anthropic/testing-places.ts'
import type { MaskObligation } from '../../pdp/contract/obligation.ts'
import type { JournalRecord } from '../../pdp/contract/record.ts'
import { testIntent, testOutcome } from '../../sealing/testing.ts'
import { expectNoLeak, splitsOf, chunkOf, everySecret, maskedBody, viewMask } from './testing.ts'

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
