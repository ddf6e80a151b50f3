import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

/** What came back for one request, as bytes and when. */
export type Answer = {
  /** 0: there was no answer. */
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
  /** When the body was how long, `performance.now()`. */
  readonly arrivals: readonly { readonly bytes: number; readonly at_ms: number }[]
  /** Why it is not whole. */
  readonly failure?: string
}

export type Client = {
  /** Asks for a streamed reply. Never throws: what failed is part of the answer. */
  readonly ask: (prompt: string) => Promise<Answer>
  readonly close: () => void
}

export type ClientOptions = {
  /** Base of the gateway; `/v1/messages` is below. */
  readonly target: URL
  readonly headers: Readonly<Record<string, string>>
  readonly model: string
  /** Longest time for one reply, ms. */
  readonly timeout_ms: number
}

/** The tools of the replies are offered, since gateways may refuse a call of one that was not. */
const tools = ['lookup', 'no_arguments', 'mcp__issue-tracker__create_issue'].map((name) => ({
  name,
  description: 'A tool of the suite.',
  input_schema: { type: 'object' },
}))

export function createClient({ target, headers, model, timeout_ms }: ClientOptions): Client {
  const secure = target.protocol === 'https:'
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  const url = new URL(target)
  url.pathname = `${target.pathname.replace(/\/+$/, '')}/v1/messages`
  const send = secure ? httpsRequest : httpRequest

  const once = (body: string): Promise<Answer> =>
    new Promise((resolve) => {
      const failed = (error: Error): void => resolve({ ...nothing, failure: failureOf(error) })
      const outgoing = send(url, {
        method: 'POST',
        agent,
        signal: AbortSignal.timeout(timeout_ms),
        headers: {
          'content-type': 'application/json',
          'anthropic-version': '2023-06-01',
          accept: 'text/event-stream',
          'accept-encoding': 'identity',
          ...headers,
          'content-length': Buffer.byteLength(body),
        },
      })
      outgoing.on('error', failed)
      outgoing.on('response', (incoming) => void read(incoming).then(resolve, failed))
      outgoing.end(body)
    })

  return {
    ask: (prompt) =>
      once(
        JSON.stringify({
          model,
          max_tokens: 1024,
          stream: true,
          messages: [{ role: 'user', content: prompt }],
          tools,
        }),
      ),
    close: () => agent.destroy(),
  }
}

const nothing: Answer = { status: 0, contentType: '', body: Buffer.alloc(0), arrivals: [] }

async function read(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  const arrivals: { bytes: number; at_ms: number }[] = []
  let bytes = 0
  let failure: string | undefined
  try {
    for await (const chunk of decoded(incoming) as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      arrivals.push({ bytes, at_ms: performance.now() })
    }
  } catch (error) {
    // What came before is judged all the same.
    failure = failureOf(error as Error)
  }
  return {
    status: incoming.statusCode ?? 0,
    contentType: incoming.headers['content-type'] ?? '',
    body: Buffer.concat(chunks),
    arrivals,
    ...(failure !== undefined && { failure }),
  }
}

/** Some gateways compress whatever was asked for. */
function decoded(incoming: IncomingMessage): Readable {
  const make = decoders[incoming.headers['content-encoding'] ?? '']
  if (!make) return incoming
  const decoder = make()
  incoming.on('error', (error) => decoder.destroy(error))
  return incoming.pipe(decoder)
}

const decoders: Readonly<Record<string, () => ReturnType<typeof createGunzip>>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

function failureOf(error: Error): string {
  if (error.name === 'TimeoutError') return 'it did not end in time'
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' ? 'the connection broke' : (code ?? error.message)
}

/** When the byte at `end` had arrived. */
export const arrivalOf = ({ arrivals }: Answer, end: number): number | undefined =>
  arrivals.find(({ bytes }) => bytes >= end)?.at_ms
