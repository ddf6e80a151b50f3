import { createHash } from 'node:crypto'
import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Enforcement } from '../../core/enforce.ts'
import { answer, type Arrival, cut, type HttpExchange, readBody } from '../../core/exchange.ts'
import { forwardedHeaders, type Header, overridingHeader } from '../../core/headers.ts'
import { Findings } from '../../core/masks.ts'
import type { Operation } from '../../core/operation.ts'
import type { Permit } from '../../core/permit.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { AnthropicFacts, Facts } from '../../../pdp/contract/facts.ts'
import {
  betasOf,
  messagesOperation,
  modelsOperation,
  type OperationParts,
  type ParsedMessages,
  parseMessages,
} from './describe.ts'
import type { AnthropicParts } from './parts.ts'
import { messageCuts } from './message-cuts.ts'
import { refusalAnswer } from './refuse.ts'
import { maskRequest } from './request-mask.ts'
import { respond } from './respond.ts'
import { type Route, routeOf } from './route.ts'

/** Serves one request of the Messages API. Never rejects. */
export async function handle(parts: AnthropicParts, exchange: HttpExchange): Promise<void> {
  const { metrics, name: connection } = parts
  try {
    const refusal = await serve(parts, exchange)
    if (refusal) refuse(parts, exchange, refusal)
  } catch (error) {
    // A defect, or a record that cannot be written: the client must not take what it has for the whole.
    if (!exchange.signal.aborted) metrics.cut.inc({ connection })
    parts.log('error', 'anthropic.handle', { connection, error: String(error) })
    cut(exchange)
  }
}

/** Answers in the shape of the API's errors; for requests that never came to `handle` as well. */
export function refuse(
  { metrics, name: connection }: Pick<AnthropicParts, 'metrics' | 'name'>,
  arrival: Arrival,
  refusal: Refusal,
): void {
  metrics.refusals.inc({ connection, code: refusal.code })
  const { status, headers, body } = refusalAnswer(refusal)
  answer(arrival, status, Object.entries(headers), body)
}

async function serve(parts: AnthropicParts, exchange: HttpExchange): Promise<Refusal | undefined> {
  const route = routeOf(exchange.method, exchange.target)
  if (!route) {
    const message = 'only /v1/messages, /v1/messages/count_tokens and /v1/models are served here'
    return { code: 'unknown_connection', message }
  }
  const asked = await read(parts, route, exchange)
  if (!asked.ok) return asked.error
  const findings = new Findings()
  let profile: ExtractionProfile | undefined
  let facts: Facts | undefined
  const described = describe(parts, exchange, route, asked.value)
  const admitted = await parts.gate.admit({
    ...described,
    findings,
    extract(current) {
      profile = current
      facts = described.extract(current)
      return facts
    },
    prepare: (enforcement) =>
      prepare(parts, described, asked.value, enforcement, profile, findings),
  })
  if (!admitted.ok) return admitted.error
  countUnknown(parts, facts?.anthropic)
  return forward(parts, exchange, route, asked.value, admitted.value, findings, profile)
}

async function forward(
  parts: AnthropicParts,
  exchange: HttpExchange,
  route: Route,
  { headers }: Asked,
  permit: Permit,
  findings: Findings,
  profile: ExtractionProfile | undefined,
): Promise<Refusal | undefined> {
  const { method, signal } = exchange
  const credential = parts.credential.current()
  const response = credential.ok
    ? await parts.upstream.forward(permit, {
        method,
        target: route.target,
        headers,
        credential: credential.value,
        signal,
      })
    : credential
  if (!response.ok) {
    await permit.close({ ...nothing, result: 'failed', reason: response.error.code })
    return { ...response.error, decision_id: permit.decision.id }
  }
  const literals = (credential.ok ? credential.value?.literals : undefined) ?? []
  return respond({ parts, exchange, route, permit, findings, profile }, response.value, literals)
}

const nothing = { bytes_in: 0, bytes_out: 0, masked: {}, observed: {} }

/** A request as it may be forwarded. */
type Asked = {
  readonly headers: readonly Header[]
  readonly body: Buffer
  readonly parsed?: ParsedMessages
}

async function read(
  { credential, limits }: AnthropicParts,
  route: Route,
  exchange: HttpExchange,
): Promise<Result<Asked, Refusal>> {
  const headers = forwardedHeaders(exchange.incoming.rawHeaders, {
    credentialHeader: credential.header,
    ranges: false,
  })
  const override = overridingHeader(headers)
  if (override !== undefined) return bad(`the header ${override} asks for another request`)
  const encoding = exchange.incoming.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    return bad('an encoded body cannot be inspected')
  const body = await readBody(exchange, limits.body_bytes)
  if (!body.ok) return body
  if (route.action.startsWith('anthropic.models')) {
    return body.value.length > 0 ? bad('a GET has no body here') : ok({ headers, body: body.value })
  }
  const parsed = parseMessages(body.value)
  return parsed.ok ? ok({ headers, body: body.value, parsed: parsed.value }) : parsed
}

const bad = (message: string): Result<never, Refusal> => err({ code: 'bad_request', message })

function describe(
  parts: AnthropicParts,
  { method, caller, signal }: HttpExchange,
  route: Route,
  { headers, body, parsed }: Asked,
): Operation {
  const about: OperationParts = {
    caller,
    connection: parts.name,
    signal,
    extraction: parts.extraction,
    betas: betasOf(headers),
    exchange: {
      method,
      target: route.target,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      body_bytes: body.length,
      body_sha256: createHash('sha256').update(body).digest('hex'),
      body,
    },
  }
  return parsed
    ? { ...messagesOperation(route, parsed, about), cuts: messageCuts }
    : modelsOperation(route, about)
}

/** The body to forward: the bytes that came, with text masked in place where policy asks for it. */
function prepare(
  { masks }: AnthropicParts,
  operation: Operation,
  { body, parsed }: Asked,
  { mask_request, mask_response }: Enforcement,
  profile: ExtractionProfile | undefined,
  findings: Findings,
): Result<Uint8Array, Refusal> {
  if ([...mask_request, ...mask_response].some((rule) => rule.fields !== undefined)) {
    // A path says nothing about text that streams in blocks; left out, it would mask nothing.
    const message = 'policy asks to mask fields by path, which cannot be done in messages'
    return err({ code: 'obligation_unsupported', message })
  }
  if (mask_request.length === 0 || !parsed) return ok(body)
  const masking = masks.of(mask_request, {
    customs: profile?.custom_detectors ?? [],
    literals: [],
    session: operation.caller.session.id,
  })
  const masked = maskRequest(masking, findings, parsed.text, parsed.request)
  if (!masked.ok) return masked
  return ok(masked.value === parsed.text ? body : Buffer.from(masked.value))
}

/** Fields, blocks and betas that pass though nothing here knows them. */
function countUnknown(
  { metrics, name: connection }: AnthropicParts,
  facts: AnthropicFacts | undefined,
): void {
  for (const kind of ['unknown_fields', 'unknown_blocks', 'betas'] as const) {
    const count = facts?.[kind].length ?? 0
    if (count > 0) metrics.unknown.inc({ connection, kind }, count)
  }
}
