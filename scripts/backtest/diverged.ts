import { isDeepStrictEqual } from 'node:util'
import type { Verdict } from '../../pdp/contract/decision.ts'
import type { ActivePolicy } from '../../pdp/policy/policy.ts'
import type { RecordedInput } from './format.ts'

/** Most sessions that are remembered of a policy; past that, all of them count as diverged. */
const MOST_SESSIONS = 100_000

/** Sessions that would have seen something else under another policy, from what it adds where both allow. */
export type Diverged = {
  readonly has: (policy: ActivePolicy, input: RecordedInput) => boolean
  readonly note: (policy: ActivePolicy, input: RecordedInput, own: Verdict, other: Verdict) => void
}

export function createDiverged(): Diverged {
  const sessions = new WeakMap<ActivePolicy, Set<string>>()
  return {
    has(policy, input) {
      const known = sessions.get(policy)
      // Fail closed: of sessions that are not remembered nothing is known.
      return known !== undefined && (known.size >= MOST_SESSIONS || known.has(sessionOf(input)))
    },
    note(policy, input, own, other) {
      if (own.effect !== 'allow' || other.effect !== 'allow') return
      if (isDeepStrictEqual(own.flow?.adds, other.flow?.adds)) return
      let known = sessions.get(policy)
      if (!known) sessions.set(policy, (known = new Set()))
      if (known.size < MOST_SESSIONS) known.add(sessionOf(input))
    },
  }
}

/** As the store of taints has it: issuer, subject and token session. */
const sessionOf = ({ subject, context }: RecordedInput): string =>
  JSON.stringify([subject.properties.issuer, subject.type, subject.id, context.session.id])
