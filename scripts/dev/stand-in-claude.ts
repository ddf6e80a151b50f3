import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { type MessagesBody, type Reply, replyTo } from './stand-in-replies.ts'
import {
  type Received,
  sendJson,
  type StandIn,
  type StandInCredential,
  startStandIn,
} from './stand-in-server.ts'

/*
 * A stand-in for Claude's API on loopback, for a machine without an API key. It thinks nothing: words in the last
 * user message choose what it says, in JSON and as a stream.
 *
 *   words       reply
 *   echo        everything it was sent: method, headers, body
 *   contact     an e-mail address and a social security number, each split over deltas
 *   clean up    a Bash call: rm -fr /tmp/countersign-example     (only when the request offers Bash)
 *   push        a Bash call: git push origin main                (only when the request offers Bash)
 *   list        a Bash call: ls                                  (only when the request offers Bash)
 *   (others)    a greeting
 *
 * After a tool_result it ends its turn. Without exactly the injected credential it answers 401 as the API does.
 */

export type StandInClaudeOptions = {
  readonly port?: number
  readonly credential: StandInCredential
}

export function startStandInClaude({ port, credential }: StandInClaudeOptions): Promise<StandIn> {
  return startStandIn({
    name: 'claude',
    port,
    credential,
    answer,
    turnAway: (response) =>
      sendError(response, 401, 'authentication_error', 'stand-in: invalid credential'),
  })
}

async function answer(request: Received, response: ServerResponse): Promise<void> {
  response.setHeader('request-id', `req_standin_${randomBytes(8).toString('hex')}`)
  const [path = ''] = request.target.split('?')
  const route = `${request.method} ${path}`
  if (route === 'GET /v1/models') return listModels(response)
  if (route.startsWith('GET /v1/models/')) return getModel(path.slice(11), response)
  if (route !== 'POST /v1/messages' && route !== 'POST /v1/messages/count_tokens') {
    return sendError(response, 404, 'not_found_error', `stand-in: no ${route}`)
  }
  const body = parse(request)
  if (typeof body === 'string') return sendError(response, 400, 'invalid_request_error', body)
  const input_tokens = Math.ceil(request.body.length / 4)
  if (path.endsWith('/count_tokens')) return sendJson(response, 200, { input_tokens })
  const reply = replyTo(body, () => JSON.stringify(request))
  const message = messageOf(body.model, input_tokens)
  if (body.stream === true) await stream(response, message, reply)
  else {
    const { stop_reason, usage } = endOf(message, reply)
    sendJson(response, 200, { ...message, content: contentOf(reply), stop_reason, usage })
  }
}

/** @returns what is wrong with it, as a string. */
function parse({ headers, body }: Received): MessagesBody | string {
  if (!headers.some(([name]) => name === 'anthropic-version')) {
    return 'stand-in: anthropic-version: header is required'
  }
  let value: Partial<MessagesBody>
  try {
    value = JSON.parse(body) as Partial<MessagesBody>
  } catch {
    return 'stand-in: the body is not JSON'
  }
  if (typeof value?.model !== 'string') return 'stand-in: model: field required'
  if (!Array.isArray(value.messages) || value.messages.length === 0) {
    return 'stand-in: messages: at least one message is required'
  }
  return value as MessagesBody
}

const messageOf = (model: string, input_tokens: number) => ({
  id: `msg_standin_${randomBytes(8).toString('hex')}`,
  type: 'message',
  role: 'assistant',
  model,
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: {
    input_tokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 1,
  },
})
type Message = ReturnType<typeof messageOf>

const toolUseId = (): string => `toolu_standin_${randomBytes(8).toString('hex')}`

const contentOf = (reply: Reply): object[] =>
  reply.map((block) =>
    block.type === 'text'
      ? { type: 'text', text: block.pieces.join('') }
      : { ...block, id: toolUseId() },
  )

const endOf = (message: Message, reply: Reply) => ({
  stop_reason: reply.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn',
  usage: { ...message.usage, output_tokens: Math.ceil(JSON.stringify(reply).length / 4) },
})

async function stream(response: ServerResponse, message: Message, reply: Reply): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const send = async (type: string, fields: object): Promise<void> => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
    await turn() // each event travels on its own, as it does from afar
  }
  await send('message_start', { message })
  for (const [index, block] of reply.entries()) {
    const content_block =
      block.type === 'text'
        ? { type: 'text', text: '' }
        : { type: 'tool_use', id: toolUseId(), name: block.name, input: {} }
    await send('content_block_start', { index, content_block })
    if (index === 0) await send('ping', {})
    for (const delta of deltasOf(block)) await send('content_block_delta', { index, delta })
    await send('content_block_stop', { index })
  }
  const { stop_reason, usage } = endOf(message, reply)
  const { output_tokens } = usage
  await send('message_delta', {
    delta: { stop_reason, stop_sequence: null },
    usage: { output_tokens },
  })
  await send('message_stop', {})
  response.end()
}

const deltasOf = (block: Reply[number]): object[] =>
  block.type === 'text'
    ? block.pieces.map((text) => ({ type: 'text_delta', text }))
    : ['', ...(JSON.stringify(block.input).match(/.{1,16}/gs) ?? [])].map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      }))

const models = ['claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5-5'].map((id) => ({
  type: 'model',
  id,
  display_name: `Stand-in for ${id}`,
  created_at: '2025-09-29T00:00:00Z',
}))

function listModels(response: ServerResponse): void {
  const [first, last] = [models.at(0), models.at(-1)]
  const page = { has_more: false, first_id: first?.id ?? null, last_id: last?.id ?? null }
  sendJson(response, 200, { data: models, ...page })
}

function getModel(path: string, response: ServerResponse): void {
  const id = path.slice(path.lastIndexOf('/') + 1)
  const found = models.find((model) => model.id === id)
  if (found) sendJson(response, 200, found)
  else sendError(response, 404, 'not_found_error', `stand-in: model: ${id}`)
}

function sendError(response: ServerResponse, status: number, type: string, message: string): void {
  sendJson(response, status, { type: 'error', error: { type, message } })
}
