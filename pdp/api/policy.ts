import { z } from 'zod'
import type { JournalRecord } from '../contract/record.ts'
import { explain, valuesByPath } from '../decide/explain.ts'
import type { ActivePolicy, CurrentPolicy } from '../policy/policy.ts'
import { shownDifferences } from '../evidence/shown.ts'
import type { Store } from '../store/store.ts'
import { type Api, type ApiParts, personOf, refuse, reply, stored } from './context.ts'
import { problem } from './problem.ts'

export type PolicyApiParts = ApiParts & {
  readonly policy: CurrentPolicy
  readonly shadow: Store['shadow']
  /** The candidate that runs beside the live policy; `undefined`: none. */
  readonly candidate: () => { readonly revision: string } | undefined
}

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  candidate: z.string().max(128).optional(),
})

/** What decided, and what would have: `/v1/decisions/:id/explanation`, `/v1/shadow`; for people of an auditor group. */
export function policyRoutes(app: Api, parts: PolicyApiParts): void {
  app.get('/v1/decisions/:id/explanation', async (c) => {
    const person = await personOf(c, parts, parts.auditors)
    if (!person.ok) return refuse(c, person.error)
    return stored(c, async () => {
      const found = await parts.sessions.decision(c.req.param('id'))
      if (!found)
        return refuse(c, problem(404, 'PDP_NOT_FOUND', 'no decision of this id is on record yet'))
      const leaf = JSON.parse(found.leaf) as Readonly<Record<string, unknown>>
      const opened = await parts.reader.open(leaf, found.sealed)
      if (!opened.ok) return refuse(c, problem(409, 'PDP_UNREADABLE', opened.error.message))
      const record = opened.value
      if (record.kind !== 'intent' && record.kind !== 'decision')
        throw new Error('a decision is of an intent or a decision')
      const policy = parts.policy()
      const { revision } = record.decision
      return reply(c, {
        time_ms: record.time_ms,
        // Of what is active now; the caller sees when that is not what decided.
        same_revision: revision === policy.revision,
        ...(await explained(parts, policy, record)),
      })
    })
  })

  app.get('/v1/shadow', async (c) => {
    const person = await personOf(c, parts, parts.auditors)
    if (!person.ok) return refuse(c, person.error)
    const query = listQuery.safeParse(c.req.query())
    if (!query.success)
      return refuse(c, problem(400, 'PDP_BAD_REQUEST', z.prettifyError(query.error)))
    const { limit, candidate } = query.data
    return stored(c, async () =>
      reply(c, {
        live: parts.policy().revision,
        candidate: parts.candidate()?.revision ?? null,
        differences: await shownDifferences(
          parts.steps,
          await parts.shadow.list({ limit, ...(candidate !== undefined && { candidate }) }),
        ),
      }),
    )
  })
}

type Decided = Extract<JournalRecord, { readonly kind: 'intent' | 'decision' }>

/**
 * Why, with every value masked. What cannot be masked is not shown, and no path that the masked request does not have:
 * names of parameters and of tools' inputs are the agent's.
 */
async function explained(
  { steps }: ApiParts,
  policy: ActivePolicy,
  record: Decided,
): Promise<Readonly<Record<string, unknown>>> {
  const { decision, request } = record
  const explanation = explain(policy, request)
  const again = explanation.verdict.reasons
  // The messages of both go through the mask as one record's.
  const reasons = [...decision.reasons, ...again]
  const masked = await steps.masked({ ...record, decision: { ...decision, reasons } })
  const shown = masked.ok && 'decision' in masked.value ? masked.value : undefined
  const messages =
    shown?.decision.reasons ?? reasons.map(({ rule }) => ({ rule, message: 'not shown' }))
  const values = shown ? valuesByPath(policy, shown.request) : new Map<string, unknown>()
  const now = messages.slice(decision.reasons.length)
  return {
    decision: { ...decision, reasons: messages.slice(0, decision.reasons.length) },
    ...(shown ? { request: shown.request } : {}),
    ...(masked.ok ? {} : { unreadable: masked.error }),
    explanation: {
      ...explanation,
      verdict: { ...explanation.verdict, reasons: now },
      rules: explanation.rules.map((rule, at) => ({
        ...rule,
        message: now[at]?.message ?? 'not shown',
      })),
      inputs: explanation.inputs.map((input) => ({
        ...input,
        ...(values.has(input.path)
          ? { value: values.get(input.path) }
          : { path: 'not shown', value: 'not shown' }),
      })),
    },
  }
}
