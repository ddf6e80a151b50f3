import { Packr, Unpackr } from 'msgpackr'
import { Pool } from 'undici'
import { z } from 'zod'
import { approvalStatus } from '../pdp/contract/approval.ts'
import type { Call, PdpClient, PdpError, PdpErrorCode } from '../pdp/contract/client.ts'
import { decision } from '../pdp/contract/decision.ts'
import { extractionProfile } from '../pdp/contract/profile.ts'
import { recordAck } from '../pdp/contract/record.ts'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import type { Revision } from '../pdp/contract/brand.ts'

export type HttpPdpOptions = {
  /** Of the decision service, e.g. `https://pdp.internal:8181`. */
  readonly url: URL
  /** This enforcement point's token. */
  readonly token: string
  /** Certificates that are trusted instead of the system's, PEM. */
  readonly ca?: string
}

export type HttpPdpClient = PdpClient & { readonly close: () => Promise<void> }

/** Most bytes of an answer. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
const MSGPACK = 'application/msgpack'

const activeProfile = z.strictObject({
  revision: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((text) => text as Revision),
  profile: extractionProfile,
})

const problem = z.object({ error: z.object({ code: z.string(), message: z.string() }) })

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

/** A decision service in another process, over HTTP and MessagePack. Every answer is checked; nothing throws. */
export function createHttpPdpClient({ url, token, ca }: HttpPdpOptions): HttpPdpClient {
  const pool = new Pool(url.origin, {
    connections: 64,
    pipelining: 1,
    connect: { timeout: 5000, ...(ca !== undefined && { ca }) },
  })
  const base = url.pathname.replace(/\/$/, '')

  async function ask<T>(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    shape: z.ZodType<T>,
    call: Call,
  ): Promise<Result<T, PdpError>> {
    const deadline = AbortSignal.timeout(Math.max(1, Math.ceil(call.deadline_ms)))
    try {
      const answer = await pool.request({
        method,
        path: base + path,
        headers: {
          authorization: `Bearer ${token}`,
          accept: MSGPACK,
          'content-type': MSGPACK,
        },
        body: body === undefined ? null : packr.pack(body),
        signal: AbortSignal.any([call.signal, deadline]),
        headersTimeout: 0, // the deadline is in the signal
        bodyTimeout: 0,
      })
      const bytes = await readAnswer(answer.body)
      if (answer.statusCode !== 200) return err(errorOf(answer.statusCode, bytes))
      const parsed = shape.safeParse(unpacked(bytes))
      return parsed.success
        ? ok(parsed.data)
        : err({ code: 'PDP_BAD_ANSWER', message: 'the answer has not the shape it must have' })
    } catch (cause) {
      const late = deadline.aborted && !call.signal.aborted
      const message = late
        ? `no answer within ${call.deadline_ms} ms`
        : 'the decision service cannot be reached, or its answer broke off'
      return err({ code: 'PDP_UNAVAILABLE', message, cause })
    }
  }

  return {
    async decide(requests, call) {
      const answer = await ask('POST', '/v1/decide', requests, z.array(decision), call)
      if (answer.ok && answer.value.length !== requests.length)
        return err({ code: 'PDP_BAD_ANSWER', message: 'not one decision for each request' })
      return answer
    },
    profile: (call) => ask('GET', '/v1/profile', undefined, activeProfile, call),
    demandApproval: (demand, call) => ask('POST', '/v1/approvals', demand, approvalStatus, call),
    awaitApproval: (id, wait_ms, call) =>
      ask(
        'GET',
        `/v1/approvals/${encodeURIComponent(id)}?wait_ms=${Math.ceil(wait_ms)}`,
        undefined,
        approvalStatus,
        call,
      ),
    useApproval: ({ id, ...use }, call) =>
      ask('POST', `/v1/approvals/${encodeURIComponent(id)}/use`, use, approvalStatus, call),
    append: (batch, call) => ask('POST', '/v1/records', batch, recordAck, call),
    close: () => pool.destroy(),
  }
}

async function readAnswer(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What a status means to us; what is not expected is no answer, so the caller refuses. */
function errorOf(status: number, bytes: Buffer): PdpError {
  const said = saidBy(bytes)
  const message = said?.message ?? `it answered ${status}`
  const code: PdpErrorCode =
    status === 401 || status === 403
      ? 'PDP_UNAUTHENTICATED'
      : status === 409 && said?.code === 'PDP_RECORD_CONFLICT'
        ? 'PDP_RECORD_CONFLICT'
        : status >= 400 && status < 500
          ? 'PDP_REFUSED'
          : status === 503
            ? 'PDP_UNAVAILABLE'
            : 'PDP_BAD_ANSWER'
  return { code, message }
}

function saidBy(bytes: Buffer): { readonly code: string; readonly message: string } | undefined {
  return problem.safeParse(unpacked(bytes)).data?.error
}

/** `undefined`, which no answer may be, for what is not MessagePack. */
function unpacked(bytes: Buffer): unknown {
  try {
    return unpackr.unpack(bytes)
  } catch {
    return undefined
  }
}
