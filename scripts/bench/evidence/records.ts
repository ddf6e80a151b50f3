import { createHash, randomUUID } from 'node:crypto'
import type { DecisionId, Revision } from '../../../pdp/contract/brand.ts'
import type { JournalRecord } from '../../../pdp/contract/record.ts'
import type { DecisionRequest } from '../../../pdp/contract/request.ts'
import { answerBody, decisionInput } from '../workload.ts'

/** What an enforcement point writes down, as it is measured. */

const REVISION = createHash('sha256').update('bench').digest('hex')
/** Of a request's body. */
const BODY_BYTES = 2048
const SESSIONS = 20
/** Every so many operations one is followed by a tool call in its reply. */
const TOOL_CALL_EVERY = 5

/**
 * Records of operations in turn: an intent with a body of 2 KB, a chunk with an answer of 1 KB, an outcome; after every
 * fifth a decision about a tool call. No two bodies are the same.
 * @param name of the enforcement point.
 * @param now milliseconds since the epoch.
 */
export function* recordsOf(name: string, now: () => number): Generator<JournalRecord, never> {
  const input = decisionInput(REVISION) as DecisionRequest
  for (let n = 0; ; n += 1) {
    const session_id = `${name}-session-${n % SESSIONS}`
    const request = {
      ...input,
      context: {
        ...input.context,
        session: { id: session_id, label: `task ${n % SESSIONS}` },
      },
    }
    const operation_id = randomUUID()
    const described = { ...decided(request), operation_id, time_ms: now() }
    const body = Buffer.from(
      `{"n":"${randomUUID()}","text":"`.padEnd(BODY_BYTES - 2, 'a few words ') + '"}',
    )
    const exchange = {
      method: 'POST',
      target: '/customers',
      headers: [
        ['content-type', 'application/json'],
        ['user-agent', 'bench'],
      ] as [string, string][],
      body_bytes: body.length,
      body_sha256: createHash('sha256').update(body).digest('hex'),
      body,
    }
    yield { kind: 'intent', ...described, exchange }
    const following = { operation_id, session_id, connection: 'customers' }
    const answer = Buffer.from(answerBody.replace('4711', String(n)))
    const at_ms = now()
    yield {
      kind: 'chunk',
      ...following,
      time_ms: at_ms,
      direction: 'delivered',
      offset: 0,
      pieces: [[at_ms, answer.length]],
      body: answer,
    }
    yield {
      kind: 'outcome',
      ...following,
      time_ms: now(),
      result: 'completed',
      status: 200,
      headers: [['content-type', 'application/json']],
      bytes_in: answer.length,
      bytes_out: answer.length,
      masked: { email: 1 },
      observed: {},
    }
    if (n % TOOL_CALL_EVERY === 0)
      yield {
        kind: 'decision',
        ...described,
        operation_id: randomUUID(),
        parent_id: operation_id,
        time_ms: now(),
        exchange: { body_bytes: 0 },
      }
  }
}

const decided = (request: DecisionRequest) => ({
  connection: 'customers',
  request,
  decision: {
    id: randomUUID() as DecisionId,
    effect: 'allow' as const,
    reasons: [{ rule: 'http_paths', message: 'agents may create customers' }],
    obligations: [{ kind: 'record' as const, body: 'full' as const }],
    revision: REVISION as Revision,
  },
  masked: {},
  observed: {},
})
