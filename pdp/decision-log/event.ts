import type { ActivePolicy } from '../policy/policy.ts'

/** One decision as OPA logs it: OPA documentation, "Decision Logs". Values are JSON's. */
export type DecisionEvent = {
  readonly labels: Readonly<Record<string, string>>
  readonly decision_id: string
  readonly batch_decision_id?: string
  readonly bundles: Readonly<Record<string, { readonly revision: string }>>
  /** Of the document, `a/b/c`. */
  readonly path: string
  readonly requested_by?: string
  /** RFC 3339. */
  readonly timestamp: string
  readonly input?: unknown
  readonly result?: unknown
  /** JSON pointers of what the policy's mask took out, and what it replaced. */
  readonly erased?: readonly string[]
  readonly masked?: readonly string[]
  readonly error?: unknown
  readonly metrics: Readonly<Record<string, number>>
}

/** What there is to tell of one decision, with the policy that made it. */
export type Logged = {
  readonly policy: ActivePolicy
  readonly decision_id: string
  readonly batch_decision_id?: string | undefined
  readonly path: string
  readonly requested_by?: string | undefined
  readonly time_ms: number
  readonly input: unknown
  readonly result: unknown
  readonly error?: unknown
  readonly took_ns: number
}

export function eventOf(logged: Logged, labels: Readonly<Record<string, string>>): DecisionEvent {
  const {
    policy,
    decision_id,
    batch_decision_id,
    path,
    requested_by,
    time_ms,
    input,
    result,
    error,
    took_ns,
  } = logged
  return {
    labels,
    decision_id,
    ...(batch_decision_id !== undefined && { batch_decision_id }),
    bundles: Object.fromEntries(policy.bundles.map(({ name, revision }) => [name, { revision }])),
    path,
    ...(requested_by !== undefined && { requested_by }),
    timestamp: new Date(time_ms).toISOString(),
    ...(input !== undefined && { input }),
    ...(result !== undefined && { result }),
    ...(error !== undefined && { error }),
    metrics: { timer_rego_query_eval_ns: took_ns },
  }
}
