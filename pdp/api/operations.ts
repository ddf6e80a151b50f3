import { z } from 'zod'
import { approvalStatus } from '../contract/approval.ts'
import { decision } from '../contract/decision.ts'
import { extractionProfile } from '../contract/profile.ts'
import { recordAck } from '../contract/record.ts'
import { decisionRequest } from '../contract/request.ts'
import { demandBody, useBody, voteBody } from './approvals.ts'
import { evaluation, evaluations } from './authzen-input.ts'
import {
  decisionsBody,
  eraseBody,
  exportBody,
  holdBody,
  releaseBody,
  retainBody,
} from './evidence.ts'
import { reasonBody } from './sessions.ts'

/** Every operation of the API, as its document tells of it; a test holds it against the routes. */
export type Operation = {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** As in OpenAPI: `{id}`. */
  readonly path: string
  readonly tag:
    | 'Decisions'
    | 'OPA'
    | 'AuthZEN'
    | 'Approvals'
    | 'Records'
    | 'Evidence'
    | 'Policy'
    | 'Service'
  readonly summary: string
  /** Whose token it takes; none: anybody's. */
  readonly caller?: 'pep' | 'client' | 'person'
  readonly query?: Readonly<Record<string, string>>
  readonly body?: z.ZodType
  readonly answer?: z.ZodType
}

const anything = z.unknown()
const flags = {
  pretty: 'indents the answer',
  provenance: 'adds which bundles answered',
  metrics: 'adds how long it took',
  'strict-builtin-errors': 'makes an error of a builtin an error of the query',
}
const opaAnswer = z.object({ decision_id: z.string(), result: anything.optional() })
const authzenAnswer = z.object({
  decision: z.boolean(),
  context: z.record(z.string(), anything).optional(),
})

export const operations: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/decide',
    tag: 'Decisions',
    summary: 'Decide one request, or up to 1,000 in order by one policy; JSON or MessagePack.',
    caller: 'client',
    body: z.union([decisionRequest, z.array(decisionRequest).max(1000)]),
    answer: z.union([decision, z.array(decision)]),
  },
  {
    method: 'get',
    path: '/v1/profile',
    tag: 'Decisions',
    summary: 'What an enforcement point must extract, with the revision it belongs to.',
    caller: 'pep',
    answer: z.object({ revision: z.string(), profile: extractionProfile }),
  },
  ...(['get', 'post'] as const).flatMap((method) =>
    ['/v1/data', '/v1/data/{path}'].map((path): Operation => ({
      method,
      path,
      tag: 'OPA',
      summary: 'The document at a path, as in OPA’s Data API.',
      caller: 'client',
      query: { ...(method === 'get' && { input: 'the input document, JSON' }), ...flags },
      ...(method === 'post' && { body: z.object({ input: anything.optional() }) }),
      answer: opaAnswer,
    })),
  ),
  {
    method: 'post',
    path: '/v1/batch/data/{path}',
    tag: 'OPA',
    summary: 'The document for several inputs, all by one policy.',
    caller: 'client',
    body: z.object({ inputs: z.record(z.string(), anything) }),
    answer: z.object({ batch_decision_id: z.string(), responses: z.record(z.string(), opaAnswer) }),
  },
  ...['/v0/data', '/v0/data/{path}'].map((path): Operation => ({
    method: 'post',
    path,
    tag: 'OPA',
    summary: 'The bare document; the body is the input.',
    caller: 'client',
    body: anything,
    answer: anything,
  })),
  {
    method: 'post',
    path: '/',
    tag: 'OPA',
    summary: 'The default decision; the body is the input.',
    caller: 'client',
    body: anything,
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/policies',
    tag: 'OPA',
    summary: 'Sources of the active policy.',
    caller: 'client',
    answer: z.object({ result: z.array(z.object({ id: z.string(), raw: z.string() })) }),
  },
  {
    method: 'get',
    path: '/v1/policies/{id}',
    tag: 'OPA',
    summary: 'One source.',
    caller: 'client',
    answer: z.object({ result: z.object({ id: z.string(), raw: z.string() }) }),
  },
  ...(['put', 'patch', 'delete'] as const).flatMap((method) =>
    ['/v1/data', '/v1/data/{path}', '/v1/policies/{id}'].map((path): Operation => ({
      method,
      path,
      tag: 'OPA',
      summary: 'Always 405: policy and data come in bundles alone.',
      caller: 'client',
    })),
  ),
  {
    method: 'post',
    path: '/access/v1/evaluation',
    tag: 'AuthZEN',
    summary: 'One access evaluation, Authorization API 1.0 §6.',
    caller: 'client',
    body: evaluation,
    answer: authzenAnswer,
  },
  {
    method: 'post',
    path: '/access/v1/evaluations',
    tag: 'AuthZEN',
    summary: 'Several access evaluations, §7.',
    caller: 'client',
    body: evaluations,
    answer: z.object({ evaluations: z.array(authzenAnswer) }),
  },
  ...(['get', 'put', 'patch', 'delete'] as const).flatMap((method) =>
    ['/access/v1/evaluation', '/access/v1/evaluations'].map((path): Operation => ({
      method,
      path,
      tag: 'AuthZEN',
      summary: 'Always 405: use POST.',
    })),
  ),
  {
    method: 'get',
    path: '/.well-known/authzen-configuration',
    tag: 'AuthZEN',
    summary: 'Where the endpoints are, §9.',
    answer: z.record(z.string(), z.string()),
  },
  {
    method: 'post',
    path: '/v1/approvals',
    tag: 'Approvals',
    summary: 'Ask for the approval of one action.',
    caller: 'pep',
    body: demandBody,
    answer: approvalStatus,
  },
  {
    method: 'post',
    path: '/v1/approvals/{id}/use',
    tag: 'Approvals',
    summary: 'Use an approval up: at most one caller ever may.',
    caller: 'pep',
    body: useBody,
    answer: approvalStatus,
  },
  {
    method: 'get',
    path: '/v1/approvals',
    tag: 'Approvals',
    summary: 'What waits for the person who asks.',
    caller: 'person',
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/approvals/{id}',
    tag: 'Approvals',
    summary: 'How an approval stands; waits for a change when asked.',
    caller: 'pep',
    query: { wait_ms: 'longest time to wait for a change' },
    answer: approvalStatus,
  },
  {
    method: 'get',
    path: '/v1/approvals/{id}/detail',
    tag: 'Approvals',
    summary: 'The whole action that is asked for.',
    caller: 'person',
    answer: anything,
  },
  ...['approve', 'deny'].map((verb): Operation => ({
    method: 'post',
    path: `/v1/approvals/{id}/${verb}`,
    tag: 'Approvals',
    summary: `A person’s answer: ${verb}.`,
    caller: 'person',
    body: voteBody,
    answer: anything,
  })),
  {
    method: 'post',
    path: '/v1/records',
    tag: 'Records',
    summary: 'Frames of an enforcement point’s journal; MessagePack.',
    caller: 'pep',
    body: anything,
    answer: recordAck,
  },
  {
    method: 'get',
    path: '/v1/sessions',
    tag: 'Records',
    summary: 'Sessions of agents, the newest first.',
    caller: 'person',
    query: { limit: 'how many', subject: 'of this subject', label: 'called so by the client' },
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/sessions/{id}/steps',
    tag: 'Records',
    summary: 'Every step of a session, masked; raw for who unmasked it.',
    caller: 'person',
    query: { limit: 'how many', after: 'index of the last leaf seen', unmask: 'what unmask gave' },
    answer: anything,
  },
  {
    method: 'post',
    path: '/v1/sessions/{id}/unmask',
    tag: 'Records',
    summary:
      'Unmask a session for oneself, for fifteen minutes; policy decides, and it is on record.',
    caller: 'person',
    body: reasonBody,
    answer: z.object({ id: z.string(), unmask: z.int(), until_ms: z.int() }),
  },
  {
    method: 'get',
    path: '/v1/evidence',
    tag: 'Evidence',
    summary: 'How the log stands: size, checkpoints, anchors, sinks, holds.',
    caller: 'person',
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/evidence/checkpoint',
    tag: 'Evidence',
    summary: 'The newest checkpoint, a signed note; text.',
    caller: 'person',
  },
  {
    method: 'get',
    path: '/v1/evidence/leaves/{index}',
    tag: 'Evidence',
    summary: 'A leaf, and the proof that it is in the tree (RFC 6962 §2.1.1).',
    caller: 'person',
    query: { size: 'of the tree; the newest checkpoint’s when not said' },
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/evidence/consistency',
    tag: 'Evidence',
    summary: 'The proof that one tree is the beginning of another (RFC 6962 §2.1.2).',
    caller: 'person',
    query: { from: 'size of the one', to: 'size of the other' },
    answer: z.object({ from: z.int(), to: z.int(), hashes: z.array(z.string()) }),
  },
  {
    method: 'post',
    path: '/v1/evidence/export',
    tag: 'Evidence',
    summary: 'Leaves with proofs and checkpoints, lines of JSON; with sealed bytes if policy lets.',
    caller: 'person',
    body: exportBody,
  },
  {
    method: 'post',
    path: '/v1/evidence/decisions',
    tag: 'Evidence',
    summary: 'Recorded decisions with their inputs, lines of JSON; policy decides.',
    caller: 'person',
    body: decisionsBody,
  },
  {
    method: 'post',
    path: '/v1/evidence/erase',
    tag: 'Evidence',
    summary: 'Erase what was recorded of a session, for good; policy decides.',
    caller: 'person',
    body: eraseBody,
    answer: anything,
  },
  {
    method: 'post',
    path: '/v1/evidence/holds',
    tag: 'Evidence',
    summary: 'Hold a session or a connection: nothing of it is erased; policy decides.',
    caller: 'person',
    body: holdBody,
    answer: anything,
  },
  {
    method: 'post',
    path: '/v1/evidence/holds/release',
    tag: 'Evidence',
    summary: 'End a hold; policy decides.',
    caller: 'person',
    body: releaseBody,
    answer: z.object({ id: z.string() }),
  },
  {
    method: 'post',
    path: '/v1/evidence/retention',
    tag: 'Evidence',
    summary: 'What the rules of retention erase; with apply, erase it. Policy decides.',
    caller: 'person',
    body: retainBody,
    answer: anything,
  },
  {
    method: 'post',
    path: '/v1/evidence/resume',
    tag: 'Evidence',
    summary: 'Sign again after an alarm; policy decides.',
    caller: 'person',
    body: reasonBody,
    answer: z.object({ resumed: z.boolean() }),
  },
  {
    method: 'get',
    path: '/v1/evidence/report',
    tag: 'Records',
    summary: 'Figures of the log over a period, each with its query.',
    caller: 'person',
    query: {
      from_ms: 'milliseconds since the epoch',
      to_ms: 'the same; not part of the period any more',
    },
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/decisions/{id}/explanation',
    tag: 'Policy',
    summary: 'Why a recorded decision was made.',
    caller: 'person',
    answer: anything,
  },
  {
    method: 'get',
    path: '/v1/shadow',
    tag: 'Policy',
    summary: 'Decisions that the candidate policy would have made differently.',
    caller: 'person',
    query: { limit: 'how many', candidate: 'of this revision' },
    answer: anything,
  },
  {
    method: 'get',
    path: '/health',
    tag: 'Service',
    summary:
      'Whether it lives; with `ready`, whether policy and store are there; with `bundles`, whether all are active.',
    query: { ready: '', bundles: '' },
    answer: anything,
  },
  { method: 'get', path: '/metrics', tag: 'Service', summary: 'Prometheus metrics, as text.' },
  {
    method: 'get',
    path: '/openapi.json',
    tag: 'Service',
    summary: 'This document.',
    answer: anything,
  },
  { method: 'get', path: '/docs', tag: 'Service', summary: 'This document, to be read.' },
]
