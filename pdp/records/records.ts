import { hash } from 'node:crypto'
import { Unpackr } from 'msgpackr'
import type { PdpError } from '../contract/client.ts'
import {
  type RecordAck,
  type RecordBatch,
  type RecordFrame,
  type SealedRecord,
  sealedRecord,
} from '../contract/record.ts'
import { isAdministrativeName } from '../contract/administration.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { leafOf } from '../evidence/leaf.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { Log } from '../../server/log.ts'
import { type IndexedFrame, type RecordStore, StoreError } from '../store/store.ts'

export type RecordsParts = {
  readonly store: RecordStore
  readonly metrics: Pick<PdpMetrics, 'frames' | 'conflicts'>
  /** Told of records that are now in the log. Must not throw. */
  readonly onAppended: (records: readonly SealedRecord[]) => void
  readonly log: Log
  readonly now: () => number
}

/** Takes journals of enforcement points into the log. */
export type Records = {
  /** `ok` only when the frames are committed. Never throws for an expected failure. */
  readonly append: (batch: RecordBatch) => Promise<Result<RecordAck, PdpError>>
  /** Conflicts seen since the start. */
  readonly conflicts: () => number
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

export function createRecords(parts: RecordsParts): Records {
  const { store, metrics, onAppended, log, now } = parts
  let conflicts = 0

  async function append(batch: RecordBatch): Promise<Result<RecordAck, PdpError>> {
    const { pep, epoch, frames, keys } = batch
    const indexed: IndexedFrame[] = []
    const records: SealedRecord[] = []
    for (const [at, frame] of frames.entries()) {
      const problem = problemOf(frame, frames[at - 1])
      const record = problem === undefined ? recordOf(frame.payload) : undefined
      if (!record) return refused(`frame ${frame.seq} ${problem ?? 'is not a record'}`)
      const { seq, prev, digest } = frame
      const leaf = leafOf({ pep, epoch, seq }, record)
      indexed.push({ seq, prev, digest, leaf, ...(record.content && { content: record.content }) })
      records.push(record)
    }
    try {
      const result = await store.append({ pep, epoch, keys, frames: indexed, received_ms: now() })
      if (result.ok) {
        metrics.frames.inc(result.fresh)
        onAppended(records.slice(records.length - result.fresh))
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

/** `undefined` when the payload is none. */
function recordOf(payload: Uint8Array): SealedRecord | undefined {
  try {
    const record = sealedRecord.safeParse(unpackr.unpack(payload)).data
    // Nothing that an enforcement point says looks like an administrator's decision.
    const forged = record && 'action' in record.step && isAdministrativeName(record.step.action)
    return forged ? undefined : record
  } catch {
    return undefined
  }
}
