import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Decision } from './decision.ts'
import type { DecisionRequest } from './request.ts'
import { step } from './step.ts'

/**
 * Journal records. A PEP numbers them without gaps within an epoch (one life of the process), chains them by
 * hash, seals and ships them; the PDP commits them once each by (pep, epoch, seq).
 */

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
/** As it was: what is on record must stay readable when the contract gets stricter. */
const recorded = <T extends object>() =>
  z.custom<T>((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
const counts = z.record(z.string(), z.int())
const headers = z.array(z.tuple([z.string(), z.string()]))

const operation = {
  operation_id: z.string(),
  time_ms: z.int(),
}

const exchange = z.strictObject({
  method: z.string().optional(),
  target: z.string().optional(),
  /** Without credentials, as forwarded. */
  headers: headers.optional(),
  body_bytes: z.int(),
  /** sha256 hex of what the agent sent; absent while a body streams. */
  body_sha256: z.string().optional(),
  /** What the agent sent, when the `record` obligation keeps that (`full`). */
  body: bytes.optional(),
  /** What goes upstream (`full`, `masked`); absent when it is `body`. */
  forwarded: bytes.optional(),
  /** Offsets where `body` is cut into blocks, ascending: so that what repeats is the same blocks. Not kept. */
  cuts: z.array(z.int()).optional(),
  /** The same of `forwarded`. */
  forwarded_cuts: z.array(z.int()).optional(),
})

const described = {
  ...operation,
  /** The operation this one is a part of: the message whose reply holds a tool call. */
  parent_id: z.string().optional(),
  connection: z.string(),
  /** The decision request and the decision, as they were. */
  request: recorded<DecisionRequest>(),
  decision: recorded<Decision>(),
  exchange,
  /** Findings of the request, altered and only observed, by detector. */
  masked: counts,
  observed: counts,
}

/** What follows an intent says whose it is: a start knows no more of an operation than its records. */
const following = {
  ...operation,
  session_id: z.string(),
  connection: z.string(),
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

/**
 * A part of a body as it streamed; of a request on disk before it is forwarded, of an answer before its outcome.
 * `received` is recorded only where it may differ from `delivered`.
 */
const chunk = z.strictObject({
  kind: z.literal('chunk'),
  ...following,
  direction: z.enum(['sent', 'forwarded', 'received', 'delivered']),
  /** Of its first byte in the whole body. */
  offset: z.int(),
  /** How it came: milliseconds since the epoch, and how many bytes. */
  pieces: z.array(z.tuple([z.int(), z.int()])),
  /** The bytes of all pieces; absent when policy keeps none (`metadata`). */
  body: bytes.optional(),
})

/** On disk before the client sees the end of its answer. */
const outcome = z.strictObject({
  kind: z.literal('outcome'),
  ...following,
  /** `cut`: ended by the PEP; `unknown`: open when the PEP stopped, closed on recovery. */
  result: z.enum(['completed', 'failed', 'cut', 'aborted', 'unknown']),
  status: z.int().optional(),
  reason: z.string().optional(),
  headers: headers.optional(),
  bytes_in: z.int(),
  bytes_out: z.int(),
  /** Findings altered and findings only observed, by detector. */
  masked: counts,
  observed: counts,
  /**
   * What of the answer no chunk has: of a short one all of it. A record costs more than its bytes, and most answers are
   * short. See `chunksOf`.
   */
  rest: z
    .array(
      z.strictObject({
        direction: chunk.shape.direction,
        offset: chunk.shape.offset,
        pieces: chunk.shape.pieces,
        body: bytes,
      }),
    )
    .optional(),
  /** Bodies whose record ends before they did; `limit_bytes`: how much of it is on record. */
  truncated: z
    .array(z.strictObject({ direction: chunk.shape.direction, limit_bytes: z.int() }))
    .optional(),
})
/** Something the PEP did by itself: started, recovered, rotated a credential. Never sealed: it holds nobody's content. */
const event = z.strictObject({
  kind: z.literal('event'),
  time_ms: z.int(),
  name: z.string(),
  detail: z.record(z.string(), z.unknown()),
})

export const journalRecord = z.discriminatedUnion('kind', [intent, decided, chunk, outcome, event])
export type JournalRecord = z.infer<typeof journalRecord>
export type Exchange = z.infer<typeof exchange>
export type ChunkRecord = z.infer<typeof chunk>
export type OutcomeRecord = z.infer<typeof outcome>

/** An outcome with nothing but how it ended, and what it holds of the answer as the chunks that it stands for. */
export function chunksOf({ rest = [], ...bare }: OutcomeRecord): {
  readonly chunks: readonly ChunkRecord[]
  readonly bare: OutcomeRecord
} {
  const { operation_id, time_ms, session_id, connection } = bare
  const owner = { operation_id, time_ms, session_id, connection }
  return { chunks: rest.map((part) => ({ kind: 'chunk', ...owner, ...part })), bare }
}

const hex256 = z.string().regex(/^[0-9a-f]{64}$/)
const keyId = z.string().regex(/^[0-9a-f]{32}$/)

/** Most bytes of a wrapped key: a key service's own wrapping included. */
const MAX_WRAPPED_BYTES = 64 * 1024
/** Most keys of one batch. */
const MAX_KEYS = 1000
/** Largest payload of a frame, bytes: far above any body limit, so a larger length is damage. */
export const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
/**
 * Most bytes of a batch as it is sent: a frame that is as large as one may be, with every key. What an enforcement point
 * has on record it must be able to ship, or one large request would stop its journal for good.
 */
export const MAX_BATCH_BYTES = MAX_PAYLOAD_BYTES + MAX_KEYS * MAX_WRAPPED_BYTES + 4 * 1024 * 1024

/**
 * The key of a session's content on one connection, wrapped. Whoever deletes every copy of it has erased what it
 * sealed; ids and digests stay.
 */
export const wrappedKey = z.strictObject({
  id: keyId,
  session_id: z.string().min(1).max(128),
  connection: z.string().min(1).max(128),
  created_ms: z.int().nonnegative(),
  wrapped: bytes.refine((value) => value.length <= MAX_WRAPPED_BYTES),
})
export type WrappedKey = z.infer<typeof wrappedKey>

/** A record as it is kept: what everybody may read of it, and what only holders of its key can. See `sealing/`. */
export const sealedRecord = z.strictObject({
  v: z.literal(2),
  step,
  /** The whole record; absent of events. */
  content: z
    .strictObject({
      /** Id of the key. */
      key: keyId,
      sealed: bytes,
      /** Over the plain content, under the key's own secret: it proves the content, and nobody without the key can guess at it. */
      commitment: hex256,
      /** Parts of bodies that were not sent under this key before; `id` is the commitment to the plain bytes. */
      blocks: z.array(z.strictObject({ id: hex256, sealed: bytes })),
      /** What the client calls its session. */
      label: bytes.optional(),
    })
    .optional(),
})
export type SealedRecord = z.infer<typeof sealedRecord>

/** One frame as it is shipped: `digest = sha256(prev ‖ payload)`, `payload` the msgpack of a `SealedRecord`. */
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
  epoch: z.string().regex(/^[\x21-\x7e]{1,64}$/),
  frames: z.array(recordFrame).max(10_000),
  /**
   * Keys that the enforcement point still holds, oldest first, until they are acknowledged with a batch. Of an earlier
   * epoch, some may be; and the same key comes again when an answer is lost.
   */
  keys: z.array(wrappedKey).max(MAX_KEYS),
})
export type RecordBatch = z.infer<typeof recordBatch>

/** Answer once the batch is committed: every frame up to `seq` of the epoch is in the store, and every key. */
export const recordAck = z.strictObject({ seq: z.int() })
export type RecordAck = z.infer<typeof recordAck>

export function frameDigest(prev: Uint8Array, payload: Uint8Array): Buffer {
  return createHash('sha256').update(prev).update(payload).digest()
}
