import type { DecisionRequest } from '../contract/request.ts'
import type { SessionHolder, TaintStore } from '../store/store.ts'
import { requesterOf } from './requester.ts'

/**
 * What a session has seen so far, for rules like "who has read customers sends nothing outside". Policy says what a
 * request adds and when a decision hangs on it; it is looked up only then, and what is added is committed before the
 * decision is given, so before a byte of the answer is released anywhere.
 */
export type Taints = {
  readonly of: (request: DecisionRequest) => Promise<readonly string[]>
  /** @throws when it is not committed: then the request must not be allowed. */
  readonly add: (
    request: DecisionRequest,
    taints: readonly string[],
    by: { readonly decision_id: string; readonly at_ms: number },
  ) => Promise<void>
}

/** Most sessions whose committed taints are remembered. */
const MOST_KNOWN = 10_000

export function createTaints(store: TaintStore): Taints {
  // Taints are never taken back, so what is committed need not be written again.
  let committed = new Map<string, Set<string>>()
  return {
    of: (request) => store.of(holderOf(request)),
    async add(request, taints, by) {
      const holder = holderOf(request)
      const key = JSON.stringify(holder)
      const known = committed.get(key) ?? new Set<string>()
      const fresh = taints.filter((taint) => !known.has(taint))
      if (fresh.length === 0) return
      await store.add(holder, fresh, by)
      if (committed.size >= MOST_KNOWN) committed = new Map()
      committed.set(key, new Set([...known, ...fresh]))
    },
  }
}

const holderOf = (request: DecisionRequest): SessionHolder => ({
  ...requesterOf(request),
  session_id: request.context.session.id,
})

/** Only the decision service knows what a session has seen; whoever else says so is refused. */
export const withTaints = (
  request: DecisionRequest,
  taints: readonly string[],
): DecisionRequest => ({
  ...request,
  context: {
    ...request.context,
    session: { ...request.context.session, taints } as DecisionRequest['context']['session'],
  },
})
