import { declaredLength, type HttpExchange, wantBody } from '../../core/exchange.ts'
import type { Masking } from '../../core/masks.ts'
import type { Chunk, Permit } from '../../core/permit.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { UpstreamRequest } from '../../upstream/upstream.ts'
import { type Ending, finish, tooLate } from './outcome.ts'
import type { Handling } from './parts.ts'
import { respond } from './respond.ts'

/** Sends a request that was admitted, and its answer back. @returns as `respond`. */
export async function forward(handling: Handling): Promise<Refusal | undefined> {
  const { parts, exchange, permit, profile } = handling
  const credential = parts.credential.current()
  if (!credential.ok) return failed(handling, credential.error)
  const masking = parts.masks.of(permit.enforcement.mask_response, {
    customs: profile.custom_detectors,
    literals: credential.value?.literals ?? [],
    session: exchange.caller.session.id,
  })
  const { timeout_ms } = permit.enforcement.limit
  const timeout = timeout_ms === undefined ? undefined : AbortSignal.timeout(timeout_ms)
  const upload = handling.described.view.body ? undefined : new Upload(handling)
  const request: UpstreamRequest = {
    method: exchange.method,
    target: exchange.target,
    headers: headersFor(handling, masking),
    ...(upload && { stream: { chunks: upload, length: declaredLength(exchange.incoming) } }),
    credential: credential.value,
    signal: timeout ? AbortSignal.any([exchange.signal, timeout]) : exchange.signal,
  }
  const response = await parts.upstream.forward(permit, request)
  if (response.ok) return respond({ ...handling, masking, response: response.value, timeout })
  const late = timeout?.aborted && !exchange.signal.aborted
  return failed(handling, upload?.refusal ?? (late ? tooLate : response.error))
}

async function failed(handling: Handling, refusal: Refusal): Promise<Refusal> {
  const result: Ending['result'] = refusal.code === 'client_gone' ? 'aborted' : 'failed'
  const unrecorded = await finish(handling, { result, reason: refusal.code })
  return unrecorded ?? { ...refusal, decision_id: handling.permit.decision.id }
}

function headersFor({ described }: Handling, { mask }: Masking): UpstreamRequest['headers'] {
  // A range could split what must be masked over several answers.
  return mask.active
    ? described.headers.filter(([name]) => name !== 'range' && name !== 'if-range')
    : described.headers
}

/** A request body that streams: every part is on disk before it is forwarded. */
class Upload implements AsyncIterable<Uint8Array> {
  /** Why it ended early. */
  refusal: Refusal | undefined
  readonly #exchange: HttpExchange
  readonly #permit: Permit
  readonly #limit: number
  readonly #now: () => number
  /** Nothing is masked in it, so what is forwarded is what was sent; `masked` keeps only the first. */
  readonly #direction: Chunk['direction']

  constructor({ exchange, permit, parts }: Handling) {
    this.#exchange = exchange
    this.#permit = permit
    this.#limit = parts.maxStreamBytes
    this.#now = parts.now
    this.#direction = permit.enforcement.record_body === 'masked' ? 'forwarded' : 'sent'
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    wantBody(this.#exchange)
    let offset = 0
    // The upstream may answer before it has all; then the client still gets that answer.
    const chunks = this.#exchange.incoming.iterator({ destroyOnReturn: false })
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      if (offset + chunk.length > this.#limit)
        this.#fail({ code: 'too_large', message: `the body is larger than ${this.#limit} bytes` })
      try {
        await this.#permit.chunk({
          direction: this.#direction,
          offset,
          pieces: [[this.#now(), chunk.length]],
          body: chunk,
        })
      } catch (error) {
        // Fail closed: what is not on disk is not forwarded. The upstream sees a body that breaks off.
        this.#fail({ code: 'record_unavailable', message: 'the record cannot be written' }, error)
      }
      offset += chunk.length
      yield chunk
    }
  }

  #fail(refusal: Refusal, cause?: unknown): never {
    this.refusal = refusal
    throw new Error(refusal.message, { cause })
  }
}
