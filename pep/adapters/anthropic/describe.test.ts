import { expect, test } from 'vitest'
import { actionDigest } from '../../../pdp/contract/action.ts'
import type { MessagesRequest } from '../../facts/anthropic.ts'
import { canonicalMessages, parseMessages, sessionLabel } from './describe.ts'
import { routeOf } from './route.ts'

const request = (fields: Record<string, unknown> = {}): MessagesRequest => ({
  model: 'claude-test-1',
  max_tokens: 10,
  system: 'You are an agent.',
  tools: [{ name: 'Bash', input_schema: { properties: { cache_control: { type: 'string' } } } }],
  messages: [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'two' },
    { role: 'user', content: [{ type: 'text', text: 'three' }] },
  ],
  ...fields,
})
const digest = (fields?: Record<string, unknown>, betas: string[] = []): string => {
  const action = canonicalMessages('claude', 'anthropic.messages.create', request(fields), betas)
  if (!action) throw new Error('no canonical form')
  return actionDigest(action)
}

test('an approval covers model, tools, new content and parameters', () => {
  const same = digest()
  const [, , last] = request().messages
  const changed: Record<string, unknown>[] = [
    { model: 'claude-test-2' },
    { tools: [] },
    { tools: [{ name: 'Bash', input_schema: { properties: {} } }] },
    { max_tokens: 11 },
    { system: 'You are another.' },
    { mcp_servers: [{ url: 'https://x.example' }] },
    { betas: ['x'] },
    { novelty: 1 },
    { messages: [...request().messages, { role: 'user', content: 'four' }] },
    { messages: [{ role: 'user', content: [{ type: 'text', text: 'three!' }] }] },
  ]
  for (const fields of changed) expect(digest(fields), JSON.stringify(fields)).not.toBe(same)
  expect(digest({}, ['a-beta'])).not.toBe(same)
  expect(digest({ messages: [{ role: 'assistant', content: 'other' }, last] })).toBe(same)
})

test('an approval holds for the same request sent again, streamed or not, however it is cached', () => {
  const same = digest()
  expect(digest({ stream: true })).toBe(same)
  expect(digest({ metadata: { user_id: 'x' } })).toBe(same)
  const cached = { type: 'text', text: 'three', cache_control: { type: 'ephemeral' } }
  expect(
    digest({ messages: [...request().messages.slice(0, 2), { role: 'user', content: [cached] }] }),
  ).toBe(same)
})

test('what has no canonical form cannot be approved', () => {
  const messages = [{ role: 'user', content: '\ud800' }]
  expect(
    canonicalMessages('claude', 'anthropic.messages.create', request({ messages }), []),
  ).toBeUndefined()
})

test('a body is read strictly', () => {
  const read = (text: string | Uint8Array) => parseMessages(Buffer.from(text))
  expect(read('{"model":"m","messages":[]}').ok).toBe(true)
  for (const text of [
    '',
    '[]',
    'null',
    '{"model":"","messages":[]}',
    '{"model":"m","messages":{}}',
    '\ufeff{"model":"m","messages":[]}',
  ])
    expect(read(text).ok, text).toBe(false)
  expect(read(Buffer.from([0x22, 0xff, 0x22])).ok).toBe(false)
})

test('the session label is what the Agent SDK calls its session, or nothing', () => {
  const id = '0a1b2c3d-1111-4222-8333-444455556666'
  expect(sessionLabel({ user_id: `user_1_account_2_session_${id}` })).toBe(id)
  expect(sessionLabel({ user_id: JSON.stringify({ session_id: id }) })).toBe(id)
  for (const user_id of [
    'x',
    '{',
    '{"session_id": 7}',
    '{"session_id": "a b"}',
    'null',
    `_session_${'x'.repeat(200)}`,
    7,
    undefined,
  ])
    expect(sessionLabel({ user_id })).toBeUndefined()
  expect(sessionLabel(null)).toBeUndefined()
})

test('only the documented paths are served', () => {
  expect(routeOf('POST', '/v1/messages?beta=true')?.action).toBe('anthropic.messages.create')
  expect(routeOf('GET', '/v1/models/claude-test-1?beta=true')).toMatchObject({
    action: 'anthropic.models.get',
    model: 'claude-test-1',
  })
  for (const target of [
    '/',
    '/v1/messages/batches',
    '/v1/models/',
    '/v1/models/a/b',
    '/v1/models/..',
    '/v1/models/%2e%2e',
    '/v1/complete',
    '/v1/models?a?b',
  ])
    expect(routeOf('GET', target), target).toBeUndefined()
  expect(routeOf('HEAD', '/v1/models')).toBeUndefined()
})
