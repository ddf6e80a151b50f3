import type { Verdict } from '../../pdp/contract/decision.ts'
import { frozen } from '../../pdp/contract/frozen.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { ApproveObligation } from '../../pdp/contract/obligation.ts'
import { ask, DECISION_ENTRYPOINT, deny, shownTo } from '../../pdp/decide/ask.ts'
import { verdictBytes } from '../../pdp/decide/cache.ts'
import { approvedInput, approveObligation, suits } from '../../pdp/decide/decide.ts'
import { createGenerations, type Generations } from '../../pdp/decide/generations.ts'
import { withTaints } from '../../pdp/decide/taints.ts'
import type { ActivePolicy } from '../../pdp/policy/policy.ts'
import type { RecordedInput } from './format.ts'

/** Most memory of answers that are kept of one policy. */
const KEPT_BYTES = 48 * 1024 * 1024

export type Evaluator = {
  /** What policy says of exactly this input. */
  readonly ask: (policy: ActivePolicy, input: RecordedInput) => Verdict
  /** Evaluations that were made, and answers that were known: of a policy that was shown the same. */
  readonly counts: () => { readonly evaluated: number; readonly known: number }
}

/** Asks a policy once for all that it is shown alike; approvals as well, since nothing is forwarded here. */
export function createEvaluator(): Evaluator {
  const caches = new WeakMap<ActivePolicy, Generations<Verdict>>()
  let evaluated = 0
  let known = 0
  // Two policies that declare the same paths are shown the same of one input, which then is made into text once.
  let last:
    | { readonly input: RecordedInput; readonly paths: string; readonly text: string }
    | undefined

  function cacheOf(policy: ActivePolicy): Generations<Verdict> {
    const found = caches.get(policy)
    if (found) return found
    const made = createGenerations<Verdict>(KEPT_BYTES, verdictBytes)
    caches.set(policy, made)
    return made
  }

  return {
    ask(policy, input) {
      const paths = declared(policy)
      let text = last?.input === input && last.paths === paths ? last.text : undefined
      let shown: unknown
      if (text === undefined) {
        shown = shownTo(policy, input)
        text = JSON.stringify(shown)
        last = { input, paths, text }
      }
      const cache = cacheOf(policy)
      const found = cache.get(text)
      if (found) {
        known += 1
        return found
      }
      evaluated += 1
      const verdict = frozen(ask(policy, shown ?? shownTo(policy, input), text))
      cache.set(text, verdict)
      return verdict
    },
    counts: () => ({ evaluated, known }),
  }
}

const declarations = new WeakMap<ActivePolicy, string>()

/** The paths of the input that a policy declares, as a key. */
function declared(policy: ActivePolicy): string {
  let key = declarations.get(policy)
  if (key === undefined) {
    key = policy.index.inputs[DECISION_ENTRYPOINT]?.join('\n') ?? '*'
    declarations.set(policy, key)
  }
  return key
}

/** Whether a policy sees which revision the facts were made under. */
const seesRevision = (policy: ActivePolicy): boolean =>
  declared(policy)
    .split('\n')
    .some((path) => ['*', '', 'context', 'context.facts_revision'].includes(path))

/** An input as it would have come under another policy: with facts of its profile, under its revision. */
export function inputFor(
  policy: ActivePolicy,
  input: RecordedInput,
  facts: RecordedInput['context']['facts'],
): RecordedInput {
  if (facts === input.context.facts && !seesRevision(policy)) return input
  return { ...input, context: { ...input.context, facts, facts_revision: policy.revision } }
}

/** What the decision service knew of a request beside the request. */
export type Known = {
  /** Terms that the recorded approval was asked for under; `undefined`: that cannot be told. */
  readonly terms: () => ApproveObligation | undefined
  /** Whether the session would have seen something else under this policy than under the one that decided. */
  readonly diverged: () => boolean
}

/**
 * What another policy would have decided, with the taints and the approval of then: the way of `createDecider`, with what
 * is on record in place of the store.
 */
export function decideAgain(
  evaluator: Evaluator,
  policy: ActivePolicy,
  input: RecordedInput,
  { terms, diverged }: Known,
): Result<Verdict, 'taints_not_recorded' | 'taints_differ' | 'approval_terms'> {
  const { taints } = input.context.session
  const { approval } = input.context
  const bare = withoutMore(input)
  let asked = bare
  let verdict = evaluator.ask(policy, bare)
  if (verdict.flow?.asks) {
    if (taints === undefined) return err('taints_not_recorded')
    if (diverged()) return err('taints_differ')
    asked = withTaints(bare, taints)
    verdict = evaluator.ask(policy, asked)
    if (verdict.flow?.asks) return ok(deny('pdp.malformed', 'policy asks for what it was told'))
  }
  const wanted = approveObligation(verdict)
  if (verdict.effect !== 'approve' || !wanted || !approval) return ok(verdict)
  const granted = terms()
  if (!granted) return err('approval_terms')
  // Who approved are as many as had to: voting ends with the last one.
  const row = { approvers: [...granted.approvers], count: approval.approvers.length }
  if (!suits(row, wanted)) return ok(verdict)
  return ok(evaluator.ask(policy, approvedInput(asked, approval) as RecordedInput))
}

/** A request as the enforcement point sent it: without what only the decision service tells policy. */
export function withoutMore(input: RecordedInput): RecordedInput {
  const { approval, session, ...context } = input.context
  if (approval === undefined && session.taints === undefined) return input
  const { taints: _, ...rest } = session
  return { ...input, context: { ...context, session: rest } }
}
