import { randomUUIDv7 } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { DecisionId, Revision } from '../contract/brand.ts'
import { STALE_FACTS_RULE } from '../contract/client.ts'
import type { Decision, Verdict } from '../contract/decision.ts'
import type { ApproveObligation } from '../contract/obligation.ts'
import type { ApprovalContext, DecisionRequest } from '../contract/request.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { ActivePolicy, CurrentPolicy } from '../policy/policy.ts'
import type { ApprovalRow, ApprovalStore } from '../store/store.ts'
import { ask, declaresInputs, deny, shownTo } from './ask.ts'
import { createDecisionCache, type DecisionCache } from './cache.ts'

export type DeciderParts = {
  readonly policy: CurrentPolicy
  readonly approvals: Pick<ApprovalStore, 'approvedFor'>
  readonly metrics: Pick<PdpMetrics, 'decisions' | 'decision_seconds' | 'cache'>
  readonly now: () => number
  /** Told of every decision on a real request, after it was made; must not throw. */
  readonly onDecision?: (made: DecisionMade) => void
}

/** One decision with what it was made of. */
export type DecisionMade = {
  readonly request: DecisionRequest
  /** As policy was asked: with the approval, when there is one. */
  readonly input: unknown
  readonly decision: Decision
  readonly policy: ActivePolicy
  /** Time that policy took, in milliseconds. */
  readonly took_ms: number
}

/** Most memory of cached decisions, of one policy revision. */
const CACHE_BYTES = 32 * 1024 * 1024

export type Decider = {
  /**
   * Decides; looks for an approval only when policy asks for one. Never throws.
   * @param policy for several requests that are to be decided by the same one.
   */
  readonly decide: (request: DecisionRequest, policy?: ActivePolicy) => Decision | Promise<Decision>
  /** What policy says of a request that nobody approved. */
  readonly evaluate: (request: DecisionRequest) => Decision
}

/** Requests to decisions. Whatever goes wrong is a deny whose reason says what. */
export function createDecider(parts: DeciderParts): Decider {
  const { policy: current, approvals, metrics, now, onDecision } = parts
  const caches = new WeakMap<ActivePolicy, DecisionCache>()

  /** Of each policy by itself: what one said is nothing to the next. */
  function cacheOf(policy: ActivePolicy): DecisionCache {
    const known = caches.get(policy)
    if (known) return known
    const made = createDecisionCache(CACHE_BYTES)
    caches.set(policy, made)
    return made
  }

  const decision = (verdict: Verdict, revision: Revision, approval?: string): Decision => ({
    id: randomUUIDv7() as string as DecisionId,
    ...verdict,
    revision,
    ...(approval !== undefined && { approval: { id: approval } }),
  })

  function judge(
    request: DecisionRequest,
    policy: ActivePolicy,
    approval?: ApprovalContext,
  ): Verdict {
    if (request.context.facts_revision !== policy.revision)
      return deny(STALE_FACTS_RULE, 'the facts were made for another policy revision')
    // What an approval decides is never kept.
    if (approval) return ask(policy, shownTo(policy, approvedInput(request, approval)))
    const shown = shownTo(policy, request)
    if (!declaresInputs(policy)) return ask(policy, shown)
    const cache = cacheOf(policy)
    const key = JSON.stringify(shown)
    const known = cache.get(key)
    metrics.cache.inc({ result: known ? 'hit' : 'miss' })
    if (known) return known
    const verdict = ask(policy, shown, key)
    cache.set(key, verdict)
    return verdict
  }

  async function withApproval(
    request: DecisionRequest,
    policy: ActivePolicy,
    first: Verdict,
  ): Promise<{ readonly decision: Decision; readonly approval?: ApprovalContext }> {
    const { action_digest } = request.context
    const wanted = approveObligation(first)
    if (action_digest === undefined || !wanted)
      return { decision: decision(first, policy.revision) }
    let row: ApprovalRow | undefined
    try {
      row = await approvals.approvedFor(requesterOf(request), action_digest, now())
    } catch {
      // Fail closed: an approval that cannot be looked up does not exist.
      const refusal = deny('pdp.store', 'approvals cannot be looked up now; try again later')
      return { decision: decision(refusal, policy.revision) }
    }
    if (!row || !suits(row, wanted)) return { decision: decision(first, policy.revision) }
    const approval: ApprovalContext = {
      id: row.id,
      approvers: row.votes.filter((vote) => vote.approve).map((vote) => vote.approver.id),
      approved_ms: row.decided_ms ?? row.demanded_ms,
    }
    const second = judge(request, policy, approval)
    const made = decision(second, policy.revision, second.effect === 'allow' ? row.id : undefined)
    return { decision: made, approval }
  }

  return {
    evaluate(request) {
      const policy = current()
      return decision(judge(request, policy), policy.revision)
    },
    decide(request, policy = current()) {
      const started = performance.now()
      const first = judge(request, policy)
      const took_ms = performance.now() - started
      metrics.decision_seconds.observe(took_ms / 1000)
      const made = (decision: Decision, approval?: ApprovalContext): Decision => {
        metrics.decisions.inc({ effect: decision.effect })
        const input = approval ? approvedInput(request, approval) : request
        onDecision?.({ request, input, decision, policy, took_ms })
        return decision
      }
      if (first.effect !== 'approve') return made(decision(first, policy.revision))
      return withApproval(request, policy, first).then(({ decision, approval }) =>
        made(decision, approval),
      )
    },
  }
}

const approvedInput = (request: DecisionRequest, approval: ApprovalContext) => ({
  ...request,
  context: { ...request.context, approval },
})

export const requesterOf = ({ subject }: DecisionRequest) => ({
  issuer: subject.properties.issuer,
  type: subject.type,
  id: subject.id,
})

export const approveObligation = ({
  obligations,
}: Pick<Verdict, 'obligations'>): ApproveObligation | undefined =>
  obligations.find((one): one is ApproveObligation => one.kind === 'approve')

/** What was approved under other terms than policy has now does not count. */
function suits(row: ApprovalRow, wanted: ApproveObligation): boolean {
  const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort()
  return (
    row.count >= wanted.count && isDeepStrictEqual(sorted(row.approvers), sorted(wanted.approvers))
  )
}
