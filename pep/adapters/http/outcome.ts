import type { Outcome } from '../../core/permit.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Handling } from './parts.ts'
import type { Recording } from './recording.ts'

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
    await permit.close({
      ...ending,
      bytes_in: recording?.bytesIn ?? 0,
      bytes_out: recording?.bytesOut ?? 0,
      masked,
      observed,
      ...recording?.end(),
    })
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
