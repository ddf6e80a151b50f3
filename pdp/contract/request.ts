import { z } from 'zod'
import type { ActionDigest, Revision } from './brand.ts'
import { facts } from './facts.ts'

/**
 * The decision request, in AuthZEN's words (OpenID AuthZEN Authorization API 1.0, §5). Strict: a key that is
 * not named here is refused, `context.approval` above all, which only the PDP sets.
 */

const hex256 = z.string().regex(/^[0-9a-f]{64}$/)

export const subject = z.strictObject({
  /** `user`, `agent`, `service`: from the issuer's claim mapping. */
  type: z.string().min(1).max(64),
  id: z.string().min(1).max(512),
  properties: z.strictObject({
    issuer: z.string().min(1),
    groups: z.array(z.string()),
    /** OAuth scopes of the token (`scope` or `scp`), split at spaces. */
    scopes: z.array(z.string()),
    claims: z.record(z.string(), z.unknown()),
  }),
})

export const action = z.strictObject({
  /** Starts with the protocol: `http.request`, `anthropic.messages.create`, `anthropic.tool_use`, … */
  name: z.string().min(1).max(128),
  properties: z.record(z.string(), z.unknown()).optional(),
})

export const resource = z.strictObject({
  /** Starts with the protocol: `http.path`, `anthropic.model`, `anthropic.tool`, … */
  type: z.string().min(1).max(128),
  id: z.string().max(8192),
  properties: z.strictObject({
    /** The connection of `countersign.yaml` the request goes through. */
    connection: z.string().min(1),
    kind: z.string().min(1),
  }),
})

export const session = z.strictObject({
  /** Derived from issuer, subject and token session; never from what a client says. */
  id: z.string().min(1).max(128),
  /** What the client calls its session. A label, never trusted. */
  label: z.string().max(256).optional(),
})

export const context = z.strictObject({
  /** The clock policy sees: milliseconds since the epoch, so that a decision can be replayed. */
  time_ms: z.int().nonnegative(),
  session,
  source: z.strictObject({
    address: z.string().optional(),
    listener: z.string().optional(),
    user_agent: z.string().max(512).optional(),
    /** Subject of a verified client certificate. */
    client_certificate: z.string().optional(),
  }),
  facts,
  facts_revision: hex256.transform((value) => value as Revision),
  /** sha256 of the canonical action: what an approval would cover. Absent: nothing could be shown whole, so nobody can approve it. */
  action_digest: hex256.transform((value) => value as ActionDigest).optional(),
})

export const decisionRequest = z.strictObject({ subject, action, resource, context })

export type Subject = z.infer<typeof subject>
export type Action = z.infer<typeof action>
export type Resource = z.infer<typeof resource>
export type Context = z.infer<typeof context>
export type DecisionRequest = z.infer<typeof decisionRequest>

/** What the PDP adds to the context of an approved request before it is evaluated again. */
export type ApprovalContext = {
  readonly id: string
  readonly approvers: readonly string[]
  readonly approved_ms: number
}
