import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Enforcement } from '../../core/enforce.ts'
import { cut, declaredLength, type HttpExchange, readBody } from '../../core/exchange.ts'
import { forwardedHeaders, overridingHeader } from '../../core/headers.ts'
import { Findings } from '../../core/masks.ts'
import type { Refusal } from '../../core/refusal.ts'
import { type Described, describe, operationOf, preview } from './describe.ts'
import { forward } from './forward.ts'
import { maskBody } from './mask-body.ts'
import type { HttpParts } from './parts.ts'
import { refuse } from './refuse.ts'

/** Serves one request. Never rejects. */
export async function handle(parts: HttpParts, exchange: HttpExchange): Promise<void> {
  const { name, metrics, log } = parts
  try {
    const refusal = await serve(parts, exchange)
    if (!refusal) return
    metrics.refusals.inc({ connection: name, code: refusal.code })
    if (exchange.outgoing.headersSent) cut(exchange)
    else refuse(exchange, refusal)
  } catch (error) {
    // A defect: the client must not take what it has for the whole, and nothing raw follows.
    log('error', 'http.handle', { connection: name, error: String(error) })
    if (exchange.outgoing.headersSent) cut(exchange)
    else refuse(exchange, { code: 'internal', message: 'the enforcement point failed' })
  }
}

/** @returns why the request was refused or its answer cut; `undefined` when it was answered. */
async function serve(parts: HttpParts, exchange: HttpExchange): Promise<Refusal | undefined> {
  const active = await parts.gate.profile(exchange.signal)
  if (!active.ok) return active.error
  let { profile } = active.value
  const described = await read(parts, exchange, profile)
  if (!described.ok) return described.error
  // Before anyone is asked to approve what could not be sent.
  const credential = parts.credential.current()
  if (!credential.ok) return credential.error

  const findings = new Findings()
  const operation = operationOf(exchange, described.value, {
    max_wait_s: parts.limits.idle_timeout_s,
    prepare: (enforcement) =>
      prepare(parts, exchange, described.value, enforcement, profile, findings),
  })
  const admitted = await parts.gate.admit({
    ...operation,
    findings,
    extract: (current) => {
      profile = current
      return operation.extract(current)
    },
  })
  if (!admitted.ok) return admitted.error
  return forward({
    parts,
    exchange,
    described: described.value,
    permit: admitted.value,
    profile,
    findings,
  })
}

/** Reads what policy asks for, and refuses what nobody could look through. */
async function read(
  parts: HttpParts,
  exchange: HttpExchange,
  profile: ExtractionProfile,
): Promise<Result<Described, Refusal>> {
  const { incoming } = exchange
  const headers = forwardedHeaders(incoming.rawHeaders, {
    credentialHeader: parts.credential.header,
    // A range could split the credential over several answers.
    ranges: parts.credential.header === undefined,
  })
  const override = overridingHeader(headers)
  if (override !== undefined) {
    const message = `${override} would make the request another one than policy decides on`
    return err({ code: 'bad_request', message })
  }
  const declared = declaredLength(incoming)
  const whole = declared === 0 || profile.inspect_bodies.includes(parts.name)
  if (!whole && declared > parts.maxStreamBytes) {
    const message = `the body is larger than ${parts.maxStreamBytes} bytes`
    return err({ code: 'too_large', message })
  }
  const body = whole ? await readBody(exchange, parts.limits.body_bytes) : ok(undefined)
  if (!body.ok) return body
  const length = body.value?.length ?? declared
  const described = describe(parts.name, exchange, headers, body.value, length, parts.extraction)
  if (!described.ok) return described
  const seen = preview(described.value, profile)
  return seen.ok ? described : seen
}

/** The body to forward: the bytes that came, masked where policy asks for it; none when it streams. */
function prepare(
  parts: HttpParts,
  exchange: HttpExchange,
  { view }: Described,
  { mask_request, mask_response }: Enforcement,
  profile: ExtractionProfile,
  findings: Findings,
): Result<Uint8Array | undefined, Refusal> {
  const material = {
    customs: profile.custom_detectors,
    literals: [],
    session: exchange.caller.session.id,
  }
  try {
    // Compiled now: once the request is out, an answer that cannot be masked is lost.
    parts.masks.of(mask_response, material)
    if (mask_request.length === 0 || !view.body) return ok(view.body)
    return maskBody(parts.masks.of(mask_request, material), view, view.body, findings)
  } catch {
    const message = 'policy asks for a mask that is not known here'
    return err({ code: 'obligation_unsupported', message })
  }
}
