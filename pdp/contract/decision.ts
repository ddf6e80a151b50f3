import { z } from 'zod'
import type { DecisionId, Revision } from './brand.ts'
import { obligation } from './obligation.ts'

export const effect = z.enum(['allow', 'deny', 'approve'])

export const reason = z.strictObject({
  /** `rule_id` of the policy rule, or `pdp.*` / `pep.*` when no rule decided. */
  rule: z.string().min(1),
  /** A sentence for the person who reads the refusal. */
  message: z.string(),
})

/** What a decision has to do with the session so far, see `pdp/decide/taints.ts`. */
const flow = z.strictObject({
  /** It hangs on what the session has seen, and policy was not told. */
  asks: z.literal(true).optional(),
  /** What the session has seen once this is allowed. */
  adds: z.array(z.string().min(1).max(64)).max(64).optional(),
})

/** What policy returns; the PDP adds `id` and `revision`. */
export const verdict = z.strictObject({
  effect,
  reasons: z.array(reason),
  obligations: z.array(obligation),
  flow: flow.optional(),
})

export const decision = z.strictObject({
  id: z.string().transform((value) => value as DecisionId),
  effect,
  reasons: z.array(reason),
  obligations: z.array(obligation),
  revision: z.string().transform((value) => value as Revision),
  /** Taints of the session that policy decided with, where it asked for them. */
  taints: z.array(z.string()).optional(),
  /** The approved approval that this decision rests on; it is consumed before anything is forwarded. */
  approval: z
    .strictObject({
      id: z.string(),
      /** As policy was told, so that the decision can be made again from the record: who approved, and when. */
      approvers: z.array(z.string()),
      approved_ms: z.int(),
    })
    .optional(),
})

export type Reason = z.infer<typeof reason>
export type Verdict = z.infer<typeof verdict>
export type Decision = z.infer<typeof decision>
