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

/** What policy returns; the PDP adds `id` and `revision`. */
export const verdict = z.strictObject({
  effect,
  reasons: z.array(reason),
  obligations: z.array(obligation),
})

export const decision = z.strictObject({
  id: z.string().transform((value) => value as DecisionId),
  effect,
  reasons: z.array(reason),
  obligations: z.array(obligation),
  revision: z.string().transform((value) => value as Revision),
  /** The approved approval that this decision rests on; it is consumed before anything is forwarded. */
  approval: z.strictObject({ id: z.string() }).optional(),
})

export type Reason = z.infer<typeof reason>
export type Verdict = z.infer<typeof verdict>
export type Decision = z.infer<typeof decision>
