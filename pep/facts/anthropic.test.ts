import { expect, test } from 'vitest'
import { facts as factsSchema } from '../../pdp/contract/facts.ts'
import { compileFindings } from '../mask/findings.ts'
import { anthropicFacts, type MessagesRequest, ScanCache, type TextScan } from './anthropic.ts'

const detectors = compileFindings(['email', 'credit_card'], [])
let scanned = 0
const scan: TextScan = (text) => {
  scanned += 1
  return {
    detectors: detectors(text),
    phrases: text.toLowerCase().includes('project bluebird') ? ['secret_projects'] : [],
  }
}

const facts = (
  fields: Record<string, unknown>,
  betas: string[] = [],
  cache = new ScanCache(scan),
) => {
  const request = { model: 'claude-sonnet-4-5', messages: [], ...fields } as MessagesRequest
  const found = anthropicFacts(request, betas, cache)
  factsSchema.parse({ ...found, paths: {} })
  return found
}
const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })

test('a request of the Agent SDK is described', () => {
  const found = facts(
    {
      max_tokens: 32000,
      stream: true,
      system: [{ type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } }],
      tools: [
        { name: 'Bash', description: 'Runs a command', input_schema: { type: 'object' } },
        { type: 'bash_20250124', name: 'bash' },
        { type: 'computer_toolset_20260801' },
        { type: 'web_search_20250305', name: 'web_search' },
        { type: 'mcp_toolset', mcp_server_name: 'x' },
      ],
      messages: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: [{ type: 'thinking', thinking: 'Hm', signature: 'abc' }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'ok' }] },
      ],
      metadata: { user_id: 'ann@example.com' },
      novelty: 1,
    },
    ['a-beta'],
  )
  expect(found.anthropic).toMatchObject({
    model: 'claude-sonnet-4-5',
    stream: true,
    max_tokens: 32000,
    messages: 3,
    tools: ['Bash', 'bash', 'computer_toolset_20260801'],
    server_tools: ['web_search_20250305', 'mcp_toolset'],
    mcp_servers: [],
    url_sources: [],
    provider_features: [],
    betas: ['a-beta'],
    unknown_fields: ['novelty'],
    unknown_blocks: [],
    uninspected_blocks: [],
  })
  expect(found.detectors).toEqual({})
})

test('everything that runs, is fetched or kept at the provider is a fact', () => {
  const found = facts({
    betas: ['b1'],
    mcp_servers: [
      { type: 'url', url: 'https://mcp.example.com/sse', name: 'x' },
      { url: 'nonsense' },
    ],
    container: 'container_1',
    fallbacks: [{ model: 'other' }],
    ...user([
      { type: 'image', source: { type: 'url', url: 'https://img.example.com/a.png' } },
      { type: 'document', source: { type: 'file', file_id: 'file_1' } },
      { type: 'container_upload', file_id: 'file_2' },
      {
        type: 'tool_result',
        tool_use_id: 't',
        content: [{ type: 'image', source: { type: 'url', url: 'http://b.example.com:81/' } }],
      },
      { type: 'document', source: { type: 'content', content: [{ type: 'hologram' }] } },
      {
        type: 'tool_addition',
        tool: {
          type: 'tool_definition',
          definition: { type: 'web_fetch_20250910', name: 'web_fetch' },
        },
      },
    ]),
  })
  expect(found.anthropic).toMatchObject({
    betas: ['b1'],
    mcp_servers: ['mcp.example.com', '?'],
    url_sources: ['img.example.com', 'b.example.com:81'],
    provider_features: ['file', 'container_upload', 'container', 'fallbacks'],
    server_tools: ['web_fetch_20250910'],
    unknown_blocks: ['hologram'],
    uninspected_blocks: ['image', 'document', 'container_upload'],
  })
})

test('what looks like a source in the input of a tool is data', () => {
  const found = facts(
    user([
      {
        type: 'tool_use',
        id: 't',
        name: 'Fetch',
        input: { source: { type: 'url', url: 'https://x.example' }, content: [{ type: 'y' }] },
      },
    ]),
  )
  expect(found.anthropic).toMatchObject({ url_sources: [], unknown_blocks: [] })
})

test('findings count in all text that the model would see, and nowhere else', () => {
  const EMAIL = 'ann@example.com'
  const seen: Record<string, unknown>[] = [
    user(EMAIL),
    user([{ type: 'text', text: EMAIL }]),
    { system: EMAIL },
    { system: [{ type: 'text', text: EMAIL }] },
    { tools: [{ name: 'x', description: EMAIL, input_schema: {} }] },
    { tools: [{ name: 'x', input_schema: { properties: { [EMAIL]: { type: 'string' } } } }] },
    user([{ type: 'tool_use', id: 't', name: 'x', input: { a: [{ b: EMAIL }] } }]),
    user([{ type: 'tool_use', id: 't', name: 'x', input: { id: EMAIL } }]),
    user([{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: EMAIL }] }]),
    user([{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: EMAIL } }]),
    user([{ type: 'search_result', source: EMAIL, title: 't', content: [] }]),
    user([{ type: 'thinking', thinking: EMAIL, signature: 's' }]),
    user([{ type: 'hologram', shape: EMAIL }]),
    { novelty: { x: EMAIL } },
  ]
  for (const fields of seen)
    expect(facts(fields).detectors, JSON.stringify(fields)).toEqual({ email: 1 })
  const unseen: Record<string, unknown>[] = [
    user([{ type: 'redacted_thinking', data: EMAIL }]),
    user([{ type: 'thinking', thinking: 'x', signature: EMAIL }]),
    user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: EMAIL } }]),
    { metadata: { user_id: EMAIL } },
  ]
  for (const fields of unseen) expect(facts(fields).detectors, JSON.stringify(fields)).toEqual({})
})

test('a number in an input is text as well', () => {
  const found = facts(
    user([{ type: 'tool_use', id: 't', name: 'x', input: { card: 4111111111111111 } }]),
  )
  expect(found.detectors).toEqual({ credit_card: 1 })
})

test('a phrase is found across the border of two blocks', () => {
  const found = facts(
    user([
      { type: 'text', text: 'see Project Blue' },
      { type: 'text', text: 'bird now' },
    ]),
  )
  expect(found.phrases).toEqual(['secret_projects'])
})

test('a conversation that is sent again is not scanned again', () => {
  const cache = new ScanCache(scan)
  const messages = Array.from({ length: 50 }, (_, k) => ({
    role: 'user',
    content: `message ${k} ann@example.com`,
  }))
  const first = facts({ messages }, [], cache)
  scanned = 0
  const second = facts({ messages: [...messages, { role: 'user', content: 'new' }] }, [], cache)
  expect(scanned).toBe(1)
  expect(second.detectors).toEqual(first.detectors)
})

test('the cache forgets what was not used for longest', () => {
  const cache = new ScanCache(scan, 1024)
  for (const text of ['a', 'b', 'a', 'c']) cache.scan(text)
  scanned = 0
  cache.scan('a')
  expect(scanned).toBe(0)
  cache.scan('b')
  expect(scanned).toBe(1)
})

test('facts do not grow with the prompt, and say what does not fit', () => {
  const tools = Array.from({ length: 1500 }, (_, k) => ({ name: `tool_${k}`, input_schema: {} }))
  const found = facts({ tools, ...user('x'.repeat(5_000_000)) })
  expect(found.anthropic?.tools).toHaveLength(1000)
  expect(found.incomplete).toEqual(['anthropic.tools: more than fits'])
  expect(JSON.stringify(found).length).toBeLessThan(20_000)
  expect(found.anthropic?.token_estimate).toBeGreaterThan(1_000_000)
})

test('images count as tokens though nobody looked into them', () => {
  const image = {
    type: 'image',
    source: { type: 'base64', media_type: 'image/png', data: 'x'.repeat(1_000_000) },
  }
  const found = facts(user([image, image]))
  expect(found.anthropic?.token_estimate).toBeGreaterThanOrEqual(10_000)
  expect(found.anthropic?.token_estimate).toBeLessThan(20_000)
})
