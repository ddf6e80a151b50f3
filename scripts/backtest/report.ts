import type { Verdict } from '../../pdp/contract/decision.ts'
import { CHANGE_KINDS, type ChangeKind, changeOf, rulesIn } from '../../pdp/decide/change.ts'
import type { Recorded, RecordedVerdict } from './format.ts'
import { UNDECIDABLE, type Undecidable } from './undecidable.ts'

/** What a candidate would have changed of recorded decisions. Every decision is counted in exactly one of the parts. */
export type Report = {
  readonly candidate: {
    readonly name: string
    readonly revision: string
    /** Live bundles that stay beside it. */
    readonly beside: readonly string[]
  }
  /** Revision that it is compared with: that of the newest decision. */
  readonly live: string | undefined
  readonly first_ms: number | undefined
  readonly last_ms: number | undefined
  /** Of all that are there, those that were asked for by time and session. */
  readonly decisions: number
  readonly unchanged: number
  readonly changed: { readonly [K in ChangeKind]: number }
  /** Not the recorded answer when their own revision is asked again. */
  readonly defects: number
  /** Failures of the decision service, by their rule: no policy said so. */
  readonly not_policy: Readonly<Record<string, number>>
  /** Of revisions that cannot be asked again. */
  readonly unavailable: readonly UnavailableRevision[]
  readonly undecidable: readonly UndecidableGroup[]
  /** The loudest first, then by count. */
  readonly by_rule: readonly RuleGroup[]
  readonly by_subject: readonly SubjectGroup[]
  readonly defect_examples: readonly Defect[]
  /** Groups past the bound, whose decisions are counted above and not shown. */
  readonly left_out: { readonly rules: number; readonly subjects: number }
  /** Evaluations that were made, and those that were not because a policy had been shown the same before. */
  readonly evaluations: { readonly evaluated: number; readonly known: number }
}

export type Said = {
  readonly effect: Verdict['effect']
  readonly rules: readonly string[]
  readonly obligations: readonly unknown[]
}

export type Example = {
  readonly decision_id: string
  readonly time_ms: number
  readonly session_id: string
  readonly subject: string
  readonly action: string
  readonly connection: string
  readonly resource: string
}

export type RuleGroup = {
  readonly kind: ChangeKind
  readonly from: Said
  readonly to: Said
  readonly count: number
  readonly examples: readonly Example[]
}

export type SubjectGroup = {
  readonly kind: ChangeKind
  readonly subject: { readonly issuer: string; readonly type: string; readonly id: string }
  readonly from: Verdict['effect']
  readonly to: Verdict['effect']
  readonly count: number
  readonly examples: readonly Example[]
}

export type UndecidableGroup = {
  readonly reason: Undecidable
  readonly message: string
  readonly count: number
  readonly examples: readonly Example[]
}

export type UnavailableRevision = {
  readonly revision: string
  readonly why: string
  readonly count: number
  /** Its bundle answers its own test otherwise than when it was built, which is a defect. */
  readonly fails_its_test: boolean
}

export type Defect = Example & {
  readonly revision: string
  readonly why: string
  readonly recorded: Said
  readonly evaluated?: Said
}

/** Most groups that are kept apart; what comes beside is counted. */
const MOST_GROUPS = 2000
const MOST_SUBJECTS = 10_000
const MOST_DEFECTS = 100

export type Tally = {
  readonly decision: (recorded: Recorded) => void
  readonly notPolicy: (rule: string) => void
  readonly unavailable: (revision: string, why: string, failsItsTest: boolean) => void
  readonly undecidable: (recorded: Recorded, reason: Undecidable) => void
  readonly defect: (recorded: Recorded, why: string, evaluated?: Verdict) => void
  /** Both as policies gave them, not copies: pairs are told by identity. */
  readonly compared: (recorded: Recorded, from: Verdict, to: Verdict) => void
  readonly report: (about: Pick<Report, 'candidate' | 'live' | 'evaluations'>) => Report
}

type Counted<T> = T & { count: number; examples: Example[] }

/** @param examples most of each group. */
export function createTally(examples: number): Tally {
  const changed = { 'new allow': 0, 'new approval': 0, 'new deny': 0, 'other duties': 0 }
  const notPolicy = new Map<string, number>()
  const unavailable = new Map<string, UnavailableRevision & { count: number }>()
  const undecidable = new Map<Undecidable, Counted<Pick<UndecidableGroup, 'reason' | 'message'>>>()
  const rules = new Map<string, Counted<Pick<RuleGroup, 'kind' | 'from' | 'to'>>>()
  const subjects = new Map<
    string,
    Counted<Pick<SubjectGroup, 'kind' | 'subject' | 'from' | 'to'>>
  >()
  const defectExamples: Defect[] = []
  const leftOut = { rules: 0, subjects: 0 }
  let [decisions, unchanged, defects] = [0, 0, 0]
  let [first, last]: (number | undefined)[] = []

  // Policies have few answers, and give the same object for the same.
  const pairs = new WeakMap<Verdict, WeakMap<Verdict, Pair>>()
  function pairOf(from: Verdict, to: Verdict): Pair {
    let known = pairs.get(from)
    if (!known) pairs.set(from, (known = new WeakMap()))
    let pair = known.get(to)
    if (!pair) {
      const kind = changeOf(from, to)
      pair = kind ? { kind, key: JSON.stringify([kind, saidOf(from), saidOf(to)]) } : undefined
      known.set(to, pair ?? SAME)
    }
    return pair ?? SAME
  }

  function count<T>(
    groups: Map<string, Counted<T>>,
    most: number,
    key: string,
    recorded: Recorded,
    make: () => T,
  ): boolean {
    let group = groups.get(key)
    if (!group) {
      if (groups.size >= most) return false
      groups.set(key, (group = { ...make(), count: 0, examples: [] }))
    }
    group.count += 1
    if (group.examples.length < examples) group.examples.push(exampleOf(recorded))
    return true
  }

  return {
    decision({ time_ms }) {
      decisions += 1
      first = Math.min(first ?? time_ms, time_ms)
      last = Math.max(last ?? time_ms, time_ms)
    },
    notPolicy(rule) {
      notPolicy.set(rule, (notPolicy.get(rule) ?? 0) + 1)
    },
    unavailable(revision, why, fails_its_test) {
      const known = unavailable.get(revision)
      if (known) known.count += 1
      else unavailable.set(revision, { revision, why, fails_its_test, count: 1 })
    },
    undecidable(recorded, reason) {
      count(undecidable, Infinity, reason, recorded, () => ({
        reason,
        message: UNDECIDABLE[reason],
      }))
    },
    defect(recorded, why, evaluated) {
      defects += 1
      if (defectExamples.length >= Math.max(examples, MOST_DEFECTS)) return
      defectExamples.push({
        ...exampleOf(recorded),
        revision: recorded.revision,
        why,
        recorded: saidOf(recorded.verdict),
        ...(evaluated && { evaluated: saidOf(evaluated) }),
      })
    },
    compared(recorded, from, to) {
      const { kind, key } = pairOf(from, to)
      if (kind === undefined) {
        unchanged += 1
        return
      }
      changed[kind] += 1
      const byRule = count(rules, MOST_GROUPS, key, recorded, () => ({
        kind,
        from: saidOf(from),
        to: saidOf(to),
      }))
      if (!byRule) leftOut.rules += 1
      const { type, id, properties } = recorded.input.subject
      const subject = { issuer: properties.issuer, type, id }
      const name = JSON.stringify([subject, kind, from.effect, to.effect])
      const bySubject = count(subjects, MOST_SUBJECTS, name, recorded, () => ({
        kind,
        subject,
        from: from.effect,
        to: to.effect,
      }))
      if (!bySubject) leftOut.subjects += 1
    },
    report: (about) => ({
      ...about,
      first_ms: first,
      last_ms: last,
      decisions,
      unchanged,
      changed: { ...changed },
      defects,
      not_policy: Object.fromEntries(notPolicy),
      unavailable: [...unavailable.values()],
      undecidable: [...undecidable.values()].toSorted((a, b) => b.count - a.count),
      by_rule: loudestFirst(rules.values()),
      by_subject: loudestFirst(subjects.values()),
      defect_examples: defectExamples,
      left_out: leftOut,
    }),
  }
}

type Pair = { readonly kind: ChangeKind | undefined; readonly key: string }
const SAME: Pair = { kind: undefined, key: '' }

const loudestFirst = <T extends { readonly kind: ChangeKind; readonly count: number }>(
  groups: Iterable<T>,
): T[] =>
  [...groups].sort(
    (a, b) => CHANGE_KINDS.indexOf(a.kind) - CHANGE_KINDS.indexOf(b.kind) || b.count - a.count,
  )

const saidOf = (verdict: RecordedVerdict): Said => ({
  effect: verdict.effect,
  rules: rulesIn(verdict),
  obligations: verdict.obligations,
})

const exampleOf = ({ decision_id, time_ms, input }: Recorded): Example => ({
  decision_id,
  time_ms,
  session_id: input.context.session.id,
  subject: input.subject.id,
  action: input.action.name,
  connection: input.resource.properties.connection,
  resource: input.resource.id,
})

/** Whether the record is not what its policies say. */
export const isDefective = ({ defects, unavailable }: Report): boolean =>
  defects > 0 || unavailable.some(({ fails_its_test }) => fails_its_test)

/** Decisions that change. */
export const changesIn = ({ changed }: Report): number =>
  CHANGE_KINDS.reduce((sum, kind) => sum + changed[kind], 0)
