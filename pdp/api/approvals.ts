import { z } from 'zod'
import type { ApprovalDemand, ApprovalUse } from '../contract/approval.ts'
import { approvalState } from '../contract/approval.ts'
import type { PdpError } from '../contract/client.ts'
import { decisionRequest } from '../contract/request.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { ShownApproval, Voted } from '../approvals/approvals.ts'
import type { Requester } from '../store/store.ts'
import type { Identity } from '../../identity/claims.ts'
import {
  type Api,
  type ApiContext,
  type ApiParts,
  bodyOfRequest,
  personOf,
  refuse,
  reply,
} from './context.ts'
import { malformed, type Problem, problem, problemOf } from './problem.ts'

/** Longest wait of one long poll, milliseconds. */
const MAX_WAIT_MS = 60_000

const canonicalAction = z.looseObject({ type: z.string(), connection: z.string() })

export const demandBody = z.strictObject({
  request: decisionRequest,
  // Its digest tells whether it is what was decided on; its shape is the enforcement point's.
  action: canonicalAction,
  operation_id: z.string().min(1).max(128),
})

export const useBody = z.strictObject({
  action_digest: z.string().regex(/^[0-9a-f]{64}$/),
  decision_id: z.string().min(1).max(128),
  revision: z.string().min(1).max(128),
  operation_id: z.string().min(1).max(128),
})

export const voteBody = z.strictObject({
  /** Of the action that the approver was shown. */
  action_digest: z.string().regex(/^[0-9a-f]{64}$/),
  comment: z.string().max(2000).optional(),
})

const listQuery = z.object({
  state: approvalState.optional(),
  before: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

/** Enforcement points ask for approvals and use them; people see and decide them. */
export function approvalRoutes(app: Api, parts: ApiParts): void {
  const { approvals, callers } = parts

  app.post('/v1/approvals', async (c) => {
    const asked = await fromPep(c, parts, demandBody)
    if (!asked.ok) return refuse(c, asked.error)
    return answer(c, await approvals.demand(asked.value as unknown as ApprovalDemand))
  })

  app.post('/v1/approvals/:id/use', async (c) => {
    const used = await fromPep(c, parts, useBody)
    if (!used.ok) return refuse(c, used.error)
    return answer(c, await approvals.use({ ...used.value, id: c.req.param('id') } as ApprovalUse))
  })

  app.get('/v1/approvals', async (c) => {
    const person = await personOf(c, parts)
    if (!person.ok) return refuse(c, person.error)
    const query = listQuery.safeParse(c.req.query())
    if (!query.success) return refuse(c, malformed(query.error))
    const { state, before, limit } = query.data
    const found = await approvals.list({
      limit,
      groups: groupsOf(person.value),
      ...(state && { state }),
      ...(before !== undefined && { before }),
    })
    return found.ok ? reply(c, found.value) : refuse(c, problemOf(found.error))
  })

  app.get('/v1/approvals/:id/detail', async (c) => {
    const seen = await visible(c, parts)
    return seen.ok ? reply(c, seen.value.row) : refuse(c, seen.error)
  })

  app.get('/v1/approvals/:id', async (c) => {
    const caller = callers.pep(c.env.incoming)
    if (!caller.ok) return refuse(c, caller.error)
    const wait_ms = Math.min(Math.max(Number(c.req.query('wait_ms') ?? 0) || 0, 0), MAX_WAIT_MS)
    return answer(c, await approvals.wait(c.req.param('id'), wait_ms, c.req.raw.signal))
  })

  for (const [verb, approve] of [
    ['approve', true],
    ['deny', false],
  ] as const) {
    app.post(`/v1/approvals/:id/${verb}`, async (c) => {
      const seen = await visible(c, parts)
      if (!seen.ok) return refuse(c, seen.error)
      const body = await bodyOfRequest(c)
      const vote = body.ok ? voteBody.safeParse(body.value) : undefined
      if (!body.ok) return refuse(c, body.error)
      if (!vote?.success) return refuse(c, malformed(vote?.error))
      const { action_digest, comment } = vote.data
      const result = await approvals.vote({
        id: seen.value.row.id,
        action_digest,
        approver: requesterOf(seen.value.person),
        approve,
        ...(comment !== undefined && { comment }),
      })
      if (!result.ok) return refuse(c, problemOf(result.error))
      return result.value.ok
        ? reply(c, result.value.approval)
        : refuse(c, voteProblem(result.value.reason))
    })
  }
}

async function fromPep<T>(
  c: ApiContext,
  { callers }: ApiParts,
  shape: z.ZodType<T>,
): Promise<Result<T, Problem>> {
  const caller = callers.pep(c.env.incoming)
  if (!caller.ok) return caller
  const body = await bodyOfRequest(c)
  if (!body.ok) return body
  const parsed = shape.safeParse(body.value)
  return parsed.success ? ok(parsed.data) : err(malformed(parsed.error))
}

/** The approval of the path, when this person may decide it. Others do not learn that there is one. */
async function visible(
  c: ApiContext,
  parts: ApiParts,
): Promise<Result<{ row: ShownApproval; person: Identity }, Problem>> {
  const person = await personOf(c, parts)
  if (!person.ok) return person
  const found = await parts.approvals.find(c.req.param('id') ?? '')
  if (!found.ok) return err(problemOf(found.error))
  const groups = groupsOf(person.value)
  const row = found.value
  if (!row?.approvers.some((group) => groups.includes(group)))
    return err(problem(404, 'PDP_NOT_FOUND', 'there is no such approval that you may decide'))
  return ok({ row, person: person.value })
}

function answer<T>(c: ApiContext, result: Result<T, PdpError>): Response {
  return result.ok ? reply(c, result.value) : refuse(c, problemOf(result.error))
}

const groupsOf = ({ subject }: Identity): readonly string[] => subject.properties.groups

const requesterOf = ({ subject }: Identity): Requester => ({
  issuer: subject.properties.issuer,
  type: subject.type,
  id: subject.id,
})

const refusals = {
  unknown: problem(404, 'PDP_NOT_FOUND', 'there is no such approval'),
  digest_differs: problem(
    409,
    'PDP_REFUSED',
    'the action is not the one you were shown; look again',
  ),
  requester: problem(403, 'PDP_FORBIDDEN', 'nobody decides on their own request'),
  already_voted: problem(409, 'PDP_REFUSED', 'you have decided on this already'),
  not_pending: problem(409, 'PDP_REFUSED', 'it is decided already, or has expired'),
  unreadable: problem(
    409,
    'PDP_REFUSED',
    'what was asked for cannot be shown, so nobody can approve it',
  ),
} as const satisfies Record<Refusal, Problem>

type Refusal = Extract<Voted, { ok: false }>['reason']

const voteProblem = (reason: Refusal): Problem => refusals[reason]
