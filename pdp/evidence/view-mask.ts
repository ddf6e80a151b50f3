import type { JournalRecord } from '../contract/record.ts'
import type { Result } from '../contract/result.ts'

/**
 * Masks a record for people to look at; a chunk is given whole, all of one direction of its operation.
 * @returns a sentence that says why it cannot be masked: it is not shown then.
 */
export type ViewMask = (record: JournalRecord) => Promise<Result<JournalRecord, string>>
