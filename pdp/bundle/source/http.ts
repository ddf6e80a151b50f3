import { setTimeout as sleep } from 'node:timers/promises'
import { BundleError } from '../errors.ts'
import { fetchedArchive, MOST_BUNDLE_BYTES } from './read.ts'
import type { BundleSource } from './source.ts'

export type HttpSourceOptions = {
  readonly name: string
  readonly url: URL
  /** Seconds between two requests: from `min_s` up to `max_s`, at random, so that many do not ask at once. */
  readonly polling: { readonly min_s: number; readonly max_s: number }
  /** Sent as `Authorization: Bearer`; read before each request. */
  readonly token?: () => Promise<string>
  readonly headers?: Readonly<Record<string, string>>
  readonly timeout_ms?: number
}

const TIMEOUT_MS = 30_000
/** Longest pause after failures. */
const MOST_BACKOFF_MS = 300_000

/** A bundle behind a URL, asked for with its ETag, as OPA's bundle service API has it. */
export function httpSource(options: HttpSourceOptions): BundleSource {
  const { name, url, polling, token, headers = {}, timeout_ms = TIMEOUT_MS } = options
  let etag: { readonly value: string; readonly digest: string } | undefined

  return {
    name,
    // Credentials may be in the user part or the query.
    where: `${url.protocol}//${url.host}${url.pathname}`,
    async read(known, signal) {
      const response = await request(
        known,
        AbortSignal.any([signal, AbortSignal.timeout(timeout_ms)]),
      )
      if (response.status === 304) {
        if (etag !== undefined && etag.digest === known) return 'unchanged'
        throw failed('answers 304 to a request without an ETag of ours')
      }
      if (response.status !== 200) throw failed(`answers ${response.status}`)
      const fetched = fetchedArchive(await bytesOf(response))
      const tag = response.headers.get('etag')
      etag = tag === null ? undefined : { value: tag, digest: fetched.digest }
      return fetched.digest === known ? 'unchanged' : fetched
    },
    async wait(signal, failures) {
      const { min_s, max_s } = polling
      const pause_ms = 1000 * (min_s + Math.random() * (max_s - min_s))
      const backoff_ms = Math.min(MOST_BACKOFF_MS, pause_ms * 2 ** Math.min(failures, 10))
      await sleep(failures === 0 ? pause_ms : backoff_ms, undefined, { signal, ref: false }).catch(
        () => undefined,
      )
    },
  }

  async function request(known: string | undefined, signal: AbortSignal): Promise<Response> {
    const sent = new Headers(headers)
    if (token) sent.set('authorization', `Bearer ${await token()}`)
    // What is running must be what the tag stands for: a version that was refused is fetched again.
    if (etag && etag.digest === known) sent.set('if-none-match', etag.value)
    try {
      // A redirect could lead the token, or the policy, elsewhere.
      return await fetch(url, { headers: sent, redirect: 'manual', signal })
    } catch (cause) {
      throw failed(reasonOf(cause), cause)
    }
  }

  async function bytesOf(response: Response): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    try {
      for await (const chunk of response.body ?? []) {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > MOST_BUNDLE_BYTES)
          throw new BundleError('BUNDLE_TOO_LARGE', `has more than ${MOST_BUNDLE_BYTES} bytes`)
      }
    } catch (cause) {
      if (cause instanceof BundleError) throw cause
      throw failed(`broke off (${reasonOf(cause)})`, cause)
    }
    return Buffer.concat(chunks)
  }

  function failed(why: string, cause?: unknown): BundleError {
    return new BundleError('BUNDLE_READ', `${url.host}${url.pathname} ${why}`, { cause })
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
