import { z } from 'zod'
import type { Decision } from '../contract/decision.ts'
import type { DecisionRequest } from '../contract/request.ts'
import { assertNever, err, ok, type Result } from '../contract/result.ts'
import { approveObligation } from '../decide/decide.ts'
import type { ActivePolicy, CurrentPolicy } from '../policy/policy.ts'
import { type Evaluation, evaluation, evaluations, toDecisionRequest } from './authzen-input.ts'
import { readBytes } from './body.ts'
import { createBreather } from './breather.ts'
import type { Callers } from './callers.ts'
import type { Api, ApiContext } from './context.ts'
import { readJsonDocument } from './json-document.ts'

/** OpenID AuthZEN Authorization API 1.0: evaluation, evaluations and metadata. Searches are not offered. */

export type AuthzenParts = {
  readonly callers: Callers
  readonly policy: CurrentPolicy
  readonly decide: (request: DecisionRequest, policy: ActivePolicy) => Decision | Promise<Decision>
  readonly now: () => number
  /** Where this service is reached; for the metadata. */
  readonly url: (c: ApiContext) => string
}

type Status = 200 | 400 | 401 | 403 | 405 | 413 | 415 | 500

export function authzenRoutes(app: Api, parts: AuthzenParts): void {
  app.post('/access/v1/evaluation', (c) => answer(c, parts, one))
  app.post('/access/v1/evaluations', (c) => answer(c, parts, several))
  app.on(
    ['GET', 'PUT', 'PATCH', 'DELETE'],
    ['/access/v1/evaluation', '/access/v1/evaluations'],
    (c) => reply(c, 'use POST', 405),
  )
  app.get('/.well-known/authzen-configuration', (c) => {
    const url = parts.url(c)
    return reply(c, {
      policy_decision_point: url,
      access_evaluation_endpoint: `${url}/access/v1/evaluation`,
      access_evaluations_endpoint: `${url}/access/v1/evaluations`,
    })
  })
}

type Handle = (body: unknown, parts: AuthzenParts) => Promise<Result<unknown, string>>

async function answer(c: ApiContext, parts: AuthzenParts, handle: Handle): Promise<Response> {
  const caller = parts.callers.client(c.env.incoming, 'authzen')
  if (!caller.ok) return reply(c, caller.error.message, caller.error.status === 403 ? 403 : 401)
  const { incoming } = c.env
  if (
    !/^application\/json *(?:; *charset="?utf-8"? *)?$/i.test(
      incoming.headers['content-type'] ?? '',
    )
  )
    return reply(c, 'send application/json in UTF-8', 400)
  const bytes = await readBytes(incoming)
  if (!bytes.ok) return reply(c, bytes.error.message, bytes.error.status === 413 ? 413 : 400)
  const read = decoded(bytes.value)
  if (!read.ok) return reply(c, read.error, 400)
  const result = await handle(read.value, parts)
  return result.ok ? reply(c, result.value) : reply(c, result.error, 400)
}

function decoded(bytes: Uint8Array): Result<unknown, string> {
  try {
    const read = readJsonDocument(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return read.ok ? ok(read.value.value) : err(read.error)
  } catch {
    return err('the body is not UTF-8')
  }
}

/** §6: one evaluation. */
async function one(body: unknown, parts: AuthzenParts): Promise<Result<unknown, string>> {
  const asked = evaluation.safeParse(body)
  if (!asked.success) return err(z.prettifyError(asked.error))
  const request = toDecisionRequest(asked.data, parts.policy().revision, parts.now())
  return request.ok ? ok(decisionBody(await parts.decide(request.value, parts.policy()))) : request
}

/** §7: several, by one policy, in order; what an item does not say is taken whole from the top. */
async function several(body: unknown, parts: AuthzenParts): Promise<Result<unknown, string>> {
  const asked = evaluations.safeParse(body)
  if (!asked.success) return err(z.prettifyError(asked.error))
  const { evaluations: items = [], options, ...defaults } = asked.data
  if (items.length === 0) return one(body, parts)
  const policy = parts.policy()
  const answers: unknown[] = []
  const breathe = createBreather()
  for (const item of items) {
    const made = await evaluateItem({ ...defaults, ...item }, parts, policy)
    answers.push(made)
    await breathe()
    if (endsBatch(options.evaluations_semantic, made.decision)) break
  }
  return ok({ evaluations: answers })
}

function endsBatch(
  semantic: z.infer<typeof evaluations>['options']['evaluations_semantic'],
  decision: boolean,
): boolean {
  switch (semantic) {
    case 'execute_all':
      return false
    case 'deny_on_first_deny':
      return !decision
    case 'permit_on_first_permit':
      return decision
    default:
      return assertNever(semantic)
  }
}

/** An item that is not understood is denied by itself, §7.2: the others are decided all the same. */
async function evaluateItem(
  item: unknown,
  parts: AuthzenParts,
  policy: ActivePolicy,
): Promise<DecisionBody> {
  const asked = evaluation.safeParse(item)
  const request: Result<DecisionRequest, string> = asked.success
    ? toDecisionRequest(asked.data satisfies Evaluation, policy.revision, parts.now())
    : err(z.prettifyError(asked.error))
  return request.ok
    ? decisionBody(await parts.decide(request.value, policy))
    : { decision: false, context: { error: { status: 400, message: request.error } } }
}

type DecisionBody = { readonly decision: boolean; readonly context: Record<string, unknown> }

/**
 * §5.5. Obligations of an allow are in `context.obligations`, `{ id, type, properties }` each: a caller that cannot keep
 * one must not let the request through. What waits for a person is a denial with `context.access_request`.
 */
function decisionBody({
  id,
  effect,
  reasons,
  obligations,
  revision,
  approval,
}: Decision): DecisionBody {
  const terms = effect === 'approve' ? approveObligation({ obligations }) : undefined
  return {
    decision: effect === 'allow',
    context: {
      id,
      revision,
      reason_user: { en: reasons.map(({ message }) => message).join(' ') },
      reason_admin: { en: reasons.map(({ rule }) => rule).join(' ') },
      ...(approval && { approval }),
      ...(effect === 'allow' && {
        obligations: obligations.map(({ kind, ...properties }, at) => ({
          id: `${id}/${at}`,
          type: kind,
          properties,
        })),
      }),
      ...(terms && {
        access_request: {
          requestable: true,
          approvers: terms.approvers,
          count: terms.count,
          valid_s: terms.valid_s,
        },
      }),
    },
  }
}

function reply(c: ApiContext, value: unknown, status: Status = 200): Response {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
  }
  const id = c.req.header('x-request-id')
  if (id !== undefined && /^[\u0020-\u007e]{1,256}$/.test(id)) headers['x-request-id'] = id
  // What was not read would be taken for the next request.
  if (!c.env.incoming.complete) headers['connection'] = 'close'
  return new Response(JSON.stringify(value), { status, headers })
}
