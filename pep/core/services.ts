import type { JournalRecord } from '../../pdp/contract/record.ts'

/** The append-only local record. See `pep/journal/`. */
export interface Journal {
  /**
   * Resolves when the record is on disk (fdatasync, group commit).
   * @throws {PepError} PEP_JOURNAL when it is not: disk full, closed, backlog past the bound. Nothing may then be forwarded.
   */
  append(record: JournalRecord): Promise<void>
  /** Whether a new operation, or a part of a body, is taken; false past the backlog's bound. Outcomes still are. */
  readonly accepting: boolean
}

export type { Log } from '../../server/log.ts'
