import { sealedRecord, type SealedRecord } from '../../pdp/contract/record.ts'
import { decodePayload } from './frame.ts'
import { scanEpoch, type Finding } from './scan.ts'
import { listSegments } from './segment.ts'

export type JournalEntry =
  | {
      readonly kind: 'record'
      readonly epoch: string
      readonly seq: number
      /** What it says in the open, and the rest under seal. */
      readonly record: SealedRecord
    }
  /** A whole frame whose payload is not a record this version knows. */
  | {
      readonly kind: 'unreadable'
      readonly epoch: string
      readonly seq: number
      readonly message: string
    }
  | { readonly kind: 'finding'; readonly finding: Finding }

/**
 * Reads what is in a journal folder, in the order it was written, and checks it; changes nothing and needs no lock.
 * On the folder of a running process the end may look torn, because it is being written.
 * @throws whatever the file system says.
 */
export async function* readJournal(folder: string): AsyncGenerator<JournalEntry> {
  const segments = await listSegments(folder)
  for (const [epoch, names] of Map.groupBy(segments, (name) => name.epoch)) {
    for await (const scanned of scanEpoch(names)) {
      if (scanned.kind === 'finding') yield scanned
      if (scanned.kind !== 'frame') continue
      const { seq, payload } = scanned.frame
      yield { epoch, seq, ...readRecord(payload) }
    }
  }
}

function readRecord(payload: Uint8Array) {
  try {
    return { kind: 'record' as const, record: sealedRecord.parse(decodePayload(payload)) }
  } catch (error) {
    return { kind: 'unreadable' as const, message: String(error) }
  }
}
