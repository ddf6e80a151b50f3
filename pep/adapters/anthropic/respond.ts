import { cut, write } from '../../core/exchange.ts'
import { type Header, headerOf, type RawHeaders, returnedHeaders } from '../../core/headers.ts'
import type { Outcome } from '../../core/permit.ts'
import type { Refusal } from '../../core/refusal.ts'
import { parseStrict } from '../../facts/json-text.ts'
import { decoderOf } from '../../upstream/decode.ts'
import type { UpstreamResponse } from '../../upstream/upstream.ts'
import type { Handling } from './parts.ts'
import { Recording } from './recording.ts'
import {
  type MaskingParts,
  maskJson,
  maskStrings,
  maskText,
  redactLiterals,
  ReplyCut,
  type ReplyParts,
} from './reply.ts'
import { inspectJson } from './reply-json.ts'
import { createReplyStream } from './reply-stream.ts'
import { replyTold } from './told.ts'
import { createToolAdmission } from './tool-use.ts'

/** One answer on its way to the client. */
type Answering = Handling & {
  readonly status: number
  readonly headers: readonly Header[]
  /** Decoded. */
  readonly body: AsyncIterable<Buffer>
  readonly reply: ReplyParts
  readonly recording: Recording
  /** Puts the outcome on record; the first counts. @throws {PepError} when it is not on disk. */
  readonly close: (outcome: Pick<Outcome, 'result' | 'reason'>) => Promise<void>
}

/**
 * Sends an answer to the client, inspected.
 * @param literals the credential that was injected.
 * @returns a refusal when nothing of the answer was sent; the caller sends that.
 * @throws when the outcome cannot be recorded, or the answer breaks off: break the connection off.
 */
export async function respond(
  handling: Handling,
  response: UpstreamResponse,
  literals: readonly string[],
): Promise<Refusal | undefined> {
  const { permit, findings, exchange, parts } = handling
  const { enforcement, operation } = permit
  const material = {
    customs: handling.profile?.custom_detectors ?? [],
    literals,
    session: operation.caller.session.id,
  }
  const masking = parts.masks.of(enforcement.mask_response, material)
  const restorer = parts.masks.restoring(enforcement.mask_request, material.session)
  const admit = createToolAdmission({
    gate: parts.gate,
    extraction: parts.extraction,
    caller: operation.caller,
    connection: operation.connection,
    parent_id: operation.id,
    rules: enforcement.mask_response,
    masks: parts.masks,
    restorer,
    material,
    findings,
    signal: exchange.signal,
  })
  const counted: ReplyParts['admit'] = async (call, heartbeat) => {
    const admitted = await admit(call, heartbeat)
    const code = admitted.ok ? undefined : admitted.error.code
    if (code !== undefined) parts.metrics.refusals.inc({ connection: parts.name, code })
    return admitted
  }
  const { telemetry } = parts
  const observe = telemetry && replyTold(masking, (told) => telemetry.replied(operation.id, told))
  const reply: ReplyParts = {
    ...masking,
    findings,
    restorer,
    admit: counted,
    ...(observe && { observe }),
  }
  const decode = decoderOf(headerOf(response.headers, 'content-encoding'))
  const recording = new Recording(enforcement.record_body, masking.mask.literalBytes())
  const headers = headersOut(reply, response.headers)
  const answering: Answering = {
    ...handling,
    status: response.status,
    headers,
    body: decode ? decode(response.body) : response.body,
    reply,
    recording,
    close: closing(handling, response.status, headers, recording),
  }
  if (!decode) {
    response.abort()
    return refuseAnswer(answering, 'the answer is encoded in a way that cannot be inspected')
  }
  const type = contentType(response.headers)
  const streamed = type === 'text/event-stream' && response.status === 200
  try {
    return streamed && handling.route.action === 'anthropic.messages.create'
      ? await stream(answering)
      : await whole(answering, type)
  } catch (error) {
    response.abort()
    const result = exchange.signal.aborted ? 'aborted' : 'failed'
    await answering.close({ result, reason: 'the answer broke off' })
    throw error
  }
}

async function stream(answering: Answering): Promise<Refusal | undefined> {
  const { exchange, status, headers, body, reply, recording, permit, parts } = answering
  let begun = false
  const replying = createReplyStream({
    ...reply,
    decision_id: permit.decision.id,
    maxInputBytes: parts.maxInputBytes,
    async write(bytes) {
      if (!begun) exchange.outgoing.writeHead(status, headers.flat())
      begun = true
      recording.delivered(bytes)
      await write(exchange, bytes)
    },
    record: (outcome) => answering.close(outcome),
  })
  try {
    for await (const bytes of body) {
      recording.received(bytes)
      const before = replying.ended
      await replying.feed(bytes)
      if (replying.ended && !before) exchange.outgoing.end()
    }
  } catch (error) {
    if (!(error instanceof ReplyCut)) throw error
    return refuseAnswer(answering, error.message)
  }
  if (await replying.end()) return undefined
  // Without its end the client must see that something is missing, and may try again.
  if (begun) {
    cut(exchange)
    return undefined
  }
  const message = 'the upstream broke off its answer'
  return { code: 'upstream_unavailable', message, decision_id: permit.decision.id }
}

async function whole(answering: Answering, type: string): Promise<Refusal | undefined> {
  const { exchange, status, headers, recording, parts } = answering
  const pieces: Uint8Array[] = []
  for await (const bytes of answering.body) {
    recording.received(bytes)
    pieces.push(bytes)
    if (recording.bytesIn > parts.maxAnswerBytes)
      return refuseAnswer(answering, 'the answer is too long')
  }
  const inspected = await inspect(answering, type, Buffer.concat(pieces))
  if (!Buffer.isBuffer(inspected)) {
    await answering.close({ result: 'cut', reason: inspected.message })
    return inspected
  }
  recording.delivered(inspected)
  await answering.close({ result: 'completed' })
  const { outgoing } = exchange
  if (outgoing.destroyed) return undefined
  outgoing.writeHead(status, [...headers.flat(), 'content-length', String(inspected.length)])
  outgoing.end(inspected)
  return undefined
}

/** @returns the bytes to send, or why none may be. */
async function inspect(
  { reply, route, status, permit }: Answering,
  type: string,
  body: Buffer,
): Promise<Buffer | Refusal> {
  const decision_id = permit.decision.id
  const refused = (message: string): Refusal => ({ code: 'response_refused', message, decision_id })
  if (body.length === 0) return body
  const isReply = route.action === 'anthropic.messages.create' && status < 400
  if (type === 'application/json' && isReply) {
    const inspected = await inspectJson(reply, body)
    return inspected.ok ? inspected.value : { ...inspected.error, decision_id }
  }
  try {
    if (type === 'application/json') return maskDocument(reply, body, status >= 400)
    if (type.startsWith('text/') && type !== 'text/event-stream' && !isReply) {
      const masker = reply.mask.utf8()
      const out = Buffer.concat([masker.push(body), masker.end()])
      reply.findings.add(masker.counts, reply.altering)
      return redactLiterals(reply, out)
    }
  } catch {
    return refused('the answer could not be inspected') // fail closed
  }
  return refused(`the answer is ${type === '' ? 'of no type' : type}, which cannot be inspected`)
}

/** Counts, models: strings masked, everything else as it came. In errors keys and numbers are masked as well. */
function maskDocument(parts: MaskingParts, body: Buffer, isError: boolean): Buffer {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  const parsed = parseStrict(text)
  if (!parsed.ok) throw new ReplyCut(`the answer is ${parsed.error}`)
  return redactLiterals(
    parts,
    Buffer.from(isError ? maskJson(parts, text) : maskStrings(parts, text, parsed.value)),
  )
}

async function refuseAnswer(answering: Answering, message: string): Promise<Refusal> {
  await answering.close({ result: 'cut', reason: message })
  return { code: 'response_refused', message, decision_id: answering.permit.decision.id }
}

function closing(
  { permit, parts, findings }: Handling,
  status: number,
  headers: readonly Header[],
  recording: Recording,
): Answering['close'] {
  const { metrics, name: connection } = parts
  let closed: Promise<void> | undefined
  const count = (result: Outcome['result']): void => {
    metrics.requests.inc({ connection, outcome: result })
    if (result === 'cut') metrics.cut.inc({ connection })
    for (const effect of ['masked', 'observed'] as const) {
      for (const [detector, found] of Object.entries(findings[effect]))
        metrics.findings.inc({ connection, detector, effect }, found)
    }
  }
  return (outcome) => {
    if (closed) return closed
    count(outcome.result)
    closed = permit.close({
      ...outcome,
      status,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      bytes_in: recording.bytesIn,
      bytes_out: recording.bytesOut,
      masked: findings.masked,
      observed: findings.observed,
      ...recording.body,
    })
    return closed
  }
}

/** Headers may echo the credential, and hold what policy masks. */
function headersOut(parts: MaskingParts, raw: RawHeaders): Header[] {
  return returnedHeaders(raw, true)
    .filter(([name]) => name.toLowerCase() !== 'content-encoding')
    .map(([name, value]) => [
      name,
      maskText(parts, redactLiterals(parts, Buffer.from(value, 'latin1')).toString('latin1')),
    ])
}

function contentType(raw: RawHeaders): string {
  const value = headerOf(raw, 'content-type') ?? ''
  const [type = '', ...parameters] = value.toLowerCase().split(';')
  const charset = parameters.find((one) => one.trim().startsWith('charset='))
  // Text in another encoding would not be seen for what it is.
  const readable = charset === undefined || /=\s*"?(utf-8|us-ascii)"?\s*$/.test(charset)
  return readable ? type.trim() : `${type.trim()} in another encoding`
}
