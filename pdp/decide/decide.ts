import { randomUUIDv7 } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { isAdministrative } from '../contract/administration.ts'
import type { DecisionId, Revision } from '../contract/brand.ts'
import { STALE_FACTS_RULE } from '../contract/client.ts'
import type { Decision, Verdict } from '../contract/decision.ts'
import type { ApproveObligation } from '../contract/obligation.ts'
import type { ApprovalContext, DecisionRequest } from '../contract/request.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { ActivePolicy, CurrentPolicy } from '../policy/policy.ts'
import type { ApprovalRow, ApprovalStore } from '../store/store.ts'
import { ask, declaresInputs, deny, isFailure, shownTo } from './ask.ts'
import { requesterOf } from './requester.ts'
import { type Taints, withTaints } from './taints.ts'
import { createDecisionCache, type DecisionCache } from './cache.ts'

export type DeciderParts = {
  readonly policy: CurrentPolicy
  readonly approvals: Pick<ApprovalStore, 'approvedFor'>
  readonly taints: Taints
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
  readonly evaluate: (request: DecisionRequest) => Promise<Decision>
}

/** Requests to decisions. Whatever goes wrong is a deny whose reason says what. */
export function createDecider(parts: DeciderParts): Decider {
  const { policy: current, approvals, taints, metrics, now, onDecision } = parts
  const caches = new WeakMap<ActivePolicy, DecisionCache>()

  /** Of each policy by itself: what one said is nothing to the next. */
  function cacheOf(policy: ActivePolicy): DecisionCache {
    const known = caches.get(policy)
    if (known) return known
    const made = createDecisionCache(CACHE_BYTES)
    caches.set(policy, made)
    return made
  }

  const decision = (judged: Judged, revision: Revision): Decision => {
    const { flow: _, ...verdict } = judged.verdict
    return {
      id: randomUUIDv7() as string as DecisionId,
      ...verdict,
      revision,
      ...(judged.taints && { taints: [...judged.taints] }),
      ...(judged.approval && {
        approval: { ...judged.approval, approvers: [...judged.approval.approvers] },
      }),
    }
  }

  function judge(
    request: DecisionRequest,
    policy: ActivePolicy,
    approval?: ApprovalContext,
  ): Judged {
    // Whoever asks here, it is not the service itself: see administer.ts.
    if (isAdministrative(request))
      return judged(
        request,
        deny('pdp.administration', 'administrative actions are decided inside the service alone'),
      )
    if (request.context.facts_revision !== policy.revision)
      return judged(
        request,
        deny(STALE_FACTS_RULE, 'the facts were made for another policy revision'),
      )
    const input = approval ? approvedInput(request, approval) : request
    const shown = shownTo(policy, input)
    // What an approval decides is never kept.
    if (approval || !declaresInputs(policy)) return judged(input, ask(policy, shown))
    const key = keyOf(shown)
    if (key === undefined) return judged(input, ask(policy, shown))
    const cache = cacheOf(policy)
    const known = cache.get(key)
    metrics.cache.inc({ result: known ? 'hit' : 'miss' })
    if (known) return judged(input, known)
    const verdict = ask(policy, shown, key)
    // A failure of ours may be over with the next request.
    if (!isFailure(verdict)) cache.set(key, verdict)
    return judged(input, verdict)
  }

  /** Asks again, with what the session has seen. */
  async function judgeWithTaints(
    request: DecisionRequest,
    policy: ActivePolicy,
    approval?: ApprovalContext,
  ): Promise<Judged> {
    let seen: readonly string[]
    try {
      seen = await taints.of(request)
    } catch {
      // Fail closed: what cannot be looked up may be anything.
      return judged(request, deny('pdp.store', 'what the session has seen cannot be looked up now'))
    }
    const again = judge(withTaints(request, seen), policy, approval)
    if (again.verdict.flow?.asks)
      return judged(request, deny('pdp.malformed', 'policy asks for what it was told'))
    return { ...again, taints: seen }
  }

  async function withApproval(
    request: DecisionRequest,
    policy: ActivePolicy,
    first: Judged,
  ): Promise<Judged> {
    const { action_digest } = request.context
    const wanted = approveObligation(first.verdict)
    if (action_digest === undefined || !wanted) return first
    let row: ApprovalRow | undefined
    try {
      row = await approvals.approvedFor(requesterOf(request), action_digest, now())
    } catch {
      // Fail closed: an approval that cannot be looked up does not exist.
      return judged(
        request,
        deny('pdp.store', 'approvals cannot be looked up now; try again later'),
      )
    }
    if (!row || !suits(row, wanted)) return first
    const approval: ApprovalContext = {
      id: row.id,
      approvers: row.votes.filter((vote) => vote.approve).map((vote) => vote.approver.id),
      approved_ms: row.decided_ms ?? row.demanded_ms,
    }
    const second = first.taints
      ? judge(withTaints(request, first.taints), policy, approval)
      : judge(request, policy, approval)
    const rests = second.verdict.effect === 'allow' && { approval }
    return { ...second, ...(first.taints && { taints: first.taints }), ...rests }
  }

  /** Puts what the session will have seen into the store. */
  async function commit(
    request: DecisionRequest,
    made: Judged,
    given: Decision,
  ): Promise<Decision> {
    try {
      const by = { decision_id: given.id, at_ms: now() }
      await taints.add(request, made.verdict.flow?.adds ?? [], by)
      return given
    } catch {
      // Fail closed: what nobody will remember is not shown.
      const refusal = deny('pdp.store', 'what the session sees cannot be kept now; try again later')
      return { ...decision(judged(request, refusal), given.revision), id: given.id }
    }
  }

  return {
    async evaluate(request) {
      const policy = current()
      const first = judge(request, policy)
      const made = first.verdict.flow?.asks ? await judgeWithTaints(request, policy) : first
      return decision(made, policy.revision)
    },
    decide(request, policy = current()) {
      const started = performance.now()
      const first = judge(request, policy)
      const took_ms = performance.now() - started
      metrics.decision_seconds.observe(took_ms / 1000)
      const told = (given: Decision, { input }: Judged): Decision => {
        metrics.decisions.inc({ effect: given.effect })
        onDecision?.({ request, input, decision: given, policy, took_ms })
        return given
      }
      const { effect, flow } = first.verdict
      if (effect !== 'approve' && !flow) return told(decision(first, policy.revision), first)
      return finish(request, policy, first).then(({ made, given }) => told(given, made))
    },
  }

  /** All that needs the store. */
  async function finish(
    request: DecisionRequest,
    policy: ActivePolicy,
    first: Judged,
  ): Promise<{ readonly made: Judged; readonly given: Decision }> {
    let made = first.verdict.flow?.asks ? await judgeWithTaints(request, policy) : first
    if (made.verdict.effect === 'approve') made = await withApproval(request, policy, made)
    const given = decision(made, policy.revision)
    const adds = made.verdict.effect === 'allow' && made.verdict.flow?.adds !== undefined
    return { made, given: adds ? await commit(request, made, given) : given }
  }
}

/** What policy said, and of what. */
type Judged = {
  /** As policy was asked: with approval and taints, where there are any. */
  readonly input: unknown
  readonly verdict: Verdict
  readonly taints?: readonly string[]
  /** The approval that it rests on. */
  readonly approval?: ApprovalContext
}

/** @returns `undefined` for what has no JSON: policy is asked all the same, and says why not. */
function keyOf(shown: unknown): string | undefined {
  try {
    return JSON.stringify(shown)
  } catch {
    return undefined
  }
}

const judged = (input: unknown, verdict: Verdict): Judged => ({ input, verdict })

export const approvedInput = (request: DecisionRequest, approval: ApprovalContext) => ({
  ...request,
  context: { ...request.context, approval },
})

export const approveObligation = ({
  obligations,
}: Pick<Verdict, 'obligations'>): ApproveObligation | undefined =>
  obligations.find((one): one is ApproveObligation => one.kind === 'approve')

/** What was approved under other terms than policy has now does not count. */
export function suits(
  row: Pick<ApprovalRow, 'approvers' | 'count'>,
  wanted: ApproveObligation,
): boolean {
  const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort()
  return (
    row.count >= wanted.count && isDeepStrictEqual(sorted(row.approvers), sorted(wanted.approvers))
  )
}
