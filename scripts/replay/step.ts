import { z } from 'zod'

/**
 * Steps of a session as `GET /v1/sessions/:id/steps` answers: each leaf of the log as an object, and what was recorded
 * with it where whoever asks may read it. Everything but the numbering is optional here: what a newer or damaged record
 * lacks is shown as missing and stops nothing.
 */

/** Bytes as the API writes them. */
const bytes = z.union([z.object({ text: z.string() }), z.object({ base64: z.string() })])
export type WrittenBytes = z.infer<typeof bytes>

const subject = z.object({ issuer: z.string(), type: z.string(), id: z.string() })
export type StepSubject = z.infer<typeof subject>

export const directions = ['sent', 'forwarded', 'received', 'delivered'] as const
const direction = z.enum(directions)
/** Which of the four bodies of an operation. */
export type Direction = z.infer<typeof direction>

/** Detector names come from policy and may be any text, also `__proto__`: pairs, not an object. */
const counts = z
  .record(z.string(), z.number())
  .transform((found) => Object.entries(found).filter(([, count]) => count > 0))
export type Counts = readonly (readonly [name: string, count: number])[]

const pairs = z.array(z.tuple([z.string(), z.string()]))
const truncated = z.array(z.object({ direction, limit_bytes: z.number() }))

const leaf = z.object({
  kind: z.string(),
  time_ms: z.number(),
  logged_ms: z.number().optional(),
  source: z
    .object({ pep: z.string(), epoch: z.string(), seq: z.number(), pdp: z.string() })
    .partial()
    .optional(),
  operation_id: z.string().optional(),
  parent_id: z.string().optional(),
  session_id: z.string().optional(),
  subject: subject.optional(),
  connection: z.string().optional(),
  action: z.string().optional(),
  resource_type: z.string().optional(),
  decision: z
    .object({
      id: z.string(),
      effect: z.string(),
      rules: z.array(z.string()),
      revision: z.string(),
      obligations: z.array(z.string()),
      approval_id: z.string(),
    })
    .partial()
    .optional(),
  refused: z.string().optional(),
  masked: counts.optional(),
  observed: counts.optional(),
  direction: direction.optional(),
  offset: z.number().optional(),
  bytes: z.number().optional(),
  result: z.string().optional(),
  status: z.number().optional(),
  bytes_in: z.number().optional(),
  bytes_out: z.number().optional(),
  truncated: truncated.optional(),
  name: z.string().optional(),
  detail: z.record(z.string(), z.unknown()).optional(),
  event: z.string().optional(),
  approval_id: z.string().optional(),
  requester: subject.optional(),
  by: subject.optional(),
  approve: z.boolean().optional(),
  approvers: z.array(z.string()).optional(),
  count: z.number().optional(),
  revision: z.string().optional(),
  bundles: z
    .array(
      z.object({
        name: z.string(),
        revision: z.string().optional(),
        git_revision: z.string().optional(),
      }),
    )
    .optional(),
  reason: z.string().optional(),
  vkey: z.string().optional(),
})
export type Leaf = z.infer<typeof leaf>

const record = z.object({
  request: z
    .object({
      subject: z.object({ type: z.string(), id: z.string() }).optional(),
      resource: z.object({ type: z.string(), id: z.string() }).optional(),
      context: z
        .object({
          time_ms: z.number().optional(),
          session: z.object({ label: z.string().optional() }).optional(),
        })
        .optional(),
    })
    .optional(),
  decision: z
    .object({ reasons: z.array(z.object({ rule: z.string(), message: z.string() })).optional() })
    .optional(),
  exchange: z
    .object({
      method: z.string().optional(),
      target: z.string().optional(),
      headers: pairs.optional(),
      body_bytes: z.number().optional(),
      body: bytes.optional(),
      forwarded: bytes.optional(),
    })
    .optional(),
  pieces: z.array(z.tuple([z.number(), z.number()])).optional(),
  body: bytes.optional(),
  reason: z.string().optional(),
  headers: pairs.optional(),
  action: z.unknown().optional(),
})
export type OpenedRecord = z.infer<typeof record>

const unreadable = z.object({ code: z.string(), message: z.string() })
export type Unreadable = z.infer<typeof unreadable>

export type Step = {
  /** Number of its leaf in the log. */
  readonly index: number
  readonly leaf: Leaf
  readonly record?: OpenedRecord
  /** Why there is no record. */
  readonly unreadable?: Unreadable
  /** The step as it was answered, for those who want it whole. */
  readonly answered: unknown
}

const step = z.object({
  index: z.number(),
  leaf,
  record: z.unknown().optional(),
  unreadable: unreadable.optional(),
})

/**
 * Reads one step of an answer.
 * @throws {Error} when it is none: without leaf and index nothing can be told of it, and to leave it out would hide it.
 */
export function readStep(answered: unknown): Step {
  const read = step.safeParse(answered)
  if (!read.success) {
    throw new Error(`the answer holds what is no step: ${z.prettifyError(read.error)}`)
  }
  const { index, leaf, unreadable } = read.data
  const base = { index, leaf, answered }
  if (unreadable) return { ...base, unreadable }
  if (read.data.record === undefined) return base
  const opened = record.safeParse(read.data.record)
  if (opened.success) return { ...base, record: opened.data }
  const message = `its record has an unknown shape: ${z.prettifyError(opened.error)}`
  return { ...base, unreadable: { code: 'damaged', message } }
}

export function bytesOf(written: WrittenBytes): Buffer {
  return 'text' in written ? Buffer.from(written.text) : Buffer.from(written.base64, 'base64')
}
