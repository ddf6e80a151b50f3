import { createHash } from 'node:crypto'
import { z } from 'zod'

/**
 * Journal records. A PEP numbers them without gaps within an epoch (one life of the process), chains them by
 * hash and ships them; the PDP commits them once each by (pep, epoch, seq).
 */

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

const operation = {
  operation_id: z.string(),
  time_ms: z.int(),
}

const exchange = z.strictObject({
  method: z.string().optional(),
  target: z.string().optional(),
  /** Without credentials, as forwarded. */
  headers: z.array(z.tuple([z.string(), z.string()])).optional(),
  body_bytes: z.int(),
  /** sha256 hex; absent while a body streams. */
  body_sha256: z.string().optional(),
  /** The bytes, when the `record` obligation keeps them. */
  body: bytes.optional(),
})

const described = {
  ...operation,
  /** The operation this one is a part of: the message whose reply holds a tool call. */
  parent_id: z.string().optional(),
  connection: z.string(),
  /** The decision request and the decision, as they were. */
  request: z.unknown(),
  decision: z.unknown(),
  exchange,
}

/** On disk before anything is forwarded. */
const intent = z.strictObject({ kind: z.literal('intent'), ...described })
/** A decision after which nothing is forwarded upstream: a refusal, or a tool call in a reply. */
const decided = z.strictObject({
  kind: z.literal('decision'),
  ...described,
  /** Stable refusal code, absent when the tool call was released. */
  refused: z.string().optional(),
})
/** A part of a streaming request body, on disk before it is forwarded. */
const chunk = z.strictObject({
  kind: z.literal('chunk'),
  ...operation,
  offset: z.int(),
  body: bytes,
})
/** On disk before the client sees the end of its answer. */
const outcome = z.strictObject({
  kind: z.literal('outcome'),
  ...operation,
  /** `cut`: ended by the PEP; `unknown`: open when the PEP stopped, closed on recovery. */
  result: z.enum(['completed', 'failed', 'cut', 'aborted', 'unknown']),
  status: z.int().optional(),
  reason: z.string().optional(),
  headers: z.array(z.tuple([z.string(), z.string()])).optional(),
  bytes_in: z.int(),
  bytes_out: z.int(),
  /** Findings altered and findings only observed, by detector. */
  masked: z.record(z.string(), z.int()),
  observed: z.record(z.string(), z.int()),
  body: bytes.optional(),
  /** Set when the recorded body ends before the body did. */
  truncated: z.boolean().optional(),
})
/** Something the PEP did by itself: started, recovered, rotated a credential. */
const event = z.strictObject({
  kind: z.literal('event'),
  time_ms: z.int(),
  name: z.string(),
  detail: z.record(z.string(), z.unknown()),
})

export const journalRecord = z.discriminatedUnion('kind', [intent, decided, chunk, outcome, event])
export type JournalRecord = z.infer<typeof journalRecord>
export type Exchange = z.infer<typeof exchange>
export type OutcomeRecord = z.infer<typeof outcome>

/** One frame as it is shipped: `digest = sha256(prev ‖ payload)`, `payload` the msgpack of a record. */
export const recordFrame = z.strictObject({
  seq: z.int().nonnegative(),
  prev: bytes,
  digest: bytes,
  payload: bytes,
})
export type RecordFrame = z.infer<typeof recordFrame>

/** Frames of one epoch, in order, without gaps within the batch. */
export const recordBatch = z.strictObject({
  pep: z.string().min(1).max(128),
  epoch: z.string().min(1).max(64),
  frames: z.array(recordFrame).max(10_000),
})
export type RecordBatch = z.infer<typeof recordBatch>

/** Answer once the batch is committed: every frame up to `seq` of the epoch is in the store. */
export const recordAck = z.strictObject({ seq: z.int() })
export type RecordAck = z.infer<typeof recordAck>

export function frameDigest(prev: Uint8Array, payload: Uint8Array): Buffer {
  return createHash('sha256').update(prev).update(payload).digest()
}
