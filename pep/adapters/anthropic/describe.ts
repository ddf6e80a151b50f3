import { createHash, randomUUID } from 'node:crypto'
import { type CanonicalAction, canonicalJson } from '../../../pdp/contract/action.ts'
import type { OperationId } from '../../../pdp/contract/brand.ts'
import type { Facts } from '../../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import type { Exchange } from '../../../pdp/contract/record.ts'
import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Header } from '../../core/headers.ts'
import type { Caller, Operation } from '../../core/operation.ts'
import type { Refusal } from '../../core/refusal.ts'
import { anthropicFacts, type MessagesRequest } from '../../facts/anthropic.ts'
import { typeOf } from '../../facts/anthropic-fields.ts'
import { parseStrict } from '../../facts/json-text.ts'
import type { Extraction } from './extraction.ts'
import type { Route } from './route.ts'

/** A request body, read strictly. */
export type ParsedMessages = { readonly text: string; readonly request: MessagesRequest }

/** Parses the body of a Messages API request; what two readers could read differently is refused. */
export function parseMessages(body: Uint8Array): Result<ParsedMessages, Refusal> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return bad('the body is not UTF-8')
  }
  const parsed = parseStrict(text)
  if (!parsed.ok) return bad(`the body is ${parsed.error}`)
  if (!isMessages(parsed.value))
    return bad('the body needs `model`, a string, and `messages`, a list')
  return ok({ text, request: parsed.value })
}

const bad = (message: string): Result<never, Refusal> => err({ code: 'bad_request', message })

function isMessages(value: unknown): value is MessagesRequest {
  if (typeof value !== 'object' || value === null) return false
  const { model, messages } = value as Record<string, unknown>
  return typeof model === 'string' && model !== '' && model.length <= 256 && Array.isArray(messages)
}

/** Values of the `anthropic-beta` header. @param headers with lower-case names. */
export const betasOf = (headers: readonly Header[]): string[] =>
  headers
    .filter(([name]) => name === 'anthropic-beta')
    .flatMap(([, value]) => value.split(','))
    .map((beta) => beta.trim())
    .filter((beta) => beta !== '')

/** What an adapter adds to its own operations. */
export type OperationParts = Pick<Operation, 'caller' | 'connection' | 'signal'> & {
  readonly exchange: Exchange
  readonly extraction: Extraction
  /** Values of the `anthropic-beta` header. */
  readonly betas: readonly string[]
}

const keeps = {
  mask_request: true,
  mask_response: true,
  mask_columns: false,
  restore: 'reply',
  limits: [],
} as const

/** The operation of `POST /v1/messages` and of `count_tokens`. */
export function messagesOperation(
  route: Route,
  { request }: ParsedMessages,
  parts: OperationParts,
): Operation {
  const { caller, connection, exchange, extraction, betas, signal } = parts
  return {
    id: newId(),
    caller: labelled(caller, request),
    connection,
    action: { name: route.action },
    resource: {
      type: 'anthropic.model',
      id: request.model,
      properties: { connection, kind: 'anthropic' },
    },
    extract: (profile) => requestFacts(request, betas, extraction, profile),
    canonical: () => canonicalMessages(connection, route.action, request, betas),
    exchange,
    keeps,
    forwards: true,
    signal,
  }
}

/** The operation of `GET /v1/models` and of one model. */
export function modelsOperation(route: Route, parts: OperationParts): Operation {
  const { caller, connection, exchange, extraction, signal } = parts
  return {
    id: newId(),
    caller,
    connection,
    action: { name: route.action },
    resource: {
      type: 'anthropic.model',
      id: route.model ?? '*',
      properties: { connection, kind: 'anthropic' },
    },
    extract: (profile) => {
      const { incomplete } = extraction(profile)
      return { detectors: {}, phrases: [], paths: {}, incomplete: [...incomplete] }
    },
    // A list that is read changes nothing; nobody is asked for it.
    canonical: () => undefined,
    exchange,
    keeps,
    forwards: true,
    signal,
  }
}

const newId = (): OperationId => randomUUID() as string as OperationId

/** Facts of a Messages API request. @param betas values of the `anthropic-beta` header. */
export function requestFacts(
  request: MessagesRequest,
  betas: readonly string[],
  extraction: Extraction,
  profile: ExtractionProfile,
): Facts {
  const { scan, paths, incomplete } = extraction(profile)
  const about = anthropicFacts(request, betas, scan)
  const found = paths(request)
  return {
    ...about,
    paths: found.paths,
    incomplete: [...about.incomplete, ...found.incomplete, ...incomplete],
  }
}

/** What the client calls its session, when its header did not say: the Agent SDK puts it into `metadata.user_id`. */
function labelled(caller: Caller, request: MessagesRequest): Caller {
  if (caller.session.label !== undefined) return caller
  const label = sessionLabel(request['metadata'])
  return label === undefined ? caller : { ...caller, session: { ...caller.session, label } }
}

/** `{"session_id": "…"}` or `user_…_account_…_session_<uuid>`. */
export function sessionLabel(metadata: unknown): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || !('user_id' in metadata))
    return undefined
  const user = metadata.user_id
  if (typeof user !== 'string' || user.length > 2048) return undefined
  if (user.startsWith('{')) {
    const parsed = parseStrict(user)
    const id = parsed.ok ? (parsed.value as Readonly<Record<string, unknown>>)['session_id'] : ''
    return typeof id === 'string' && isLabel(id) ? id : undefined
  }
  const id = /_session_([0-9a-zA-Z-]+)$/.exec(user)?.[1]
  return id !== undefined && isLabel(id) ? id : undefined
}

const isLabel = (id: string): boolean => /^[\w.:-]{1,128}$/.test(id)

/** Fields that change from try to try, or that say how the answer travels. */
const transient: ReadonlySet<string> = new Set([
  'metadata',
  'stream',
  'model',
  'tools',
  'messages',
  'betas',
])

/**
 * What an approval of a request covers: the model, the tools, the new user content, and every other field.
 * `cache_control` moves with the end of a conversation and is left out. Long instructions are covered by digest.
 * @returns `undefined` when it has no canonical form, and so cannot be approved.
 */
export function canonicalMessages(
  connection: string,
  operation: string,
  request: MessagesRequest,
  betas: readonly string[],
): CanonicalAction | undefined {
  const bare = (value: unknown): unknown => withoutCacheControl(value)
  try {
    const parameters: Record<string, unknown> = { anthropic_beta: [...betas].sort() }
    for (const [field, value] of Object.entries(request)) {
      if (!transient.has(field))
        parameters[field] = field === 'system' ? digest(bare(value)) : bare(value)
    }
    if (request['betas'] !== undefined) parameters['betas'] = request['betas']
    const last = request.messages.findLastIndex((message) => roleOf(message) === 'assistant')
    const action: CanonicalAction = {
      type: 'anthropic.messages',
      connection,
      operation,
      model: request.model,
      tools: Array.isArray(request['tools']) ? request['tools'].map(bare) : [],
      content: request.messages.slice(last + 1).map(bare),
      parameters,
    }
    canonicalJson(action)
    return action
  } catch {
    // Lone surrogates, numbers past the range: nobody could be shown exactly this.
    return undefined
  }
}

const digest = (value: unknown): { sha256: string } => ({
  sha256: createHash('sha256').update(canonicalJson(value)).digest('hex'),
})

const roleOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'role' in message ? message.role : undefined

function withoutCacheControl(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCacheControl)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, inner]) => !(name === 'cache_control' && typeOf(inner) === 'ephemeral'))
      .map(([name, inner]) => [name, withoutCacheControl(inner)]),
  )
}
