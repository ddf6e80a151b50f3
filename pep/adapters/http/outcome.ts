import type { Outcome } from '../../core/permit.ts'
import type { Recording } from '../../core/recording.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Handling } from './parts.ts'

/** How an operation ended, before what was counted is added. */
export type Ending = Pick<Outcome, 'result' | 'reason' | 'status' | 'headers'> & {
  readonly recording?: Recording
}

export const tooLate: Refusal = {
  code: 'upstream_timeout',
  message: 'the answer took longer than policy allows',
}

/**
 * Puts the outcome on record.
 * @returns a refusal when it cannot be recorded: the client must then not see the end of the answer.
 */
export async function finish(
  { permit, findings, parts }: Handling,
  { recording, ...ending }: Ending,
): Promise<Refusal | undefined> {
  const { masked, observed } = findings
  const connection = parts.name
  parts.metrics.requests.inc({ connection, outcome: ending.result })
  for (const [effect, counts] of [
    ['masked', masked],
    ['observed', observed],
  ] as const) {
    for (const detector in counts)
      parts.metrics.findings.inc({ connection, detector, effect }, counts[detector])
  }
  try {
    const counted = { ...ending, masked, observed }
    await (recording?.close(counted) ?? permit.close({ ...counted, bytes_in: 0, bytes_out: 0 }))
    return undefined
  } catch (error) {
    parts.log('error', 'journal.append', { operation: permit.operation.id, error: String(error) })
    return {
      code: 'record_unavailable',
      message: 'the outcome cannot be recorded',
      decision_id: permit.decision.id,
    }
  }
}
