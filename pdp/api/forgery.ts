import { isAdministrative } from '../contract/administration.ts'

const FORGED_APPROVAL =
  'context.approval and context.session.taints are set by the decision service alone; leave them out'
const FORGED_ADMINISTRATION =
  'actions that begin with countersign., and context.facts.admin, are of the decision service alone'

/**
 * Only the decision service says what was approved, what a session has seen, and what people do to the evidence; whoever
 * else says so is refused.
 * @returns why, or `undefined` for an input, of whatever shape, that claims nothing of it.
 */
export function forgery(input: unknown): string | undefined {
  if (isAdministrative(input)) return FORGED_ADMINISTRATION
  return claimsApproval(input) ? FORGED_APPROVAL : undefined
}

function claimsApproval(input: unknown): boolean {
  const { context } = (input ?? {}) as { readonly context?: unknown }
  if (!isObject(context)) return false
  const { session } = context as { readonly session?: unknown }
  return (
    Object.hasOwn(context, 'approval') || (isObject(session) && Object.hasOwn(session, 'taints'))
  )
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
