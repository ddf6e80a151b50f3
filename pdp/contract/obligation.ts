import { z } from 'zod'

/** Duties that come with a decision. A closed union: a PEP refuses what it does not know or cannot keep. */

export const maskStyle = z.enum(['redact', 'partial', 'hash', 'token'])

export const maskObligation = z.strictObject({
  kind: z.literal('mask'),
  where: z.enum(['request', 'response']),
  /** Detector names, `custom:<name>` for those of the extraction profile. */
  detectors: z.array(z.string()).optional(),
  /** JSON paths whose values are replaced whole: `$.a.b[*].c`, `$..email`. */
  fields: z.array(z.string()).optional(),
  /** Columns of a result set. */
  columns: z.array(z.string()).optional(),
  style: maskStyle,
  /** Count and record, alter nothing. */
  observe: z.boolean().optional(),
  /** Of detectors in a request, `token` style: the reply has the values again. */
  restore: z.boolean().optional(),
})

export const approveObligation = z.strictObject({
  kind: z.literal('approve'),
  /** Groups whose members may approve. */
  approvers: z.array(z.string()).min(1),
  /** How many of them must. */
  count: z.int().positive(),
  /** Longest time a request is held open, seconds. */
  wait_s: z.int().nonnegative().max(600),
  /** How long the approval may be given, and then used, seconds from when it was asked for. */
  valid_s: z.int().positive().max(86_400),
})

export const recordObligation = z.strictObject({
  kind: z.literal('record'),
  /** `full`: bodies as they came and as they went on; `masked`: as they went on, both ways; `metadata`: sizes and digests. */
  body: z.enum(['full', 'masked', 'metadata']),
})

export const limitObligation = z.strictObject({
  kind: z.literal('limit'),
  /** Most bytes of a response body. */
  max_bytes: z.int().nonnegative().optional(),
  /** Response content types that may pass, without parameters: `application/json`, `text/*`. */
  content_types: z.array(z.string()).optional(),
  max_rows: z.int().nonnegative().optional(),
  timeout_ms: z.int().positive().optional(),
})

/** Values in place of their tokens in the input of a tool call, which would otherwise go out with the tokens. */
export const restoreObligation = z.strictObject({ kind: z.literal('restore') })

export const obligation = z.discriminatedUnion('kind', [
  maskObligation,
  approveObligation,
  recordObligation,
  limitObligation,
  restoreObligation,
])

export type MaskObligation = z.infer<typeof maskObligation>
export type ApproveObligation = z.infer<typeof approveObligation>
export type RecordObligation = z.infer<typeof recordObligation>
export type LimitObligation = z.infer<typeof limitObligation>
export type Obligation = z.infer<typeof obligation>
