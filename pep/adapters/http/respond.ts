import { cut, write } from '../../core/exchange.ts'
import { type Header, headerOf } from '../../core/headers.ts'
import type { Masking } from '../../core/masks.ts'
import type { Outcome } from '../../core/permit.ts'
import { Recording } from '../../core/recording.ts'
import type { Refusal } from '../../core/refusal.ts'
import { PepMaskError } from '../../mask/errors.ts'
import type { ByteMasker } from '../../mask/bytes.ts'
import { DecodeError, decoderOf } from '../../upstream/decode.ts'
import { refusalOf, type UpstreamResponse } from '../../upstream/upstream.ts'
import { recordedHeaders } from './describe.ts'
import { type Inspector, inspectorOf } from './inspector.ts'
import { finish, tooLate } from './outcome.ts'
import type { Handling } from './parts.ts'
import { clientHeaders, maskHeaders } from './return-headers.ts'

type Responding = Handling & {
  readonly masking: Masking
  readonly response: UpstreamResponse
  /** Ends when policy's `timeout_ms` is over. */
  readonly timeout: AbortSignal | undefined
}

type Answering = Responding & {
  readonly recording: Recording
  readonly inspector: Inspector
  readonly body: AsyncIterable<Buffer>
  /** What goes to the client; `altered`: whether the body differs. */
  readonly headers: (altered: boolean) => readonly Header[]
}

/** Answers whose declared length is at most this are read whole, and sent with their length. */
const WHOLE_BYTES = 64 * 1024
/** Most white space in front of a body of which it must be seen what it is. */
const MAX_BLANK = 64 * 1024

/**
 * Sends an answer to the client, masked. The outcome is on record before the client sees the end.
 * @returns a refusal when there is no answer, or when it must be cut; the caller does either.
 */
export async function respond(responding: Responding): Promise<Refusal | undefined> {
  const { response, masking, permit, exchange, parts } = responding
  const raw = response.headers
  const { active } = masking.mask
  const recording = new Recording({
    permit,
    redact: masking.mask.literalBytes(),
    // Without rules all that is taken out is the credential, from both.
    altering: masking.ruled,
    limit_bytes: parts.limits.recorded_bytes,
    now: parts.now,
  })
  // Not asked for, and nothing here undoes it: `gzip, chunked`.
  const coded = (headerOf(raw, 'transfer-encoding') ?? 'chunked').trim().toLowerCase() !== 'chunked'
  const decode = !active
    ? asItCame
    : coded
      ? undefined
      : decoderOf(headerOf(raw, 'content-encoding'))
  const place = { connection: parts.name, upstream: parts.upstream.url }
  const answering: Answering = {
    ...responding,
    recording,
    inspector: inspectorOf(raw, masking, permit.enforcement.limit),
    body: decode ? decode(response.body) : response.body,
    headers: (altered) =>
      maskHeaders(
        clientHeaders(raw, altered, place).filter(
          ([name]) => !active || name.toLowerCase() !== 'content-encoding',
        ),
        masking,
        responding.findings,
      ),
  }
  const bodiless = exchange.method === 'HEAD' || response.status === 204 || response.status === 304
  try {
    if (bodiless) return await withoutBody(answering)
    if (!decode) throw new Refused('it comes in an encoding that cannot be looked into')
    if (response.status === 206 && active) throw new Refused('it is only a part')
    const declared = headerOf(raw, 'content-length')
    checkSize(answering, Number(declared ?? 0))
    const short = declared !== undefined && Number(declared) <= WHOLE_BYTES
    const arrived = response.body.complete && response.trailers().length === 0
    return short || arrived ? await inOne(answering) : await streamed(answering)
  } catch (error) {
    response.abort()
    return broken(answering, error)
  }
}

const nothing = Buffer.alloc(0)
const asItCame = (body: AsyncIterable<Buffer>): AsyncIterable<Buffer> => body

/** An answer that policy, or what inspection can see, does not let pass. */
class Refused extends Error {}

function checkSize({ permit }: Answering, bytes: number): void {
  const { max_bytes } = permit.enforcement.limit
  if (max_bytes !== undefined && bytes > max_bytes)
    throw new Refused(`it is larger than ${max_bytes} bytes`)
}

/**
 * @param final whether the body ends here.
 * @returns `undefined` while it does not show yet what it is.
 * @throws {Refused} when a body that begins so must not pass.
 */
function maskerFor(
  { inspector }: Answering,
  start: Buffer,
  final: boolean,
): ByteMasker | undefined {
  if ('masker' in inspector) return inspector.masker
  const masker = 'refuses' in inspector ? inspector.refuses : inspector.byStart(start, final)
  if (typeof masker === 'string') throw new Refused(masker)
  if (masker === undefined && start.length > MAX_BLANK)
    throw new Refused('nobody can tell what it is')
  return masker
}

async function withoutBody(answering: Answering): Promise<Refusal | undefined> {
  const { exchange, response } = answering
  for await (const _ of response.body) {
    // Nothing comes, but its end.
  }
  const headers = answering.headers(answering.masking.mask.active)
  const unrecorded = await completed(answering, headers)
  if (unrecorded) return unrecorded
  exchange.outgoing.writeHead(response.status, headers.flat())
  exchange.outgoing.end()
  return undefined
}

/** Reads the whole answer before the client gets its head: it has a length, and keeps its `ETag` when unaltered. */
async function inOne(answering: Answering): Promise<Refusal | undefined> {
  const { exchange, response, recording, findings, masking } = answering
  const chunks: Buffer[] = []
  for await (const chunk of answering.body) {
    recording.received(chunk)
    checkSize(answering, recording.bytesIn)
    chunks.push(chunk)
    await recording.room()
  }
  const [first] = chunks
  const body = chunks.length === 1 && first ? first : Buffer.concat(chunks)
  let out = body
  if (body.length > 0) {
    const masker = maskerFor(answering, body, true)
    if (!masker) throw new Refused('nobody can tell what it is')
    const masked = masker.push(body)
    const rest = masker.end()
    out = rest.length === 0 ? masked : Buffer.concat([masked, rest])
    findings.add(masker.counts, masking.altering)
  }
  recording.delivered(out)
  const headers = answering.headers(!out.equals(body))
  const unrecorded = await completed(answering, headers)
  if (unrecorded) return unrecorded
  const list = headers.flat()
  list.push('content-length', String(out.length))
  exchange.outgoing.writeHead(response.status, list)
  exchange.outgoing.end(out)
  return undefined
}

async function streamed(answering: Answering): Promise<Refusal | undefined> {
  const { exchange, response, recording, findings, masking, inspector } = answering
  const { outgoing } = exchange
  const headers = answering.headers(masking.mask.active)
  const begin = (): void => {
    if (outgoing.headersSent) return
    outgoing.writeHead(response.status, headers.flat())
    outgoing.flushHeaders()
  }
  let masker = 'masker' in inspector ? inspector.masker : undefined
  if (masker) begin()
  let start: Buffer = nothing
  for await (const chunk of answering.body) {
    recording.received(chunk)
    checkSize(answering, recording.bytesIn)
    let bytes = chunk
    if (!masker) {
      bytes = start.length === 0 ? chunk : Buffer.concat([start, chunk])
      masker = maskerFor(answering, bytes, false)
      if (!masker) {
        start = bytes
        continue
      }
    }
    begin()
    const out = masker.push(bytes)
    recording.delivered(out)
    await recording.room()
    await write(exchange, out)
    if (exchange.signal.aborted) throw new Error('the client went away')
  }
  let tail: Buffer | undefined
  if (!masker && start.length > 0) {
    masker = maskerFor(answering, start, true)
    tail = masker?.push(start)
  }
  if (masker) {
    tail = Buffer.concat([tail ?? nothing, masker.end()])
    findings.add(masker.counts, masking.altering)
  }
  if (tail) recording.delivered(tail)
  const trailers = maskHeaders(
    clientHeaders(response.trailers(), true, {
      connection: answering.parts.name,
      upstream: answering.parts.upstream.url,
    }),
    masking,
    findings,
  )
  const unrecorded = await completed(answering, headers)
  if (unrecorded) return unrecorded
  begin()
  if (trailers.length > 0)
    outgoing.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]))
  outgoing.end(tail)
  return undefined
}

const completed = (
  answering: Answering,
  headers: readonly Header[],
): Promise<Refusal | undefined> => {
  const { recording, response } = answering
  return finish(answering, {
    result: 'completed',
    status: response.status,
    headers: recordedHeaders(headers),
    recording,
  })
}

/** Ends an answer that cannot go on: the outcome is recorded, and nothing more of it is sent. */
async function broken(answering: Answering, error: unknown): Promise<Refusal> {
  const { exchange, response, recording, timeout, permit, parts } = answering
  const decision_id = permit.decision.id
  const status = response.status
  const end = async (result: Outcome['result'], refusal: Refusal): Promise<Refusal> => {
    if (exchange.outgoing.headersSent) cut(exchange)
    const unrecorded = await finish(answering, { result, reason: refusal.code, status, recording })
    return unrecorded ?? { ...refusal, decision_id }
  }
  if (exchange.signal.aborted)
    return end('aborted', { code: 'client_gone', message: 'the client went away' })
  if (timeout?.aborted) return end('cut', tooLate)
  if (error instanceof Refused || error instanceof DecodeError || error instanceof PepMaskError) {
    parts.metrics.cut.inc({ connection: parts.name })
    const message = `the answer cannot pass: ${error.message}`
    return end('cut', { code: 'response_refused', message })
  }
  parts.log('warn', 'upstream.broken', { connection: parts.name, operation: permit.operation.id })
  return end('failed', refusalOf(error))
}
