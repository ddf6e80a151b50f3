import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MaskObligation } from '../../../pdp/contract/obligation.ts'
import { examples } from '../../mask/testing.ts'
import { builtinNames } from '../../mask/types.ts'
import { createMasks, Findings } from '../../core/masks.ts'
import { maskRequest } from './request-mask.ts'

const EMAIL = 'ann@example.com'
const rule: MaskObligation = {
  kind: 'mask',
  where: 'request',
  detectors: [...builtinNames],
  style: 'token',
}
const masks = createMasks(new Uint8Array(32).fill(7))
const material = { customs: [], literals: [], session: 's' }
const masking = masks.of([rule], material)

function run(value: unknown, text = JSON.stringify(value), using = masking) {
  return maskRequest(using, new Findings(), text, JSON.parse(text))
}

test('a request in which nothing is found keeps its bytes', () => {
  const text =
    '{ "messages" : [ {"content":"\\u0048\\/i","role":"user"} ],"model":"m", "max_tokens":1.0e3 }'
  expect(run(undefined, text)).toEqual({ ok: true, value: text })
})

test('text that the model would see is masked where it stands', () => {
  const request = (email: string) => ({
    model: EMAIL,
    system: [{ type: 'text', text: `you ${email}`, cache_control: { type: 'ephemeral' } }],
    tools: [{ name: 'x', description: email, input_schema: { description: EMAIL } }],
    messages: [
      { role: 'user', content: `I am ${email}.` },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'none', signature: EMAIL },
          { type: 'redacted_thinking', data: EMAIL },
          { type: 'text', text: email, citations: [{ type: 'char_location', cited_text: EMAIL }] },
          { type: 'tool_use', id: EMAIL, name: EMAIL, input: { to: email } },
          {
            type: 'web_search_tool_result',
            tool_use_id: 't',
            content: [{ type: 'web_search_result', title: email, encrypted_content: EMAIL }],
          },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: EMAIL, content: [{ type: 'text', text: email }] },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: email } },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: EMAIL } },
        ],
      },
    ],
    metadata: { user_id: EMAIL },
    novelty: EMAIL,
  })
  const masked = run(request(EMAIL))
  expect(masked.ok).toBe(true)
  const token = masked.ok ? /\[email:t:[a-p]+\]/.exec(masked.value)?.[0] : ''
  expect(masked.ok && JSON.parse(masked.value)).toEqual(request(token ?? ''))
})

test('the same value has the same replacement, so that prompt caching still hits', () => {
  const first = run({ messages: [{ role: 'user', content: EMAIL }] })
  const later = run({
    messages: [
      { role: 'user', content: EMAIL },
      { role: 'user', content: 'more' },
    ],
  })
  expect(first.ok && later.ok && later.value.startsWith(first.value.slice(0, -2))).toBe(true)
})

test('a finding in thinking, which must not be altered, refuses; an observing mask lets it pass', () => {
  const request = {
    messages: [
      { role: 'assistant', content: [{ type: 'thinking', thinking: EMAIL, signature: 's' }] },
    ],
  }
  expect(run(request)).toMatchObject({ ok: false, error: { code: 'denied' } })
  const observing = masks.of([{ ...rule, observe: true }], material)
  expect(run(request, JSON.stringify(request), observing)).toEqual({
    ok: true,
    value: JSON.stringify(request),
  })
})

test('no example of any detector is left in text, and the rest of the document is as it was', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...examples), { minLength: 1, maxLength: 5 }),
      fc.json(),
      (found, other) => {
        const content = found.map(({ before, value, after }) => before + value + after).join(' | ')
        const text = `{"other": ${other}, "messages": [{"role": "user", "content": ${JSON.stringify(content)}}]}`
        const masked = run(undefined, text)
        if (!masked.ok) throw new Error(masked.error.message)
        for (const { value } of found)
          expect(masked.value).not.toContain(JSON.stringify(value).slice(1, -1))
        expect(
          masked.value.startsWith(`{"other": ${other}, "messages": [{"role": "user", "content": "`),
        ).toBe(true)
        expect(() => JSON.parse(masked.value) as unknown).not.toThrow()
      },
    ),
    { numRuns: 300 },
  )
})

test('a value that is divided over text blocks is masked as in one, of instructions, messages and results', () => {
  const divided = [
    { type: 'text', text: 'I am ann@exa' },
    { type: 'text', text: 'mple.com.' },
  ]
  const value = {
    model: 'm',
    system: divided,
    messages: [
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: divided }] },
      { role: 'user', content: divided },
    ],
  }
  for (let turn = 0; turn < 2; turn++) {
    const masked = run(value)
    const out = masked.ok ? masked.value : ''
    expect(out).not.toContain('exa')
    expect(out).not.toContain('mple.com')
    expect(out.match(/\[email:t:[a-p]{24}\]/g)).toHaveLength(3)
  }
})
