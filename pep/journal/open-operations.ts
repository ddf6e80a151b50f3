import type { JournalRecord, OutcomeRecord } from '../../pdp/contract/record.ts'
import type { Chain } from './chain.ts'
import type { OpenOperation } from './epoch.ts'
import type { Recovered } from './recover.ts'

type Owned = Exclude<JournalRecord, { kind: 'event' }>

/** What the end of this record's operation must say. */
export function ownerOf(record: Owned): OpenOperation {
  const { operation_id, connection } = record
  const session_id = 'session_id' in record ? record.session_id : record.request.context.session.id
  return { operation_id, session_id, connection }
}

/** The end of an operation that nobody saw. */
export function unknown(operation: OpenOperation, time_ms: number, reason: string): OutcomeRecord {
  const none = { bytes_in: 0, bytes_out: 0, masked: {}, observed: {} }
  return { kind: 'outcome', ...operation, time_ms, result: 'unknown', reason, ...none }
}

/** Says in the new epoch what became of those before it, and ends what they left open. */
export async function recordRecovery(
  chain: Chain,
  recovered: Recovered,
  now: () => number,
): Promise<void> {
  const { heads, findings, open } = recovered
  if (heads.length === 0) return
  const detail = { epochs: heads, findings, closed: open.size }
  const event = { kind: 'event' as const, time_ms: now(), name: 'journal.recovered', detail }
  const reason = 'the enforcement point stopped while it was open'
  const closings = [...open.values()].map((one) => unknown(one, now(), reason))
  await Promise.all([event, ...closings].map((record) => chain.append(record)))
}
