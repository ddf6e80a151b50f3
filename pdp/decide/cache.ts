import { frozen } from '../contract/frozen.ts'
import type { Verdict } from '../contract/decision.ts'
import { createGenerations } from './generations.ts'

/** Verdicts by what policy was shown; bounded, the longest unused go first. Of one policy revision alone. */
export type DecisionCache = {
  readonly get: (key: string) => Verdict | undefined
  /** A verdict that asks for approval is never kept. */
  readonly set: (key: string, verdict: Verdict) => void
}

/** @param mostBytes of keys and about as much for verdicts; half of it is dropped at a time. */
export function createDecisionCache(mostBytes: number): DecisionCache {
  const kept = createGenerations<Verdict>(mostBytes, verdictBytes)
  return {
    get: kept.get,
    set(key, verdict) {
      if (verdict.effect === 'approve') return
      // Many decisions share it.
      kept.set(key, frozen(verdict))
    },
  }
}

/** A key is UTF-16 and a verdict with its objects about as large. */
export const verdictBytes = (key: string): number => 4 * key.length + 512
