import { hash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a stand-in has to be sent, e.g. `{ header: 'authorization', value: 'Bearer …' }`. */
export type StandInCredential = { readonly header: string; readonly value: string }

/** A request as it arrived, for tests and the demo. */
export type Received = {
  readonly method: string
  readonly target: string
  /** Names in lower case, as sent, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

export type StandIn = {
  readonly url: string
  /** The last requests, oldest first. */
  readonly received: () => readonly Received[]
  readonly close: () => Promise<void>
}

export type StandInParts = {
  /** Said in every answer: `x-countersign-stand-in`. */
  readonly name: string
  /** Default: any. */
  readonly port?: number | undefined
  readonly credential: StandInCredential
  readonly answer: (request: Received, response: ServerResponse) => void | Promise<void>
  /** Answers a request without exactly the credential. */
  readonly turnAway: (response: ServerResponse) => void
}

const MOST_KEPT = 200
const MOST_BYTES = 64 * 1024 * 1024
/** Headers that carry credentials: none but the injected one may arrive. */
const credentialHeaders = ['authorization', 'proxy-authorization', 'x-api-key', 'cookie']

/** An upstream on loopback that stands in for a real one, says so, and takes nothing but the injected credential. */
export async function startStandIn(parts: StandInParts): Promise<StandIn> {
  const kept: Received[] = []
  const server = createServer((incoming, response) => {
    response.setHeader('x-countersign-stand-in', parts.name)
    void serve(parts, kept, incoming, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(parts.port ?? 0, '127.0.0.1', () => resolve())
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received: () => [...kept],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(
  parts: StandInParts,
  kept: Received[],
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const request = await receive(incoming)
  kept.push(request)
  if (kept.length > MOST_KEPT) kept.shift()
  if (isExactly(parts.credential, request)) await parts.answer(request, response)
  else parts.turnAway(response)
}

async function receive(incoming: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MOST_BYTES) throw new Error('the body is too long')
    chunks.push(chunk)
  }
  const { rawHeaders } = incoming
  const headers = rawHeaders.flatMap((name, i): [string, string][] =>
    i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? '']] : [],
  )
  return {
    method: incoming.method ?? '',
    target: incoming.url ?? '',
    headers,
    body: Buffer.concat(chunks).toString(),
  }
}

function isExactly({ header, value }: StandInCredential, request: Received): boolean {
  const sent = request.headers.filter(
    ([name]) => name === header || credentialHeaders.includes(name),
  )
  const [only, ...more] = sent
  const same = timingSafeEqual(
    hash('sha256', only?.[1] ?? '', 'buffer'),
    hash('sha256', value, 'buffer'),
  )
  return more.length === 0 && only?.[0] === header && same
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
