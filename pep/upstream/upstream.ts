import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Dispatcher, Pool } from 'undici'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Header, RawHeaders } from '../core/headers.ts'
import type { Permit } from '../core/permit.ts'
import type { Refusal } from '../core/refusal.ts'
import type { Injected } from '../credentials/credential.ts'
import { ResponseBody } from './body.ts'

export type UpstreamOptions = {
  /** Origin and base path; requests go below it. */
  readonly url: URL
  readonly connect_timeout_ms: number
  /** Longest silence of the upstream, before its head and within its body. */
  readonly idle_timeout_ms: number
  /** Certificates that are trusted instead of the system's, PEM. */
  readonly ca?: string | undefined
}

export type UpstreamRequest = {
  readonly method: string
  /** Path and query, below the base path. */
  readonly target: string
  /** Names in lower case, without hop-by-hop headers; framing is made here. */
  readonly headers: readonly Header[]
  /** Replaces `permit.body`, for a body that streams. `length`: as declared, -1 when it is not. */
  readonly stream?: { readonly chunks: AsyncIterable<Uint8Array>; readonly length: number }
  readonly credential: Injected | undefined
  readonly signal: AbortSignal
}

/** The head of an answer, and its body as it comes. */
export type UpstreamResponse = {
  readonly status: number
  readonly headers: RawHeaders
  /** Iterate it once; it throws an `UpstreamError` when the upstream dies or is silent too long. */
  readonly body: ResponseBody
  /** Known once the body has ended. */
  readonly trailers: () => RawHeaders
  /** Stops the upstream. */
  readonly abort: () => void
}

/** One service behind a connection. */
export type Upstream = {
  readonly url: URL
  /**
   * Sends what a permit allows, with the credential, and waits for the head of the answer. Redirects are not
   * followed and nothing is sent twice.
   */
  readonly forward: (
    permit: Permit,
    request: UpstreamRequest,
  ) => Promise<Result<UpstreamResponse, Refusal>>
  /** Opens a connection and closes it again; for `doctor`. @returns what is wrong, or `undefined`. */
  readonly probe: () => Promise<string | undefined>
  readonly close: () => Promise<void>
}

export function createUpstream(options: UpstreamOptions): Upstream {
  const { url } = options
  const base = url.pathname.replace(/\/$/, '')
  const pool = new Pool(url.origin, {
    connections: null,
    pipelining: 1,
    allowH2: false,
    headersTimeout: options.idle_timeout_ms,
    bodyTimeout: options.idle_timeout_ms,
    connect: {
      timeout: options.connect_timeout_ms,
      rejectUnauthorized: true,
      ...(options.ca !== undefined && { ca: options.ca }),
    },
  })

  return {
    url,
    forward: (permit, request) => forward(pool, url, base, permit, request),
    probe: () => probe(options),
    close: () => pool.destroy(),
  }
}

/** Methods whose requests have a length even when they have no body. */
const lengthWithoutBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

function forward(
  pool: Pool,
  url: URL,
  base: string,
  permit: Permit,
  request: UpstreamRequest,
): Promise<Result<UpstreamResponse, Refusal>> {
  const { credential, stream, signal } = request
  const headers = ['host', url.host]
  for (const [name, value] of request.headers) headers.push(name, value)
  // What is not compressed needs no decoding before it is inspected.
  headers.push('accept-encoding', 'identity')
  if (credential) headers.push(credential.header, credential.value)
  let body: Dispatcher.DispatchOptions['body'] = null
  if (stream) {
    if (stream.length >= 0) headers.push('content-length', String(stream.length))
    // undici takes any iterable, which its types do not say.
    body = stream.chunks as unknown as NonNullable<Dispatcher.DispatchOptions['body']>
  } else if (permit.body && permit.body.length > 0) {
    body = permit.body
    headers.push('content-length', String(permit.body.length))
  } else if (lengthWithoutBody.has(request.method)) headers.push('content-length', '0')

  return new Promise((resolve) => {
    if (signal.aborted) return resolve(err(gone))
    const answer = new ResponseBody()
    let head = false
    let abort: () => void = () => {}
    const onAbort = (): void => abort()
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    try {
      pool.dispatch(
        { path: base + request.target, method: request.method, headers, body },
        {
          onRequestStart(controller) {
            abort = () => controller.abort(new Error('the client went away'))
            answer.flow = controller
            if (signal.aborted) abort()
          },
          onResponseStart(controller, status) {
            if (status < 200) return // interim answers are the upstream's business with us
            head = true
            resolve(
              ok({
                status,
                headers: decodeRaw(controller.rawHeaders),
                body: answer,
                trailers: () => decodeRaw(controller.rawTrailers),
                abort: () => controller.abort(new Error('no longer wanted')),
              }),
            )
          },
          onResponseData: (_controller, chunk) => answer.push(chunk),
          onResponseEnd() {
            settle()
            answer.finish()
          },
          onResponseError(_controller, error) {
            settle()
            if (head) answer.fail(error)
            else resolve(err(signal.aborted ? gone : refusalOf(error)))
          },
        },
      )
    } catch (error) {
      // A request that undici does not accept was not sent.
      return resolve(err(refusalOf(error)))
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

const gone: Refusal = { code: 'client_gone', message: 'the client went away' }

function decodeRaw(raw: unknown): RawHeaders {
  if (!Array.isArray(raw)) return []
  return raw.map((part: Buffer | string) =>
    typeof part === 'string' ? part : part.toString('latin1'),
  )
}

const timeouts: ReadonlySet<unknown> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])

/** What went wrong, without the error's own text, which may quote what was sent. */
export function refusalOf(error: unknown): Refusal {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return timeouts.has(code)
    ? { code: 'upstream_timeout', message: `the upstream did not answer in time (${code})` }
    : { code: 'upstream_unavailable', message: `the upstream failed (${code})` }
}

function probe({ url, connect_timeout_ms, ca }: UpstreamOptions): Promise<string | undefined> {
  const tls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (tls ? 443 : 80))
  return new Promise((resolve) => {
    const socket = tls
      ? connectTls({ host, port, servername: host, ...(ca !== undefined && { ca }) })
      : connectTcp({ host, port })
    const done = (problem?: string): void => {
      socket.destroy()
      resolve(problem)
    }
    socket.setTimeout(connect_timeout_ms, () => done('no answer in time'))
    socket.once(tls ? 'secureConnect' : 'connect', () => done())
    socket.once('error', (error) => done(error.message))
  })
}
