/** Only the decision service says that something was approved; whoever else says so is refused. */
export const FORGED_APPROVAL = 'context.approval is set by the decision service alone; leave it out'

export function claimsApproval(input: unknown): boolean {
  const { context } = (input ?? {}) as { readonly context?: unknown }
  return typeof context === 'object' && context !== null && Object.hasOwn(context, 'approval')
}
