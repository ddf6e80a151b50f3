import { frozen } from '../contract/frozen.ts'
import type { Verdict } from '../contract/decision.ts'

/** Verdicts by what policy was shown; bounded, the longest unused go first. Of one policy revision alone. */
export type DecisionCache = {
  readonly get: (key: string) => Verdict | undefined
  /** A verdict that asks for approval is never kept. */
  readonly set: (key: string, verdict: Verdict) => void
}

/** @param mostBytes of keys and about as much for verdicts; half of it is dropped at a time. */
export function createDecisionCache(mostBytes: number): DecisionCache {
  // Two generations: a hit in the old one moves up, and when the young one is full the old one goes.
  let young = new Map<string, Verdict>()
  let old = new Map<string, Verdict>()
  let bytes = 0

  const set = (key: string, verdict: Verdict): void => {
    if (verdict.effect === 'approve') return
    // A key is UTF-16 and a verdict with its objects about as large.
    bytes += 4 * key.length + 512
    if (bytes > mostBytes / 2) {
      old = young
      young = new Map()
      bytes = 4 * key.length + 512
    }
    // Many decisions share it.
    young.set(key, frozen(verdict))
  }
  return {
    get(key) {
      const found = young.get(key)
      if (found) return found
      const before = old.get(key)
      if (before) set(key, before)
      return before
    },
    set,
  }
}
