import { hash } from 'node:crypto'
import { Unpackr } from 'msgpackr'
import type { PdpError } from '../contract/client.ts'
import type { RecordAck, RecordBatch, RecordFrame } from '../contract/record.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { Log } from '../../server/log.ts'
import {
  type IndexedFrame,
  type RecordIndex,
  type RecordStore,
  StoreError,
} from '../store/store.ts'

export type RecordsParts = {
  readonly store: RecordStore
  readonly metrics: Pick<PdpMetrics, 'frames' | 'conflicts'>
  readonly log: Log
  readonly now: () => number
}

/** Takes journals of enforcement points. */
export type Records = {
  /** `ok` only when the frames are committed. Never throws for an expected failure. */
  readonly append: (batch: RecordBatch) => Promise<Result<RecordAck, PdpError>>
  /** Conflicts seen since the start. */
  readonly conflicts: () => number
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

export function createRecords({ store, metrics, log, now }: RecordsParts): Records {
  let conflicts = 0

  async function append({ pep, epoch, frames }: RecordBatch): Promise<Result<RecordAck, PdpError>> {
    const indexed: IndexedFrame[] = []
    for (const [at, frame] of frames.entries()) {
      const problem = problemOf(frame, frames[at - 1])
      const index = problem === undefined ? indexOf(frame.payload) : undefined
      if (!index) return refused(`frame ${frame.seq} ${problem ?? 'is not a record'}`)
      indexed.push({ ...frame, index })
    }
    try {
      const result = await store.append({ pep, epoch, frames: indexed, received_ms: now() })
      if (result.ok) {
        metrics.frames.inc(frames.length)
        return ok({ seq: result.seq })
      }
      if ('expected' in result)
        return refused(`frame ${result.expected} comes next, not ${frames[0]?.seq}`)
      return conflict(pep, epoch, result.conflict)
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause
      return err({
        code: 'PDP_UNAVAILABLE',
        message: `the store does not answer: ${cause.message}`,
      })
    }
  }

  function conflict(pep: string, epoch: string, seq: number): Result<never, PdpError> {
    conflicts += 1
    metrics.conflicts.inc()
    log('error', 'records.conflict', { pep, epoch, seq })
    const message = `frame ${seq} of ${pep} ${epoch} is on record with another digest: a journal was changed`
    return err({ code: 'PDP_RECORD_CONFLICT', message })
  }

  return { append, conflicts: () => conflicts }
}

const refused = (message: string): Result<never, PdpError> => err({ code: 'PDP_REFUSED', message })

/** What is wrong with a frame by itself and after the one before. */
function problemOf(
  { seq, prev, digest, payload }: RecordFrame,
  before: RecordFrame | undefined,
): string | undefined {
  const sealed = Buffer.concat([prev, payload])
  if (hash('sha256', sealed, 'buffer').compare(digest) !== 0) return 'does not match its digest'
  if (!before) return undefined
  if (seq !== before.seq + 1) return `does not follow ${before.seq}`
  return Buffer.compare(prev, before.digest) === 0 ? undefined : 'breaks the chain'
}

const kinds: ReadonlySet<unknown> = new Set(['intent', 'decision', 'chunk', 'outcome', 'event'])

/** The columns of a record; `undefined` when the payload is none. */
function indexOf(payload: Uint8Array): RecordIndex | undefined {
  let record: Record<string, unknown> | undefined
  try {
    record = object(unpackr.unpack(payload))
  } catch {
    return undefined
  }
  const { kind, time_ms } = record ?? {}
  if (!record || !kinds.has(kind) || !Number.isSafeInteger(time_ms)) return undefined
  if (kind !== 'event' && typeof record['operation_id'] !== 'string') return undefined
  const request = object(record['request'])
  const subject = object(request?.['subject'])
  const session = object(object(request?.['context'])?.['session'])
  const decision = object(record['decision'])
  const columns = {
    operation_id: record['operation_id'],
    parent_id: record['parent_id'],
    session_id: session?.['id'],
    session_label: session?.['label'],
    connection: record['connection'],
    action: object(request?.['action'])?.['name'],
    effect: decision?.['effect'],
    subject_id: subject?.['id'],
    issuer: object(subject?.['properties'])?.['issuer'],
    decision_id: decision?.['id'],
    result: record['result'],
  }
  const texts = Object.entries(columns).filter(([, value]) => typeof value === 'string')
  return { kind: String(kind), time_ms: Number(time_ms), ...Object.fromEntries(texts) }
}

const object = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
