import Anthropic, { APIError } from '@anthropic-ai/sdk'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import type { Verdict } from '../../../pdp/contract/decision.ts'
import type { Obligation } from '../../../pdp/contract/obligation.ts'
import { builtinNames } from '../../mask/types.ts'
import {
  allow,
  deny,
  type Gateway,
  KEY,
  sleep,
  startGateway,
  type Upstream,
} from './testing-server.ts'
import { end, recorded, start, text, toolUse } from './testing.ts'

let gateway: Gateway
afterEach(() => gateway.close())

const mask: Obligation = {
  kind: 'mask',
  where: 'response',
  detectors: [...builtinNames],
  style: 'redact',
}
const masked = (): Verdict => ({ effect: 'allow', reasons: [], obligations: [mask] })
const approve = (wait_s: number): Verdict => ({
  effect: 'approve',
  reasons: [],
  obligations: [{ kind: 'approve', approvers: ['a'], count: 1, wait_s, valid_s: 60 }],
})

const sse =
  (...pieces: Uint8Array[]): Upstream =>
  async (_request, _body, response) => {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'request-id': 'req_1',
    })
    for (const piece of pieces) {
      response.write(piece)
      await sleep(1)
    }
    response.end()
  }
const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Upstream =>
  (_request, _body, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
const message = (content: unknown[], stop_reason = 'end_turn') => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-test-1',
  content,
  stop_reason,
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
})

const sdk = (): Anthropic =>
  new Anthropic({ baseURL: gateway.url, apiKey: 'agent-token', maxRetries: 0 })
const asked = {
  model: 'claude-test-1',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Hello' }],
}
const post = (body: unknown, path = '/v1/messages', headers: Record<string, string> = {}) =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

describe('the official SDK', () => {
  test('streams a whole reply, and gets what the API sent', async () => {
    gateway = await startGateway(sse(recorded))
    const final = await sdk().messages.stream(asked).finalMessage()
    expect(final.content.map((block) => block.type)).toEqual([
      'thinking',
      'redacted_thinking',
      'text',
      'server_tool_use',
      'web_search_tool_result',
      'text',
      'tool_use',
    ])
    expect(final.stop_reason).toBe('tool_use')
    expect(final.content[6]).toMatchObject({ name: 'Bash', input: { command: 'ls -la' } })
    expect(gateway.events).toEqual(['intent', 'upstream', 'decision', 'outcome'])
  })

  test('sees an address that is split over deltas masked', async () => {
    gateway = await startGateway(
      sse(start(), text(0, ['Ask ann', '@exam', 'ple.com now']), end('end_turn')),
      masked,
    )
    const stream = sdk().messages.stream(asked)
    const pieces: string[] = []
    stream.on('text', (piece) => pieces.push(piece))
    await stream.finalMessage()
    expect(pieces.join('')).toBe('Ask [REDACTED:email] now')
  })

  test('never sees a tool call that was refused, streamed or not, and can go on', async () => {
    const call = { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'rm -fr /' } }
    gateway = await startGateway(
      (request, body, response) =>
        (JSON.parse(body.toString()) as { stream?: boolean }).stream === true
          ? sse(start(), toolUse(0, 'Bash', ['{"command": "rm ', '-fr /"}']), end('tool_use'))(
              request,
              body,
              response,
            )
          : json(200, message([{ type: 'text', text: 'I will.' }, call], 'tool_use'))(
              request,
              body,
              response,
            ),
      (request) => {
        const shell = request.context.facts.shell
        const deletes = shell?.commands.some(
          ({ name, flags }) => name === 'rm' && flags.includes('-r'),
        )
        return deletes ? deny('Deleting is not allowed.') : allow()
      },
    )
    const streamed = await sdk().messages.stream(asked).finalMessage()
    expect(streamed.stop_reason).toBe('end_turn')
    expect(streamed.content).toHaveLength(1)
    expect(streamed.content[0]).toMatchObject({ type: 'text' })
    const whole = await sdk().messages.create(asked)
    expect(whole.stop_reason).toBe('end_turn')
    expect(whole.content[1]).toMatchObject({
      type: 'text',
      text: expect.stringMatching(
        /^\[Countersign refused the tool call Bash: Deleting is not allowed \(decision .{36}\)\.\]$/,
      ) as string,
    })
    await sdk().messages.create({
      ...asked,
      messages: [
        ...asked.messages,
        { role: 'assistant', content: whole.content },
        { role: 'user', content: 'Why?' },
      ],
    })
    expect(JSON.stringify([streamed, whole])).not.toContain('rm -fr')
  })

  test('gets a refusal as an error it does not try again', async () => {
    gateway = await startGateway(json(200, message([])), () => deny('No grant covers this.'))
    const client = new Anthropic({ baseURL: gateway.url, apiKey: 'agent-token', maxRetries: 3 })
    const error = await client.messages.create(asked).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ status: 451 })
    expect(String(error)).toMatch(/Countersign: No grant covers this \(decision .{36}\)\./)
    expect(gateway.events).toEqual(['refused:denied'])
  })

  test('tries a pending approval again by itself, and is released once', async () => {
    gateway = await startGateway(json(200, message([{ type: 'text', text: 'Hi' }])), () =>
      approve(0),
    )
    const client = new Anthropic({ baseURL: gateway.url, apiKey: 'agent-token', maxRetries: 2 })
    const pending = client.messages.create(asked)
    await sleep(300)
    gateway.approval = 'approved'
    expect((await pending).content).toEqual([{ type: 'text', text: 'Hi' }])
    expect(gateway.events.filter((event) => event === 'upstream')).toHaveLength(1)
    const again = await post(asked)
    expect(again.status).toBe(451)
  })

  test('lists models and counts tokens', async () => {
    gateway = await startGateway((request, body, response) =>
      request.method === 'POST'
        ? json(200, { input_tokens: 7 })(request, body, response)
        : json(200, {
            data: [{ type: 'model', id: 'claude-test-1', display_name: 'Claude', created_at: 'x' }],
            has_more: false,
          })(request, body, response),
    )
    expect(
      await sdk().messages.countTokens({ model: asked.model, messages: asked.messages }),
    ).toEqual({ input_tokens: 7 })
    expect((await sdk().models.list()).data[0]?.id).toBe('claude-test-1')
    await sdk().models.retrieve('claude-test-1')
    expect(gateway.requests.map(({ action, resource }) => [action.name, resource.id])).toEqual([
      ['anthropic.messages.count_tokens', 'claude-test-1'],
      ['anthropic.models.list', '*'],
      ['anthropic.models.get', 'claude-test-1'],
    ])
  })
})

describe('what is forwarded', () => {
  test('are the bytes and headers that came, but for the credential', async () => {
    gateway = await startGateway(json(200, message([])))
    const body =
      '{ "model":"claude-test-1",\n"max_tokens": 1e2, "messages":[{"content":"\\u0048i \ud83d\ude00","role":"user"}] , "novelty":{"a":[1.0]} }'
    const response = await post(body, '/v1/messages?beta=true', {
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'one-2025-01-01, two-2025-01-01',
      'x-stainless-lang': 'js',
      'x-app': 'cli',
      'user-agent': 'sdk/1',
      authorization: 'Bearer agent',
    })
    expect(response.status).toBe(200)
    const [sent] = gateway.forwarded
    expect(sent?.body.toString()).toBe(body)
    expect(sent?.url).toBe('/v1/messages?beta=true')
    expect(sent?.headers).toMatchObject({
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'one-2025-01-01, two-2025-01-01',
      'x-stainless-lang': 'js',
      'x-app': 'cli',
      'user-agent': 'sdk/1',
      'x-api-key': KEY,
    })
    expect(sent?.headers.authorization).toBeUndefined()
    expect(gateway.requests[0]?.context.facts.anthropic).toMatchObject({
      betas: ['one-2025-01-01', 'two-2025-01-01'],
      unknown_fields: ['novelty'],
    })
  })

  test('is masked in place when policy asks, and recorded as it was forwarded', async () => {
    gateway = await startGateway(json(200, message([])), () => ({
      effect: 'allow',
      reasons: [],
      obligations: [
        { ...mask, where: 'request' },
        { kind: 'record', body: 'masked' },
      ],
    }))
    await post({ ...asked, messages: [{ role: 'user', content: 'I am ann@example.com' }] })
    expect(gateway.forwarded[0]?.body.toString()).toContain('I am [REDACTED:email]')
    const [intent] = gateway.records
    expect(
      intent?.kind === 'intent' && Buffer.from(intent.exchange.forwarded ?? []).toString(),
    ).toContain('[REDACTED:email]')
  })

  test('is nothing when the record cannot be written', async () => {
    gateway = await startGateway(json(200, message([])))
    gateway.broken = true
    expect((await post(asked)).status).toBe(503)
    expect(gateway.forwarded).toEqual([])
  })

  test.each([
    ['a path that is not served', 'POST', '/v1/files', asked, 404],
    ['a method that is not served', 'PUT', '/v1/messages', asked, 404],
    ['a path beside', 'POST', '/v1/messages/', asked, 404],
    ['an encoded path', 'POST', '/v1/%6dessages', asked, 404],
    ['JSON that is not whole', 'POST', '/v1/messages', '{"model":', 400],
    [
      'a key that occurs twice',
      'POST',
      '/v1/messages',
      '{"model":"a","model":"b","messages":[]}',
      400,
    ],
    ['a body without a model', 'POST', '/v1/messages', '{"messages":[]}', 400],
    [
      'a body that is too deep',
      'POST',
      '/v1/messages',
      `{"model":"a","messages":${'['.repeat(200)}${']'.repeat(200)}}`,
      400,
    ],
  ])('is not %s', async (_name, method, path, body, status) => {
    gateway = await startGateway(json(200, message([])))
    const init = { method, body: typeof body === 'string' ? body : JSON.stringify(body) }
    const response = await fetch(gateway.url + path, init)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining('Countersign: ') as string },
    })
    expect(gateway.events).toEqual([])
  })

  test.each([
    ['too long', {}, { ...asked, system: 'x'.repeat(1024 * 1024) }, 413],
    ['encoded', { 'content-encoding': 'gzip' }, asked, 400],
    ['for another method', { 'x-http-method-override': 'DELETE' }, asked, 400],
  ])('is nothing that is %s', async (_name, headers, body, status) => {
    gateway = await startGateway(json(200, message([])))
    expect((await post(body, '/v1/messages', headers)).status).toBe(status)
    expect(gateway.events).toEqual([])
  })

  test('is nothing when policy masks what cannot be masked here', async () => {
    gateway = await startGateway(json(200, message([])), () => ({
      effect: 'allow',
      reasons: [],
      obligations: [{ kind: 'mask', where: 'response', fields: ['$.content'], style: 'redact' }],
    }))
    const response = await post(asked)
    expect(response.status).toBe(451)
    expect(await response.text()).toContain('mask fields by path')
    expect(gateway.forwarded).toEqual([])
  })
})

describe('the credential and other secrets', () => {
  test('an upstream that echoes the key gives it to nobody: body, errors, headers, stream', async () => {
    const encoded = Buffer.from(`x${KEY}y`).toString('base64')
    gateway = await startGateway((request, body, response) => {
      const sent = request.headers['x-api-key']
      if (request.url === '/v1/models')
        return json(
          401,
          { type: 'error', error: { message: `bad key ${String(sent)} ${encoded}` } },
          { 'x-echo': String(sent) },
        )(request, body, response)
      if (body.includes('"stream":true'))
        return sse(start({ id: sent }), text(0, ['key ', ...KEY.split('')]), end('end_turn'))(
          request,
          body,
          response,
        )
      return json(
        200,
        message([
          { type: 'text', text: sent },
          { type: 'tool_use', id: 't', name: 'Bash', input: { command: `echo ${String(sent)}` } },
        ]),
        { 'x-echo': String(sent) },
      )(request, body, response)
    })
    const answers = [
      await fetch(`${gateway.url}/v1/models`),
      await post(asked),
      await post({ ...asked, stream: true }),
    ]
    for (const answer of answers) {
      const whole = `${await answer.text()} ${JSON.stringify([...answer.headers])}`
      expect(whole).not.toContain(KEY)
      expect(whole).not.toContain(Buffer.from(KEY).toString('base64').slice(4, -4))
      expect(whole).toContain('REDACTED')
    }
    expect(answers[0]?.status).toBe(401)
    expect(JSON.stringify(gateway.records).includes(KEY)).toBe(false)
    expect(
      Buffer.concat(
        gateway.records.flatMap((one) => (one.kind === 'chunk' && one.body ? [one.body] : [])),
      ).includes(KEY),
    ).toBe(false)
  })

  test('an error of the upstream passes as it is, and masked where policy says', async () => {
    const body =
      '{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your limit"},"request_id":"req_9"}'
    gateway = await startGateway(
      json(429, body, { 'retry-after': '7', 'request-id': 'req_9' }),
      masked,
    )
    const answer = await post(asked)
    expect(answer.status).toBe(429)
    expect(answer.headers.get('retry-after')).toBe('7')
    expect(await answer.text()).toBe(body)
    await gateway.close()
    gateway = await startGateway(
      json(400, { type: 'error', error: { message: 'bad: ann@example.com' } }),
      masked,
    )
    expect(await (await post(asked)).text()).toContain('bad: [REDACTED:email]')
  })

  test.each([
    [
      'an answer of a type that cannot be read',
      { 'content-type': 'application/octet-stream' },
      'x',
    ],
    ['an answer in another encoding', { 'content-type': 'application/json; charset=utf-16' }, '{}'],
    ['an answer that is not JSON', { 'content-type': 'application/json' }, '{"a":'],
    [
      'an answer with a key twice',
      { 'content-type': 'application/json' },
      '{"content":[],"content":[{"type":"tool_use"}]}',
    ],
    [
      'an answer with a finding in thinking',
      { 'content-type': 'application/json' },
      JSON.stringify(message([{ type: 'thinking', thinking: 'ann@example.com', signature: 's' }])),
    ],
    ['a stream that begins wrongly', { 'content-type': 'text/event-stream' }, 'data: x\n\n'],
  ])('%s is refused, and on record as cut', async (_name, headers, body) => {
    gateway = await startGateway((_request, _body, response) => {
      response.writeHead(200, headers)
      response.end(body)
    }, masked)
    const answer = await post(asked)
    expect(answer.status).toBe(451)
    expect(await answer.text()).toMatch(/decision .{36}/)
    const last = gateway.records.at(-1)
    expect(last).toMatchObject({ kind: 'outcome', result: 'cut' })
  })
})

describe('time and failure', () => {
  test('the outcome is on record before the terminal event goes out', async () => {
    gateway = await startGateway(sse(start(), text(0, ['Hi']), end('end_turn')))
    const seen: string[][] = []
    for await (const event of await sdk().messages.create({ ...asked, stream: true })) {
      if (event.type === 'message_stop') seen.push([...gateway.events])
    }
    expect(seen).toEqual([['intent', 'upstream', 'outcome']])
  })

  test('when the outcome cannot be recorded the client does not see the end', async () => {
    gateway = await startGateway(async (request, body, response) => {
      gateway.broken = true
      await sse(start(), text(0, ['Hi']), end('end_turn'))(request, body, response)
    })
    await expect(post({ ...asked, stream: true }).then((answer) => answer.text())).rejects.toThrow()
  })

  test('an upstream that dies in the middle breaks the connection to the client', async () => {
    gateway = await startGateway((_request, _body, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(Buffer.concat([start(), text(0, ['Hi'])]), () => response.destroy())
    })
    await expect(post({ ...asked, stream: true }).then((answer) => answer.text())).rejects.toThrow()
    expect(gateway.records.at(-1)).toMatchObject({ kind: 'outcome', result: 'failed' })
  })

  test('an upstream that ends cleanly in the middle breaks the connection to the client as well', async () => {
    gateway = await startGateway(sse(start(), text(0, ['Hi'])))
    await expect(post({ ...asked, stream: true }).then((answer) => answer.text())).rejects.toThrow()
    expect(gateway.records.at(-1)).toMatchObject({ kind: 'outcome', result: 'failed' })
  })

  test('an answer that is compressed all the same is decoded and inspected', async () => {
    const body = JSON.stringify(message([{ type: 'text', text: 'to ann@example.com' }]))
    gateway = await startGateway((_request, _body, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.end(gzipSync(body))
    }, masked)
    expect(await (await post(asked)).text()).toBe(
      body.replace('ann@example.com', '[REDACTED:email]'),
    )
    await gateway.close()
    gateway = await startGateway(json(200, message([]), { 'content-encoding': 'x-unknown' }))
    expect((await post(asked)).status).toBe(451)
  })

  test('an upstream that cannot be reached is a 502 with the decision, and on record', async () => {
    gateway = await startGateway((request) => void request.socket.destroy())
    const answer = await post(asked)
    expect(answer.status).toBe(502)
    expect(await answer.text()).toMatch(/decision .{36}/)
    expect(gateway.records.at(-1)).toMatchObject({ kind: 'outcome', result: 'failed' })
  })

  test('a client that goes away ends the request to the upstream', async () => {
    let aborted = false
    gateway = await startGateway((request, _body, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(start())
      request.on('close', () => undefined)
      response.on('close', () => (aborted = true))
    })
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    const body = JSON.stringify(asked)
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    await expect.poll(() => aborted).toBe(true)
    await expect
      .poll(() => gateway.records.at(-1))
      .toMatchObject({ kind: 'outcome', result: 'aborted' })
  })

  test('a tool call that waits keeps the stream alive with pings and is released when approved', async () => {
    gateway = await startGateway(
      sse(start(), toolUse(0, 'Bash', ['{"command": "git push"}']), end('tool_use')),
      (request) => (request.action.name === 'anthropic.tool_use' ? approve(30) : allow()),
    )
    const answer = await post({ ...asked, stream: true })
    await sleep(1200)
    gateway.approval = 'approved'
    const out = await answer.text()
    expect(out).toMatch(/event: message_start[\s\S]*event: ping[\s\S]*git push/)
    expect(gateway.approval).toBe('consumed')
  })

  test('a tool call that waits too long becomes text that names the approval', async () => {
    gateway = await startGateway(
      json(
        200,
        message(
          [{ type: 'tool_use', id: 't', name: 'Bash', input: { command: 'git push' } }],
          'tool_use',
        ),
      ),
      (request) => (request.action.name === 'anthropic.tool_use' ? approve(0) : allow()),
    )
    const reply = await sdk().messages.create(asked)
    expect(reply.stop_reason).toBe('end_turn')
    expect(JSON.stringify(reply.content)).toMatch(/waiting for approval approval-1/)
  })

  test('a session is labelled as the Agent SDK calls it', async () => {
    gateway = await startGateway(json(200, message([])))
    const session = '0a1b2c3d-1111-4222-8333-444455556666'
    await post({ ...asked, metadata: { user_id: `user_abc_account__session_${session}` } })
    await post({
      ...asked,
      metadata: { user_id: JSON.stringify({ device_id: 'd', session_id: session }) },
    })
    expect(gateway.requests.map((one) => one.context.session.label)).toEqual([session, session])
  })
})
