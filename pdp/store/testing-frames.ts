import { randomUUID } from 'node:crypto'
import { pack } from 'msgpackr'
import { masterKeyOf, type MasterKey } from '../../sealing/master-key.ts'
import { createSealer, type Sealer } from '../../sealing/sealer.ts'
import { testMaster } from '../../sealing/testing.ts'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'
import {
  frameDigest,
  type JournalRecord,
  type RecordBatch,
  type RecordFrame,
  type SealedRecord,
  type WrappedKey,
} from '../contract/record.ts'
import { leafOf } from '../evidence/leaf.ts'
import { createReader, type Reader } from '../evidence/reader.ts'
import type { IndexedFrame, RecordAppend, Store } from './store.ts'

/** For tests: journals of enforcement points, sealed as theirs are. */

/** What is shipped, in all its forms. */
export type TestBatch = {
  /** As it goes over the wire. */
  readonly sent: RecordBatch
  /** As the store takes it. */
  readonly taken: RecordAppend
  readonly records: readonly SealedRecord[]
}

export type TestJournal = {
  readonly pep: string
  readonly epoch: string
  /** Seals records as the next frames, with keys that were made for them. */
  readonly batch: (records: readonly JournalRecord[]) => TestBatch
  /** `batch`, shipped. @throws {Error} when the store does not take it. */
  readonly ship: (
    store: Pick<Store, 'records'>,
    records: readonly JournalRecord[],
  ) => Promise<TestBatch>
}

/** @param options of its keys: which master key wraps them, and by which clock they are made; or what seals. */
export async function createTestJournal(
  options: {
    readonly pep?: string
    readonly epoch?: string
    readonly master?: MasterKey
    readonly now?: () => number
    readonly sealer?: Sealer
  } = {},
): Promise<TestJournal> {
  const { pep = 'pep-1', epoch = randomUUID(), master = testMaster, now = Date.now } = options
  const sealer = options.sealer ?? createSealer({ wrapper: await createWrapper(master), now })
  let prev: Uint8Array = Buffer.alloc(32)
  let next = 0

  function batch(records: readonly JournalRecord[]): TestBatch {
    const keys: WrappedKey[] = []
    const frames: RecordFrame[] = []
    const indexed: IndexedFrame[] = []
    const sealed = records.map((one) => {
      const { record, key } = sealer.seal(one)
      if (key) keys.push(key)
      const payload = pack(record)
      const digest = frameDigest(prev, payload)
      const seq = next
      frames.push({ seq, prev, digest, payload })
      const leaf = leafOf({ pep, epoch, seq }, record)
      indexed.push({ seq, prev, digest, leaf, ...(record.content && { content: record.content }) })
      prev = digest
      next += 1
      return record
    })
    return {
      sent: { pep, epoch, keys, frames },
      taken: { pep, epoch, keys, frames: indexed, received_ms: Date.now() },
      records: sealed,
    }
  }

  return {
    pep,
    epoch,
    batch,
    async ship(store, records) {
      const made = batch(records)
      const answer = await store.records.append(made.taken)
      if (!answer.ok) throw new Error(`not taken: ${JSON.stringify(answer)}`)
      return made
    },
  }
}

/** A reader with the tests' master key, or another one. */
export const testReader = (store: Pick<Store, 'keys'>, master: MasterKey = testMaster): Reader =>
  createReader(store.keys, createUnwrapper(master))

/** A master key that is not the tests'. */
export const otherMaster = masterKeyOf(new Uint8Array(32).fill(8))

/** Frames of events that continue each other, from `seq` on; each with a digest of its own. */
export function plainFrames(
  count: number,
  options: { readonly seq?: number; readonly prev?: Uint8Array; readonly epoch: string },
): IndexedFrame[] {
  const { seq = 0, epoch } = options
  let prev = options.prev ?? Buffer.alloc(32)
  return Array.from({ length: count }, (_, at) => {
    const digest = frameDigest(prev, Buffer.from(randomUUID()))
    const source = { pep: 'pep-1', epoch, seq: seq + at }
    const step = { kind: 'event', time_ms: 1_800_000_000_000 + at, name: 'pep.alive' } as const
    const leaf = { v: 1, ...step, source, detail: { digest: digest.toString('hex') } } as const
    const frame = { seq: seq + at, prev, digest, leaf }
    prev = digest
    return frame
  })
}
