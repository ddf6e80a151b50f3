import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Verdict } from '../../../pdp/contract/decision.ts'
import type { Obligation } from '../../../pdp/contract/obligation.ts'
import type { DecisionRequest } from '../../../pdp/contract/request.ts'
import { builtinNames } from '../../mask/types.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import {
  type Collector,
  type ReceivedSpan,
  startCollector,
  testTelemetry,
} from '../../telemetry/testing.ts'
import { allow, deny, type Gateway, KEY, startGateway, type Upstream } from './testing-server.ts'
import { end, event, recorded, start, text, toolUse } from './testing.ts'

let collector: Collector
let telemetry: Telemetry
let gateway: Gateway | undefined

beforeEach(async () => {
  collector = await startCollector()
  ;({ telemetry } = await testTelemetry(collector.url))
})
afterEach(async () => {
  await gateway?.close()
  await telemetry.close()
  await collector.close()
})

const PROMPT = 'the-prompt-of-this-test with alice@example.com'
const streaming =
  (...pieces: Uint8Array[]): Upstream =>
  (_request, _body, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const piece of pieces) response.write(piece)
    response.end()
  }
const answering =
  (status: number, body: object): Upstream =>
  (_request, _body, response) =>
    void response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify(body))

async function send(
  upstream: Upstream,
  verdict: (request: DecisionRequest) => Verdict = allow,
  headers: Record<string, string> = {},
  more: object = {},
): Promise<string> {
  gateway = await startGateway(upstream, verdict, 'session-1', telemetry)
  const response = await fetch(`${gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'claude-sonnet-4-5',
      max_tokens: 1024,
      messages: [{ role: 'user', content: PROMPT }],
      ...more,
    }),
  })
  return response.text()
}

/** All spans, after the last is out. */
async function told(): Promise<readonly ReceivedSpan[]> {
  await telemetry.close()
  return collector.spans
}

async function toldOne(): Promise<ReceivedSpan> {
  const [span, ...others] = await told()
  expect(others).toEqual([])
  if (!span) throw new Error('nothing was told')
  return span
}

const mask: Obligation = {
  kind: 'mask',
  where: 'response',
  detectors: [...builtinNames],
  style: 'redact',
}
const onTools =
  (verdict: Verdict) =>
  ({ action }: DecisionRequest): Verdict =>
    action.name === 'anthropic.tool_use' ? verdict : allow()

describe('a streamed message', () => {
  test('is a span of a client, named as the conventions say, with what the reply says of itself', async () => {
    await send(streaming(recorded), allow, {}, { stream: true })
    const span = (await told()).find(({ kind }) => kind === 3)
    expect(span).toMatchObject({ name: 'chat claude-sonnet-4-5', status: 0 })
    expect(span?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.request.model': 'claude-sonnet-4-5',
      'gen_ai.request.max_tokens': 1024,
      'gen_ai.request.stream': true,
      'gen_ai.response.model': 'claude-sonnet-4-5',
      'gen_ai.response.id': 'msg_014p7gG3wDgGV9EUtLvnow3U',
      'gen_ai.response.finish_reasons': ['tool_use'],
      'gen_ai.usage.input_tokens': 472,
      'gen_ai.usage.output_tokens': 89,
      'server.address': 'api.example',
      'server.port': 443,
      'http.response.status_code': 200,
      'countersign.connection': 'claude',
      'countersign.session.id': 'session-1',
      'countersign.decision.effect': 'allow',
      'countersign.result': 'completed',
    })
    expect(span?.attributes['countersign.decision.revision']).toMatch(/^0{64}$/)
    expect(span?.resource).toMatchObject({
      'service.name': 'countersign-pep',
      'service.instance.id': 'pep-test',
    })
  })

  test('has its tool calls as children, released and refused', async () => {
    const calls = Buffer.concat([
      start(),
      toolUse(0, 'mcp__git_hub__list_issues', ['{"repo":"secret-repo"}']),
      toolUse(1, 'Bash', ['{"command":"secret-command"}']),
      end('tool_use'),
    ])
    await send(streaming(calls), ({ resource }) =>
      resource.id === 'Bash' ? deny('no shell here') : allow(),
    )
    const spans = await told()
    const parent = spans.find(({ kind }) => kind === 3)
    const [mcp, bash] = spans.filter(({ kind }) => kind === 1)
    for (const child of [mcp, bash]) {
      expect(child?.traceId).toBe(parent?.traceId)
      expect(child?.parentSpanId).toBe(parent?.spanId)
      expect(child?.attributes).toMatchObject({
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.call.id': 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
        'gen_ai.tool.type': 'function',
      })
    }
    expect(mcp).toMatchObject({ name: 'execute_tool list_issues', status: 0 })
    expect(mcp?.attributes).toMatchObject({
      'gen_ai.tool.name': 'list_issues',
      'mcp.method.name': 'tools/call',
      'countersign.mcp.server.name': 'git_hub',
      'countersign.result': 'released',
    })
    expect(bash).toMatchObject({ name: 'execute_tool Bash', status: 2 })
    expect(bash?.attributes).toMatchObject({
      'gen_ai.tool.name': 'Bash',
      'error.type': 'denied',
      'countersign.decision.effect': 'deny',
      'countersign.decision.rules': ['test.deny'],
      'countersign.result': 'refused',
    })
    const intents = gateway?.records.filter(({ kind }) => kind === 'intent') ?? []
    expect(intents.map((one) => 'operation_id' in one && one.operation_id)).toEqual([
      parent?.attributes['countersign.operation.id'],
    ])
  })

  test('tells no prompt, no text, no argument and no secret, whatever stands in its names', async () => {
    const reply = Buffer.concat([
      start({ id: `msg_${KEY}`, model: 'bob@example.com' }),
      text(0, ['the reply of this test to carol@example.com']),
      toolUse(1, KEY, ['{"command":"an-argument-of-this-test"}']),
      toolUse(2, 'a tool named by dave@example.com', ['{}']),
      event('message_delta', { delta: { stop_reason: `because ${KEY}` }, usage: {} }),
      event('message_stop', {}),
    ])
    await send(streaming(reply), () => ({ effect: 'allow', reasons: [], obligations: [mask] }))
    const spans = await told()
    expect(spans).toHaveLength(3)
    const said = collector.requests.map(({ body }) => body).join('')
    for (const content of [
      'the-prompt',
      '@example.com',
      'the reply',
      'an-argument',
      'because',
      KEY,
      'a tool named',
    ])
      expect(said).not.toContain(content)
    expect(said).toContain('countersign.masked.email')
    expect(spans.map(({ name }) => name)).toContain('execute_tool _OTHER')
  })

  test('counts the cache’s tokens as input, as the conventions do', async () => {
    const usage = {
      input_tokens: 3,
      cache_read_input_tokens: 1000,
      cache_creation_input_tokens: 200,
      output_tokens: 1,
    }
    await send(streaming(start({ usage }), text(0, ['hello']), end('end_turn')))
    const { attributes } = await toldOne()
    expect(attributes).toMatchObject({
      'gen_ai.usage.input_tokens': 1203,
      'gen_ai.usage.cache_read.input_tokens': 1000,
      'gen_ai.usage.cache_creation.input_tokens': 200,
      'gen_ai.usage.output_tokens': 89,
    })
  })

  test('that breaks off is an error with what is known by then', async () => {
    await send((_request, _body, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(Buffer.concat([start(), text(0, ['hello'])]))
      setTimeout(() => response.destroy(), 300)
    }).catch(() => undefined)
    await expect.poll(() => gateway?.events).toContain('outcome')
    const span = await toldOne()
    expect(span.status).toBe(2)
    expect(span.attributes).toMatchObject({
      'error.type': 'failed',
      'countersign.result': 'failed',
      'gen_ai.usage.input_tokens': 472,
    })
  })
})

test('a whole message has the same, and its calls are children', async () => {
  await send(
    answering(200, {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-test-1',
      content: [{ type: 'tool_use', id: 'toolu_1', name: 'Read', input: { path: 'a' } }],
      stop_reason: 'tool_use',
      usage: { input_tokens: 10, output_tokens: 20 },
    }),
    onTools({ effect: 'allow', reasons: [{ rule: 'tools.read', message: 'ok' }], obligations: [] }),
  )
  const [call, message] = await told()
  expect(message?.attributes).toMatchObject({
    'gen_ai.response.id': 'msg_1',
    'gen_ai.response.model': 'claude-test-1',
    'gen_ai.response.finish_reasons': ['tool_use'],
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 20,
  })
  expect(call?.parentSpanId).toBe(message?.spanId)
  expect(call?.attributes).toMatchObject({
    'gen_ai.tool.call.id': 'toolu_1',
    'countersign.decision.rules': ['tools.read'],
  })
})

test('a refused message is an error of its code, without a description', async () => {
  await send(answering(200, {}), () => deny('a sentence of this test'))
  const span = await toldOne()
  expect(span).toMatchObject({
    name: 'chat claude-sonnet-4-5',
    status: 2,
    statusMessage: undefined,
  })
  expect(span.attributes).toMatchObject({
    'error.type': 'denied',
    'countersign.decision.effect': 'deny',
    'countersign.decision.rules': ['test.deny'],
  })
  expect(JSON.stringify(collector.requests)).not.toContain('a sentence of this test')
})

test('an error of the upstream is an error of its status', async () => {
  await send(
    answering(529, { type: 'error', error: { type: 'overloaded_error', message: 'busy' } }),
  )
  expect(await toldOne()).toMatchObject({
    status: 2,
    attributes: { 'error.type': '529', 'http.response.status_code': 529 },
  })
})

describe('a message that is held', () => {
  const approve: Verdict = {
    effect: 'approve',
    reasons: [],
    obligations: [{ kind: 'approve', approvers: ['a'], count: 1, wait_s: 1, valid_s: 60 }],
  }

  test('says so, and that it was approved', async () => {
    const sent = send(streaming(start(), text(0, ['ok']), end('end_turn')), () => approve)
    await expect.poll(() => gateway?.demanded.length).toBe(1)
    if (gateway) gateway.approval = 'approved'
    await sent
    const { attributes, events, status } = await toldOne()
    expect(status).toBe(0)
    expect(attributes).toMatchObject({
      'countersign.approval.id': 'approval-1',
      'countersign.decision.effect': 'allow',
    })
    expect(events).toEqual([
      {
        name: 'countersign.approval.held',
        attributes: { 'countersign.approval.id': 'approval-1' },
      },
      {
        name: 'countersign.approval.approved',
        attributes: { 'countersign.approval.id': 'approval-1' },
      },
    ])
  })

  test('and not decided is an error, and can be found by its approval', async () => {
    await send(answering(200, {}), () => approve)
    const { attributes, events } = await toldOne()
    expect(attributes).toMatchObject({
      'error.type': 'approval_pending',
      'countersign.approval.id': 'approval-1',
      'countersign.decision.effect': 'approve',
    })
    expect(events.map(({ name }) => name)).toEqual(['countersign.approval.held'])
  })
})

describe('traceparent', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  const parent = '00f067aa0ba902b7'
  const reply = streaming(start(), text(0, ['ok']), end('end_turn'))

  test.each(['01', '00'])(
    'of the agent is the parent, whether or not its flags are %s',
    async (flags) => {
      const traceparent = `00-${trace}-${parent}-${flags}`
      await send(reply, allow, { traceparent })
      expect(await toldOne()).toMatchObject({ traceId: trace, parentSpanId: parent })
      expect(gateway?.forwarded[0]?.headers['traceparent']).toBe(traceparent)
    },
  )

  test.each([
    `00-${'0'.repeat(32)}-${parent}-01`,
    `ff-${trace}-${parent}-01`,
    'x',
    `00-${trace}-${parent}-01-x`,
  ])('that is not valid is not taken: %s', async (traceparent) => {
    await send(reply, allow, { traceparent })
    const span = await toldOne()
    expect(span.traceId).not.toBe(trace)
    expect(span.parentSpanId).toBeUndefined()
  })
})

test('what is not sampled is not told, nor are its parts', async () => {
  ;({ telemetry } = await testTelemetry(collector.url, { sample: 0 }))
  await send(streaming(recorded))
  expect(await told()).toEqual([])
  expect(collector.requests).toEqual([])
})
