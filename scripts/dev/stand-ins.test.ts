import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startStandInClaude } from './stand-in-claude.ts'
import { startStandInCustomers } from './stand-in-customers.ts'
import type { StandIn } from './stand-in-server.ts'
import { startStandInOf } from './stand-ins.ts'

const KEY = ['stand', 'in', 'key'].join('-')
// How the SDK sends a key.
const bearer = { header: 'authorization', value: `Bearer ${KEY}` }
let claude: StandIn
let customers: StandIn
let sdk: Anthropic

beforeAll(async () => {
  claude = await startStandInClaude({ credential: bearer })
  customers = await startStandInCustomers({
    credential: { header: 'authorization', value: `Bearer ${KEY}` },
  })
  sdk = new Anthropic({ baseURL: claude.url, apiKey: KEY, maxRetries: 0 })
})
afterAll(async () => {
  await claude.close()
  await customers.close()
})

const bash: Anthropic.Tool = { name: 'Bash', input_schema: { type: 'object' } }
const ask = (content: string, tools: Anthropic.Tool[] = []) => ({
  model: 'claude-sonnet-5-5',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content }],
  tools,
})
const textOf = ({ content }: Anthropic.Message): string =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('')

describe('the stand-in for Claude', () => {
  test.each(['hello', 'the contact, please', 'clean up', 'push it'])(
    'says the same in a stream as in JSON: %s',
    async (words) => {
      const whole = await sdk.messages.create(ask(words, [bash]))
      const streamed = await sdk.messages.stream(ask(words, [bash])).finalMessage()
      const bare = ({ content }: Anthropic.Message) =>
        content.map((block) => ({ ...block, id: '' }))
      expect(bare(streamed)).toEqual(bare(whole))
      expect(streamed.stop_reason).toBe(whole.stop_reason)
      expect(textOf(whole)).toContain('Stand-in')
    },
  )

  test('splits what is to be found over deltas', async () => {
    const deltas: string[] = []
    await sdk.messages
      .stream(ask('contact'))
      .on('text', (delta) => deltas.push(delta))
      .finalMessage()
    const secrets = ['ada.lovelace@example.com', '219-09-9999']
    for (const secret of secrets) {
      expect(deltas.join('')).toContain(secret)
      expect(deltas.some((delta) => delta.includes(secret))).toBe(false)
    }
  })

  test('calls Bash only when it is offered, and ends its turn after the result', async () => {
    const called = await sdk.messages.create(ask('clean up', [bash]))
    expect(called.stop_reason).toBe('tool_use')
    const call = called.content.find((block) => block.type === 'tool_use')
    expect(call?.input).toMatchObject({ command: expect.stringMatching(/^rm -fr/) as string })
    expect((await sdk.messages.create(ask('clean up'))).stop_reason).toBe('end_turn')
    const after = await sdk.messages.create({
      ...ask('clean up', [bash]),
      messages: [
        { role: 'user', content: 'clean up' },
        { role: 'assistant', content: called.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call!.id, content: 'ok' }] },
      ],
    })
    expect(after.stop_reason).toBe('end_turn')
  })

  test('is not led by what a harness adds to the words', async () => {
    const message = await sdk.messages.create({
      ...ask('', [bash]),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: '<system-reminder>never clean up</system-reminder>' },
            { type: 'text', text: 'hi <system-reminder>or push</system-reminder>' },
          ],
        },
        { role: 'system', content: 'list, clean up, push' },
      ],
    })
    expect(message.stop_reason).toBe('end_turn')
  })

  test('counts tokens, lists models and says what it does not serve', async () => {
    expect((await sdk.messages.countTokens(ask('hello'))).input_tokens).toBeGreaterThan(0)
    expect((await sdk.models.list()).data.length).toBeGreaterThan(0)
    expect((await sdk.models.retrieve('claude-haiku-5-5')).id).toBe('claude-haiku-5-5')
    await expect(sdk.models.retrieve('gpt')).rejects.toMatchObject({ status: 404 })
  })

  test.each([
    ['none', {}],
    ['another', { authorization: 'Bearer other' }],
    ['a second', { authorization: bearer.value, 'x-api-key': 'agent' }],
  ])('turns away whoever brings %s credential', async (_, headers) => {
    const response = await fetch(`${claude.url}/v1/messages`, {
      method: 'POST',
      headers: { 'anthropic-version': '2023-06-01', ...headers },
      body: JSON.stringify(ask('hello')),
    })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error' },
    })
    expect(response.headers.get('x-countersign-stand-in')).toBe('claude')
  })

  test('remembers what it received', async () => {
    await sdk.messages.create(ask('remember me'))
    const last = claude.received().at(-1)
    expect(last).toMatchObject({ method: 'POST', target: '/v1/messages' })
    expect(last?.body).toContain('remember me')
    expect(last?.headers.find(([name]) => name === 'authorization')).toEqual([
      'authorization',
      bearer.value,
    ])
  })
})

describe('the stand-in for customers', () => {
  const call = (method: string, path: string, body?: string, type = 'application/json') =>
    fetch(`${customers.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${KEY}`,
        ...(body !== undefined && { 'content-type': type }),
      },
      ...(body !== undefined && { body }),
    })

  test('lists, shows, adds and deletes customers who do not exist', async () => {
    const { customers: all } = (await (await call('GET', '/customers')).json()) as {
      customers: { email: string }[]
    }
    expect(all.length).toBe(3)
    expect(all.every(({ email }) => /@(?:.+\.)?example\.(?:com|org)$/.test(email))).toBe(true)
    const made = await call('POST', '/customers', '{"name":"D","email":"d@example.com"}')
    expect(made.status).toBe(201)
    const { id } = (await made.json()) as { id: string }
    expect((await call('GET', `/customers/${id}`)).status).toBe(200)
    expect((await call('DELETE', `/customers/${id}`)).status).toBe(204)
    expect((await call('GET', `/customers/${id}`)).status).toBe(404)
  })

  test('says what is wrong with a request', async () => {
    expect((await call('POST', '/customers', 'x')).status).toBe(400)
    expect((await call('POST', '/customers', '{}')).status).toBe(400)
    expect((await call('POST', '/customers', '{}', 'text/plain')).status).toBe(415)
    expect((await call('PATCH', '/customers')).status).toBe(405)
    expect((await fetch(`${customers.url}/customers`)).status).toBe(401)
    expect((await call('GET', '/admin/export')).status).toBe(200)
  })
})

test('a connection’s stand-in takes the credential made for it, and no other one’s', async () => {
  const [one, other] = await Promise.all(
    [1, 2].map(() => startStandInOf('customers', { header: 'authorization', prefix: 'Bearer ' })),
  )
  try {
    const status = async (value: string): Promise<number> =>
      (await fetch(`${one!.url}/customers`, { headers: { authorization: value } })).status
    expect(await status(one!.credential.value)).toBe(200)
    expect(one!.credential.value).toBe(`Bearer ${one!.secret}`)
    expect(await status(other!.credential.value)).toBe(401)
  } finally {
    await Promise.all([one!.close(), other!.close()])
  }
  expect(await startStandInOf('constructor', { header: 'authorization' })).toBeUndefined()
})
