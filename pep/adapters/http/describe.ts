import { hash, randomUUID } from 'node:crypto'
import { type CanonicalAction, canonicalBody } from '../../../pdp/contract/action.ts'
import type { OperationId } from '../../../pdp/contract/brand.ts'
import type { Facts } from '../../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { HttpExchange } from '../../core/exchange.ts'
import { type Header, headerOf } from '../../core/headers.ts'
import type { Operation } from '../../core/operation.ts'
import type { Refusal } from '../../core/refusal.ts'
import { targetParts } from '../../core/target.ts'
import { BodyError, type HttpExtraction, type HttpView } from '../../facts/http.ts'
import { PepMaskError } from '../../mask/errors.ts'

/** A request, read as far as policy asks for it. */
export type Described = {
  readonly view: HttpView
  readonly headers: readonly Header[]
  /** Facts under a profile; see `HttpExtraction`. */
  readonly facts: (profile: ExtractionProfile) => Facts
}

/**
 * Describes a request.
 * @param headers as they are forwarded.
 * @param body whole, or absent when it streams.
 * @param length bytes of the body, -1 when it is not declared.
 */
export function describe(
  connection: string,
  exchange: Pick<HttpExchange, 'method' | 'target'>,
  headers: readonly Header[],
  body: Buffer | undefined,
  length: number,
  extraction: HttpExtraction,
): Result<Described, Refusal> {
  const parts = targetParts(exchange.target)
  if (!parts.ok) return parts
  // As the upstream gets them: `Connection: content-type` would take away what is looked at here.
  const forwarded = headers.flat()
  const encoding = headerOf(forwarded, 'content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (body && body.length > 0 && encoding !== 'identity') {
    return bad('policy looks into this body: send it without a content-encoding')
  }
  const said = (headerOf(forwarded, 'content-type') ?? '').toLowerCase()
  const [type = '', ...parameters] = said.split(';')
  // Some servers stop at a comma or a blank, and so read another type than policy would.
  if (length !== 0 && said !== '' && !mediaType.test(type.trim())) {
    return bad('the content-type is not one media type')
  }
  if (body && body.length > 0 && !isUtf8(parameters)) {
    return bad('policy looks into this body: send it as UTF-8')
  }
  const content_type = type.trim() === '' ? undefined : type.trim()
  const { path, segments, query, incomplete } = parts.value
  const { method } = exchange
  const view = {
    connection,
    method,
    path,
    segments,
    query,
    content_type,
    body_bytes: length,
    body,
    incomplete,
  }
  return ok({ view, headers, facts: factsOnce(view, extraction) })
}

const bad = (message: string): Result<never, Refusal> => err({ code: 'bad_request', message })

/** RFC 9110 §8.3.1, lower case. */
const mediaType = /^[a-z0-9!#$%&'*+.^_`|~-]+\/[a-z0-9!#$%&'*+.^_`|~-]+$/

/**
 * Text in another character set would not be seen for what it is. Lenient readers take `charset =` and `charset*=`
 * (RFC 2231) for one as well.
 * @param parameters of a media type, lower case.
 */
export const isUtf8 = (parameters: readonly string[]): boolean =>
  parameters
    .map((parameter) => parameter.trim())
    .filter((parameter) => parameter.startsWith('charset'))
    .every((parameter) => /^charset="?(?:utf-?8|us-ascii)"?$/.test(parameter))

/** The gate asks for facts again after `preview`; they are the same under the same profile. */
function factsOnce(view: HttpView, extraction: HttpExtraction): Described['facts'] {
  let made: { readonly profile: ExtractionProfile; readonly facts: Facts } | undefined
  return (profile) => {
    if (made?.profile !== profile) made = { profile, facts: extraction(profile, view) }
    return made.facts
  }
}

/** Extracts facts a first time, where what is wrong with the body can still be said to the client. */
export function preview(
  described: Described,
  profile: ExtractionProfile,
): Result<undefined, Refusal> {
  try {
    described.facts(profile)
    return ok(undefined)
  } catch (error) {
    if (error instanceof BodyError) return bad(`the body cannot be inspected: ${error.message}`)
    if (error instanceof PepMaskError) {
      const message = 'policy asks for facts that cannot be extracted here'
      return err({ code: 'obligation_unsupported', message })
    }
    throw error
  }
}

/** The operation of one request. */
export function operationOf(
  exchange: HttpExchange,
  described: Described,
  more: Pick<Operation, 'prepare' | 'max_wait_s'>,
): Operation {
  const { caller, method, target, signal } = exchange
  const { view, headers } = described
  const { body, connection } = view
  return {
    id: randomUUID() as string as OperationId,
    caller,
    connection,
    action: { name: 'http.request' },
    resource: {
      type: 'http.path',
      id: view.path,
      properties: { connection, kind: 'http' },
    },
    extract: described.facts,
    canonical: () => body && canonical(connection, method, target, headers, body),
    exchange: {
      method,
      target,
      headers: recordedHeaders(headers),
      body_bytes: view.body_bytes,
      ...(body && body.length > 0 && { body, body_sha256: hash('sha256', body, 'hex') }),
    },
    keeps: {
      mask_request: body !== undefined,
      mask_response: true,
      mask_columns: false,
      restore: 'nowhere',
      limits: ['max_bytes', 'content_types', 'timeout_ms'],
    },
    forwards: true,
    signal,
    ...more,
  }
}

/** They differ from try to try and change nothing of what is done. */
const tracing: ReadonlySet<string> = new Set([
  'traceparent',
  'tracestate',
  'baggage',
  'b3',
  'x-request-id',
  'x-correlation-id',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
  'x-session-id',
  'date',
])

function canonical(
  connection: string,
  method: string,
  target: string,
  headers: readonly Header[],
  body: Buffer,
): CanonicalAction {
  const covered = recordedHeaders(headers)
    .filter(([name]) => !tracing.has(name) && !name.startsWith('x-b3-'))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return {
    type: 'http.request',
    connection,
    method,
    target,
    headers: covered,
    body: canonicalBody(body),
  }
}

/** Cookies open sessions: what is kept of them only tells whether they are the same. */
const cookies: ReadonlySet<string> = new Set(['cookie', 'set-cookie'])

/** Headers as they may be kept on record. */
export const recordedHeaders = (headers: readonly Header[]): [string, string][] =>
  headers.map(([name, value]) =>
    cookies.has(name.toLowerCase())
      ? [name, `sha256:${hash('sha256', value, 'hex')}`]
      : [name, value],
  )
