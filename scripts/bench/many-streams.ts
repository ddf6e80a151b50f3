import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSelf } from '../leakcheck/self.ts'
import { residentMb } from './gateway.ts'
import { remark, type Report } from './report.ts'

const STREAMS = 2000
/** Requests that are opened at once; the others follow. */
const AT_ONCE = 50
const EVENTS = 20
const WORDS = 'The reply of a model comes in small pieces, and ada@example.com is one of them. '

const sse = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const begin =
  sse('message_start', {
    message: {
      id: 'msg_bench',
      type: 'message',
      role: 'assistant',
      model: 'claude-bench',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    },
  }) + sse('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })
const piece = (text: string): string =>
  sse('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
const end =
  sse('content_block_stop', { index: 0 }) +
  sse('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 9 },
  }) +
  sse('message_stop', {})

/** Memory of the gateway, both services in one process, while 2,000 replies stream through it at once. */
export async function manyStreams(report: Report): Promise<void> {
  const open = new Set<ServerResponse>()
  const upstream = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(begin)
      open.add(response)
    })
  })
  await new Promise<void>((listening) => upstream.listen(0, '127.0.0.1', listening))
  const self = await startSelf(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
  try {
    remark(`stream: ${STREAMS} streams at once`)
    const rest = await residentMb(self.pid)
    const replies: Promise<string>[] = []
    while (replies.length < STREAMS) {
      while (replies.length < STREAMS && replies.length - open.size < AT_ONCE)
        replies.push(ask(self.target, self.token))
      await sleep(5)
    }
    while (open.size < STREAMS) await sleep(20)
    let most = await residentMb(self.pid)
    for (let event = 0; event < EVENTS; event += 1) {
      const cut = (event * 7) % WORDS.length
      for (const response of open) response.write(piece(WORDS.slice(cut) + WORDS.slice(0, cut)))
      await sleep(100)
      most = Math.max(most, await residentMb(self.pid))
    }
    for (const response of open) response.end(end)
    const bodies = await Promise.all(replies)
    const whole = bodies.filter((body) => body.includes('message_stop')).length
    const leaked = bodies.filter((body) => body.includes('ada@example.com')).length
    if (whole < STREAMS || leaked > 0)
      throw new Error(`of ${STREAMS} streams ${whole} came whole, ${leaked} unmasked`)
    const common = { suite: 'stream', unit: 'MB', lower_is_better: true }
    report({ ...common, metric: 'RSS at rest', ours: [rest] })
    report({ ...common, metric: `RSS with ${STREAMS} streams`, ours: [most], goal: 600 })
  } finally {
    await self.stop()
    upstream.closeAllConnections()
    upstream.close()
  }
}

function ask(target: URL, token: string): Promise<string> {
  const body = JSON.stringify({
    model: 'claude-bench',
    max_tokens: 100,
    stream: true,
    messages: [{ role: 'user', content: 'Go on.' }],
  })
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const asked = request(new URL(`${target.href}/v1/messages`), {
      method: 'POST',
      headers,
      agent: false,
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    asked.end(body)
  })
}
