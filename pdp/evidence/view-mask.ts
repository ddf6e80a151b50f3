import type { JournalRecord } from '../contract/record.ts'
import type { Result } from '../contract/result.ts'

/**
 * Masks a record for people to look at.
 * @param record chunks of one direction of one operation come as one: from offset 0, all pieces, all of the body.
 * An intent or a decision whose body cannot be shown has a sentence in its place that says why.
 * @param operation other records of the same operation, where they are at hand. They tell what a chunk is a part of: how its
 * body is to be read, whether it ends before the stream did, which fields policy masks. Without them it is judged by its looks.
 * @returns a sentence that says why it cannot be masked, without anything of what it holds: it is not shown then.
 */
export type ViewMask = (
  record: JournalRecord,
  operation?: readonly JournalRecord[],
) => Promise<Result<JournalRecord, string>>
