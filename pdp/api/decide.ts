import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Decision } from '../contract/decision.ts'
import { type DecisionRequest, decisionRequest } from '../contract/request.ts'
import { err, ok, type Result } from '../contract/result.ts'
import {
  contentTypes,
  decode,
  encode,
  type Format,
  formatOf,
  readBytes,
  wantedFormat,
} from './body.ts'
import type { ActivePolicy, CurrentPolicy } from '../policy/policy.ts'
import { createBreather } from './breather.ts'
import type { Callers } from './callers.ts'
import { forgery } from './forgery.ts'
import { bodyOf, type Problem, problem } from './problem.ts'

/** Most requests in one array. */
export const MAX_BATCH = 1000

type DecideParts = {
  readonly callers: Callers
  readonly decide: (request: DecisionRequest, policy: ActivePolicy) => Decision | Promise<Decision>
  readonly policy: CurrentPolicy
}

/**
 * `POST /v1/decide`: one decision request, or an array of them, to decisions in order. On raw Node streams, since
 * this is what enforcement points wait for. Never rejects.
 */
export async function serveDecide(
  { callers, decide, policy }: DecideParts,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const own = formatOf(incoming.headers['content-type'])
  const format = wantedFormat(incoming.headers.accept, own ?? 'json')
  try {
    const answer = await decideAll()
    if (answer.ok) send(outgoing, 200, format, answer.value)
    else refuse(incoming, outgoing, format, answer.error)
  } catch {
    // A defect: no decision, so the enforcement point refuses.
    refuse(incoming, outgoing, format, problem(500, 'PDP_FAILED', 'the decision service failed'))
  }

  async function decideAll(): Promise<Result<Decision | Decision[], Problem>> {
    const caller = callers.client(incoming, 'decide')
    if (!caller.ok) return caller
    if (!own)
      return err(
        problem(415, 'PDP_BAD_REQUEST', 'send application/json or application/msgpack in UTF-8'),
      )
    const bytes = await readBytes(incoming)
    if (!bytes.ok) return bytes
    const body = decode(own, bytes.value)
    if (!body.ok) return body
    if (!Array.isArray(body.value)) {
      const request = check(body.value, '')
      return request.ok ? ok(await decide(request.value, policy())) : request
    }
    if (body.value.length > MAX_BATCH)
      return err(problem(413, 'PDP_TOO_LARGE', `an array may have ${MAX_BATCH} requests`))
    const requests: DecisionRequest[] = []
    for (const [at, item] of body.value.entries()) {
      const request = check(item, `[${at}]`)
      if (!request.ok) return request
      requests.push(request.value)
    }
    const decisions: Decision[] = []
    // One policy for all of them, whatever is activated meanwhile.
    const active = policy()
    const breathe = createBreather()
    // In order; only those that hang on an approval or the session wait for the store.
    for (const request of requests) {
      const decision = decide(request, active)
      decisions.push(decision instanceof Promise ? await decision : decision)
      const turn = breathe()
      if (turn) await turn
    }
    return ok(decisions)
  }
}

function check(value: unknown, at: string): Result<DecisionRequest, Problem> {
  const parsed = decisionRequest.safeParse(value)
  if (parsed.success) {
    const forged = forgery(parsed.data)
    return forged === undefined
      ? ok(parsed.data)
      : err(problem(400, 'PDP_BAD_REQUEST', at === '' ? forged : `${at}: ${forged}`))
  }
  const [issue] = parsed.error.issues
  const path = [at, ...(issue?.path ?? [])].filter((part) => part !== '').join('.')
  const keys = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const message =
    issue?.path.join('.') === 'context' && keys.includes('approval')
      ? 'context.approval is set by the decision service alone; leave it out'
      : `${path || 'the request'}: ${issue?.message ?? 'is not a decision request'}`
  return err(problem(400, 'PDP_BAD_REQUEST', message))
}

function send(outgoing: ServerResponse, status: number, format: Format, value: unknown): void {
  if (outgoing.headersSent || outgoing.destroyed) return
  const bytes = encode(format, value)
  outgoing.writeHead(status, [
    'content-type',
    contentTypes[format],
    'content-length',
    String(bytes.length),
  ])
  outgoing.end(bytes)
}

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  format: Format,
  refusal: Problem,
): void {
  // What was not read would be taken for the next request.
  if (!incoming.complete) outgoing.setHeader('connection', 'close')
  send(outgoing, refusal.status, format, bodyOf(refusal))
}
