import { randomUUIDv7 } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { DecisionId, Revision } from '../contract/brand.ts'
import { STALE_FACTS_RULE } from '../contract/client.ts'
import { type Decision, type Verdict, verdict as verdictShape } from '../contract/decision.ts'
import type { ApproveObligation } from '../contract/obligation.ts'
import type { ApprovalContext, DecisionRequest } from '../contract/request.ts'
import type { Engine } from '../engine/engine.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { ApprovalRow, ApprovalStore } from '../store/store.ts'

/** The rule of the default policy's entrypoint: `data.countersign.decision.decision`. */
export const DECISION_ENTRYPOINT = 'countersign/decision/decision'

export type DeciderParts = {
  readonly engine: Engine
  readonly revision: Revision
  readonly approvals: Pick<ApprovalStore, 'approvedFor'>
  readonly metrics: Pick<PdpMetrics, 'decisions' | 'decision_seconds'>
  readonly now: () => number
}

export type Decider = {
  /** Decides; looks for an approval only when policy asks for one. Never throws. */
  readonly decide: (request: DecisionRequest) => Decision | Promise<Decision>
  /** What policy says of a request that nobody approved. */
  readonly evaluate: (request: DecisionRequest) => Decision
}

/** Requests to decisions. Whatever goes wrong is a deny whose reason says what. */
export function createDecider(parts: DeciderParts): Decider {
  const { engine, revision, approvals, metrics, now } = parts

  const decision = (verdict: Verdict, approval?: string): Decision => ({
    id: randomUUIDv7() as string as DecisionId,
    ...verdict,
    revision,
    ...(approval !== undefined && { approval: { id: approval } }),
  })

  function ask(request: DecisionRequest, approval?: ApprovalContext): Verdict {
    if (request.context.facts_revision !== revision)
      return deny(STALE_FACTS_RULE, 'the facts were made for another policy revision')
    const input = approval ? { ...request, context: { ...request.context, approval } } : request
    const answer = engine.evaluate(DECISION_ENTRYPOINT, input)
    if (!answer.ok)
      return deny('pdp.error', `policy could not be evaluated: ${answer.error.message}`)
    if (answer.value === undefined)
      return deny('pdp.undefined', 'policy says nothing about this request')
    const parsed = verdictShape.safeParse(answer.value)
    return parsed.success
      ? parsed.data
      : deny('pdp.malformed', 'policy answered in a shape that is not a decision')
  }

  function counted(made: Decision): Decision {
    metrics.decisions.inc({ effect: made.effect })
    return made
  }

  async function withApproval(request: DecisionRequest, first: Verdict): Promise<Decision> {
    const { action_digest } = request.context
    const wanted = approveObligation(first)
    if (action_digest === undefined || !wanted) return decision(first)
    let row: ApprovalRow | undefined
    try {
      row = await approvals.approvedFor(requesterOf(request), action_digest, now())
    } catch {
      // Fail closed: an approval that cannot be looked up does not exist.
      return decision(deny('pdp.store', 'approvals cannot be looked up now; try again later'))
    }
    if (!row || !suits(row, wanted)) return decision(first)
    const second = ask(request, {
      id: row.id,
      approvers: row.votes.filter((vote) => vote.approve).map((vote) => vote.approver.id),
      approved_ms: row.decided_ms ?? row.demanded_ms,
    })
    return second.effect === 'allow' ? decision(second, row.id) : decision(second)
  }

  return {
    evaluate: (request) => decision(ask(request)),
    decide(request) {
      const started = performance.now()
      const first = ask(request)
      metrics.decision_seconds.observe((performance.now() - started) / 1000)
      if (first.effect !== 'approve') return counted(decision(first))
      return withApproval(request, first).then(counted)
    },
  }
}

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

export const deny = (rule: string, message: string): Verdict => ({
  effect: 'deny',
  reasons: [{ rule, message }],
  obligations: [],
})
