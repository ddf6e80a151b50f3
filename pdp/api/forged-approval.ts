/** Only the decision service says what was approved and what a session has seen; whoever else says so is refused. */
export const FORGED_APPROVAL =
  'context.approval and context.session.taints are set by the decision service alone; leave them out'

export function claimsApproval(input: unknown): boolean {
  const { context } = (input ?? {}) as { readonly context?: unknown }
  if (!isObject(context)) return false
  const { session } = context as { readonly session?: unknown }
  return (
    Object.hasOwn(context, 'approval') || (isObject(session) && Object.hasOwn(session, 'taints'))
  )
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
