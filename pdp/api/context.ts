import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import type { Registry } from 'prom-client'
import type { Approvals } from '../approvals/approvals.ts'
import type { Identity } from '../../identity/claims.ts'
import type { ActiveProfile } from '../contract/profile.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { Records } from '../records/records.ts'
import { type RetentionRule, type Store, StoreError } from '../store/store.ts'
import type { Administration } from '../evidence/administration.ts'
import type { Checkpointer } from '../evidence/checkpointer.ts'
import type { Reader } from '../evidence/reader.ts'
import type { SinkStatus } from '../evidence/sinks/webhook.ts'
import type { Steps } from '../evidence/steps.ts'
import type { Log } from '../../server/log.ts'
import { contentTypes, decode, encode, formatOf, readBytes, wantedFormat } from './body.ts'
import type { Callers } from './callers.ts'
import type { Health } from './health.ts'
import { bodyOf, type Problem, problem } from './problem.ts'

/** What every surface is given, and how it reads and answers. */
export type Api = Hono<{ Bindings: HttpBindings }>

export type ApiParts = {
  readonly callers: Callers
  readonly approvals: Approvals
  readonly records: Records
  readonly sessions: Store['sessions']
  readonly log: Store['log']
  readonly erasure: Store['erasure']
  readonly report: Store['report']
  readonly policies: Store['policies']
  readonly keys: Store['keys']
  /** Name of the log. */
  readonly origin: string
  /** Verifier keys that its checkpoints are signed for. */
  readonly vkeys: readonly string[]
  readonly reader: Reader
  readonly steps: Steps
  readonly administration: Administration
  readonly checkpoints: Checkpointer
  /** How sinks of the log stand, by name. */
  readonly sinks: () => Readonly<Record<string, SinkStatus>>
  readonly retention: readonly RetentionRule[]
  /** Groups that may read sessions. */
  readonly auditors: readonly string[]
  readonly profile: () => ActiveProfile
  readonly health: () => Promise<Health>
  readonly registry: Registry
  readonly now: () => number
  /** Tells operators. */
  readonly tell: Log
}

export type ApiContext = Context<{ Bindings: HttpBindings }>

/** Answers in the format that the caller wants. */
export function reply(
  c: ApiContext,
  value: unknown,
  status: 200 | Problem['status'] = 200,
): Response {
  const { incoming } = c.env
  const format = wantedFormat(
    incoming.headers.accept,
    formatOf(incoming.headers['content-type']) ?? 'json',
  )
  const headers: Record<string, string> = {
    'content-type': contentTypes[format],
    'cache-control': 'no-store',
  }
  // What was not read would be taken for the next request.
  if (!incoming.complete) headers['connection'] = 'close'
  return new Response(encode(format, value) as Uint8Array<ArrayBuffer>, { status, headers })
}

export const refuse = (c: ApiContext, refusal: Problem): Response =>
  reply(c, bodyOf(refusal), refusal.status)

/** Reads and parses a body of either format. @param most bytes of it; default 16 MiB. */
export async function bodyOfRequest(
  c: ApiContext,
  most?: number,
): Promise<Result<unknown, Problem>> {
  const { incoming } = c.env
  const format = formatOf(incoming.headers['content-type'])
  if (!format)
    return err(problem(415, 'PDP_BAD_REQUEST', 'send application/json or application/msgpack'))
  const bytes = await readBytes(incoming, most)
  return bytes.ok ? decode(format, bytes.value) : bytes
}

/** A person of one of these groups. */
export async function personOf(
  c: ApiContext,
  { callers }: Pick<ApiParts, 'callers'>,
  groups?: readonly string[],
): Promise<Result<Identity, Problem>> {
  const person = await callers.person(c.env.incoming)
  if (!person.ok || groups === undefined) return person
  const allowed = person.value.subject.properties.groups.some((group) => groups.includes(group))
  return allowed
    ? ok(person.value)
    : err(problem(403, 'PDP_FORBIDDEN', `only members of ${groups.join(', ')} may see this`))
}

/** Answers from the store; without it there is no answer. */
export async function stored(c: ApiContext, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return refuse(c, problem(503, 'PDP_UNAVAILABLE', `the store does not answer: ${error.message}`))
  }
}
