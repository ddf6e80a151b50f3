import type { Verdict } from '../contract/decision.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import { ask, shownTo } from './ask.ts'
import { changeOf } from './change.ts'
import type { Difference } from '../store/store.ts'
import type { DecisionMade } from './decide.ts'

export type Shadow = {
  /** Takes a decision that was made; returns at once, never throws. */
  readonly observe: (made: DecisionMade) => void
  readonly candidate: () => ActivePolicy | undefined
  /** Waits until what was taken is evaluated. */
  readonly drained: () => Promise<void>
}

export type ShadowParts = {
  readonly candidate: () => ActivePolicy | undefined
  /** Share of decisions that are evaluated again, 0 to 1. */
  readonly sample: number
  readonly metrics: Pick<PdpMetrics, 'shadow'>
  /** Records a difference; must not throw. */
  readonly record: (difference: Difference) => void
  readonly now: () => number
  /** For sampling. */
  readonly random?: () => number
}

/** Decisions that wait to be evaluated again; what comes beside is counted and left out. */
const MOST_WAITING = 2000
/** Longest time at a stretch, so that decisions are not kept waiting. */
const SLICE_MS = 2

/**
 * Evaluates a candidate policy beside the live one on real requests. Nothing of it reaches a caller: it runs after the
 * decision was given, when nothing else is to be done, and on a sample.
 */
export function createShadow(parts: ShadowParts): Shadow {
  const { candidate, sample, metrics, record, now, random = Math.random } = parts
  let waiting: DecisionMade[] = []
  let scheduled: Promise<void> | undefined

  function drain(): Promise<void> {
    return new Promise((resolve) => {
      const slice = (): void => {
        const until = performance.now() + SLICE_MS
        while (waiting.length > 0 && performance.now() < until) {
          const made = waiting.shift()
          if (made) compare(made)
        }
        if (waiting.length > 0) setImmediate(slice)
        else {
          scheduled = undefined
          resolve()
        }
      }
      setImmediate(slice)
    })
  }

  function compare(made: DecisionMade): void {
    const policy = candidate()
    if (!policy) return
    const { decision, request } = made
    const to = ask(policy, shownTo(policy, made.input))
    const { effect, reasons, obligations } = decision
    const from: Verdict = { effect, reasons, obligations }
    const same = changeOf(from, to) === undefined
    metrics.shadow.inc({ result: same ? 'same' : `${from.effect} to ${to.effect}` })
    if (same) return
    record({
      decision_id: decision.id,
      at_ms: now(),
      live_revision: decision.revision,
      candidate_revision: policy.revision,
      session_id: request.context.session.id,
      subject: request.subject.id,
      action: request.action.name,
      resource: request.resource.id,
      connection: request.resource.properties.connection,
      from,
      to,
    })
  }

  return {
    candidate,
    observe(made) {
      // Not of policy: answers that the candidate could not have changed.
      if (made.decision.reasons[0]?.rule.startsWith('pdp.')) return
      if (!candidate() || random() >= sample) return
      if (waiting.length >= MOST_WAITING) {
        metrics.shadow.inc({ result: 'dropped' })
        return
      }
      waiting.push(made)
      scheduled ??= drain()
    },
    drained: () => scheduled ?? Promise.resolve(),
  }
}
