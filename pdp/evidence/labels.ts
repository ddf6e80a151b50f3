import type { Log } from '../../server/log.ts'
import type { SealedRecord } from '../contract/record.ts'
import { type SessionStore, StoreError } from '../store/store.ts'
import type { Reader } from './reader.ts'

/** Most labels that are remembered as noted; one that was forgotten is noted again. */
const MAX_KNOWN = 10_000

/** Notes what clients call their sessions, where a master key lets it be read, so that sessions are found by it. */
export function createLabels(
  reader: Reader,
  sessions: Pick<SessionStore, 'label'>,
  log: Log,
): (records: readonly SealedRecord[]) => void {
  const known = new Set<string>()

  async function note(records: readonly SealedRecord[]): Promise<void> {
    for (const record of records) {
      if (!('session_id' in record.step)) continue
      const { session_id } = record.step
      const label = await reader.label(record)
      const name = JSON.stringify([session_id, label])
      if (label === undefined || known.has(name)) continue
      await sessions.label(session_id, label)
      const [oldest] = known
      if (oldest !== undefined && known.size >= MAX_KNOWN) known.delete(oldest)
      known.add(name)
    }
  }

  return (records) => {
    note(records).catch((error: unknown) => {
      // A session is found by its id all the same, and its next record names it again.
      const unexpected = error instanceof StoreError ? 'warn' : 'error'
      log(unexpected, 'sessions.label_failed', { error: String(error) })
    })
  }
}
