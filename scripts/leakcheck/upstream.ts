import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { Script } from './script.ts'

/** What the gateway takes for Anthropic's API: on loopback, and it says what the named script says. */
export type StandIn = {
  readonly url: string
  /** When the first delta of a request's reply was written (`performance.now()`), or its arrival if there is none. */
  readonly wrote: (request: string) => number | undefined
  readonly close: () => Promise<void>
}

const MOST_BODY_BYTES = 1024 * 1024

/** Stands in a prompt: gateways may drop headers, but not what was asked. @param request names one request, a–z. */
export const promptFor = (id: string, request: string): string => `leakcheck:${id}:${request}`
const asked = /leakcheck:([\w.-]+):([a-z]+)/

/** @param port 0: any that is free. @throws when the port is taken. */
export async function startStandIn(
  scripts: ReadonlyMap<string, Script>,
  port: number,
): Promise<StandIn> {
  const written = new Map<string, number>()
  const server = createServer((incoming, response) => {
    void answer(scripts, written, incoming, response).catch(() => response.destroy())
  })
  // Gateways keep connections open; a case must not meet one that is just being closed.
  server.keepAliveTimeout = 120_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    wrote: (request) => written.get(request),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  scripts: ReadonlyMap<string, Script>,
  written: Map<string, number>,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await bodyOf(incoming)
  const [path] = (incoming.url ?? '').split('?')
  if (incoming.method !== 'POST' || !path?.endsWith('/v1/messages'))
    return sendError(response, 404, `leakcheck: no ${incoming.method} ${path}`)
  const [, id = '', request = ''] = asked.exec(body) ?? []
  const script = scripts.get(id)
  if (!script) return sendError(response, 400, 'leakcheck: the prompt names no case')
  if (!/"stream"\s*:\s*true/.test(body))
    return sendError(response, 400, 'leakcheck: the request does not ask for a stream')
  written.set(request, performance.now())
  await play(script, response, () => written.set(request, performance.now()))
}

async function play(script: Script, response: ServerResponse, first: () => void): Promise<void> {
  const { bytes, writes, pause_ms, firstDelta = Number.POSITIVE_INFINITY } = script
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  })
  response.socket?.setNoDelay(true)
  let from = 0
  for (const end of writes) {
    if (response.destroyed) return
    if (from < firstDelta && end >= firstDelta) first()
    // Each write travels on its own, as it does from afar.
    response.write(bytes.subarray(from, end))
    await (pause_ms === 0 ? turn() : sleep(pause_ms))
    from = end
  }
  response.end()
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MOST_BODY_BYTES) throw new Error('the body is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function sendError(response: ServerResponse, status: number, message: string): void {
  const error = { type: 'invalid_request_error', message }
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error }))
}
