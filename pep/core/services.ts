import type { JournalRecord } from '../../pdp/contract/record.ts'

/** The append-only local record. See `pep/journal/`. */
export interface Journal {
  /**
   * Resolves when the record is on disk (fdatasync, group commit).
   * @throws {PepError} PEP_JOURNAL when it is not: disk full, closed; PEP_BACKLOG when the backlog is past its bound.
   *   Nothing may then be forwarded.
   */
  append(record: JournalRecord): Promise<void>
  /** Whether a new operation may start; false past the backlog's bound. Outcomes are still taken. */
  readonly accepting: boolean
}

export type { Log } from '../../server/log.ts'
