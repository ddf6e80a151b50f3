import { hash } from 'node:crypto'
import { z } from 'zod'
import type { Revision } from '../contract/brand.ts'
import type { DecisionRequest } from '../contract/request.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { forgery } from './forgery.ts'

/** AuthZEN's information model, Authorization API 1.0 §5. What is not named here is ignored, as it asks. */
const properties = z.record(z.string(), z.unknown())
const subject = z.object({ type: z.string(), id: z.string(), properties: properties.optional() })
const resource = z.object({ type: z.string(), id: z.string(), properties: properties.optional() })
const action = z.object({ name: z.string(), properties: properties.optional() })
export const evaluation = z.object({ subject, action, resource, context: properties.optional() })
export type Evaluation = z.infer<typeof evaluation>

export const evaluations = z.object({
  subject: subject.optional(),
  action: action.optional(),
  resource: resource.optional(),
  context: properties.optional(),
  options: z
    .object({
      evaluations_semantic: z
        .enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
        .default('execute_all'),
    })
    .prefault({}),
  evaluations: z.array(z.record(z.string(), z.unknown())).max(1000).optional(),
})

/** Nobody extracted facts from what the caller holds; a policy may accept that for a caller by this name. */
export const NO_FACTS = 'authzen: facts were not extracted'

/**
 * What policy is asked about an AuthZEN evaluation: what the caller said, and in place of what it did not say, values
 * that claim nothing.
 */
export function toDecisionRequest(
  asked: Evaluation,
  revision: Revision,
  now_ms: number,
): Result<DecisionRequest, string> {
  const forged = forgery(asked)
  if (forged !== undefined) return err(forged)
  // Approvals are bound to what an enforcement point showed; a digest of the caller's own is none of that.
  const { action_digest: _, ...context } = asked.context ?? {}
  const { time_ms } = context
  const session = hash('sha256', JSON.stringify([asked.subject.type, asked.subject.id]))
  // The contract's shape where policy and approvals need it; properties are the caller's own.
  return ok({
    subject: {
      type: asked.subject.type,
      id: asked.subject.id,
      properties: { issuer: '', groups: [], scopes: [], claims: {}, ...asked.subject.properties },
    },
    action: asked.action,
    resource: {
      type: asked.resource.type,
      id: asked.resource.id,
      properties: {
        connection: asked.resource.type,
        kind: 'authzen',
        ...asked.resource.properties,
      },
    },
    context: {
      session: { id: session },
      source: {},
      facts: { detectors: {}, phrases: [], paths: {}, incomplete: [NO_FACTS] },
      facts_revision: revision,
      ...context,
      time_ms: Number.isSafeInteger(time_ms) ? time_ms : now_ms,
    },
  } as DecisionRequest)
}
