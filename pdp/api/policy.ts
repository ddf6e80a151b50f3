import { Unpackr } from 'msgpackr'
import { z } from 'zod'
import { explain } from '../decide/explain.ts'
import type { CurrentPolicy } from '../policy/policy.ts'
import type { Store } from '../store/store.ts'
import { type Api, type ApiParts, personOf, refuse, reply, stored } from './context.ts'
import { problem } from './problem.ts'

export type PolicyApiParts = ApiParts & {
  readonly policy: CurrentPolicy
  readonly shadow: Store['shadow']
  /** The candidate that runs beside the live policy; `undefined`: none. */
  readonly candidate: () => { readonly revision: string } | undefined
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

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
      const { request, decision } = unpackr.unpack(found.payload) as {
        readonly request: unknown
        readonly decision: { readonly id: string; readonly revision: string }
      }
      const policy = parts.policy()
      return reply(c, {
        decision,
        time_ms: found.time_ms,
        // Of what is active now; the caller sees when that is not what decided.
        same_revision: decision.revision === policy.revision,
        request,
        explanation: explain(policy, request),
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
        differences: await parts.shadow.list({
          limit,
          ...(candidate !== undefined && { candidate }),
        }),
      }),
    )
  })
}
