import { frozen } from '../contract/frozen.ts'
import { type Verdict, verdict as verdictShape } from '../contract/decision.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import { createProjection, type Projection } from './projection.ts'

/** The rule of the default policy's entrypoint: `data.countersign.decision.decision`. */
export const DECISION_ENTRYPOINT = 'countersign/decision/decision'

const projections = new WeakMap<ActivePolicy, Projection>()

function projectionOf(policy: ActivePolicy): Projection {
  const known = projections.get(policy)
  if (known) return known
  const made = createProjection(policy.index.inputs[DECISION_ENTRYPOINT])
  projections.set(policy, made)
  return made
}

/** Whether all that policy is shown of a request decides, so that its answer may be kept. */
export const declaresInputs = (policy: ActivePolicy): boolean => projectionOf(policy).partial

/** What policy is shown of a request: what it declares, and the approval that the decision service found. */
export function shownTo(policy: ActivePolicy, input: unknown): unknown {
  const shown = projectionOf(policy).show(input)
  const { context } = (input ?? {}) as { readonly context?: { readonly approval?: unknown } | null }
  if (context?.approval === undefined) return shown
  const part = shown as { readonly context?: object }
  return { ...part, context: { ...part.context, approval: context.approval } }
}

/**
 * What policy says of what it is shown. Fail closed: whatever is no verdict is a deny that says what was wrong.
 * @param text the same as JSON, where it was made already.
 */
export function ask(policy: ActivePolicy, shown: unknown, text?: string): Verdict {
  const answer = policy.evaluate(
    DECISION_ENTRYPOINT,
    shown,
    text === undefined ? undefined : { text },
  )
  if (!answer.ok) return deny('pdp.error', `policy could not be evaluated: ${answer.error.message}`)
  if (answer.value === undefined)
    return deny('pdp.undefined', 'policy says nothing about this request')
  return verdictOf(answer.value)
}

/** The engine gives the same object for the same answer, so that each is checked once. */
const verdicts = new WeakMap<object, Verdict>()

function verdictOf(answer: unknown): Verdict {
  const known = verdicts.get(answer as object)
  if (known) return known
  const parsed = verdictShape.safeParse(answer)
  if (!parsed.success)
    return deny('pdp.malformed', 'policy answered in a shape that is not a decision')
  const verdict = frozen(parsed.data)
  // Of an object that could be altered, nothing is remembered.
  if (Object.isFrozen(answer)) verdicts.set(answer as object, verdict)
  return verdict
}

/** Whether it is no answer of policy. */
export const isFailure = ({ reasons }: Verdict): boolean =>
  reasons.some(({ rule }) => rule.startsWith('pdp.'))

export const deny = (rule: string, message: string): Verdict => ({
  effect: 'deny',
  reasons: [{ rule, message }],
  obligations: [],
})
