import { type Attributes, SpanKind } from '@opentelemetry/api'
import type { Decision } from '../../pdp/contract/decision.ts'
import type { Facts } from '../../pdp/contract/facts.ts'
import { compileMask } from '../mask/mask.ts'
import { builtinNames } from '../mask/types.ts'
import type { Operation } from '../core/operation.ts'
import type { Ending, ModelReply, Usage } from './telemetry.ts'

/**
 * What a span says of an operation: OpenTelemetry's GenAI and MCP conventions (open-telemetry/semantic-conventions-genai,
 * in development) and those of HTTP clients (stable), and `countersign.*`; docs/telemetry.md has the table.
 *
 * No content: no prompts, replies, arguments, results, paths or queries. What a client or a model could write
 * something else into is told only where it looks like the name it should be.
 */

export type Beginning = {
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Attributes
}

/**
 * A name as APIs give them, with a version perhaps (`claude-x@20260101`); no sentence, no address, and nothing that any
 * detector finds, whatever policy masks: it goes to others.
 */
const isName = (text: string | undefined): text is string =>
  text !== undefined &&
  /^[\w.:/-]{1,128}(?:@\d{1,12})?$/.test(text) &&
  (uuid.test(text) || !found(text))

/** Made up; some of them hold digits that a detector takes for a number of somebody's. */
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const unusedKeys = { hash: new Uint8Array(32), token: new Uint8Array(32) }
const everything = compileMask([{ detectors: [...builtinNames], style: 'redact' }], {
  keys: unusedKeys,
})

function found(text: string): boolean {
  const masker = everything.text()
  return masker.push(text) + masker.end() !== text
}

/** @param upstream of the operation's connection. */
export function beginningOf(operation: Operation, upstream: URL | undefined): Beginning {
  const { id, caller, connection } = operation
  const attributes: Attributes = {
    'countersign.operation.id': id,
    'countersign.connection': connection,
    'countersign.session.id': caller.session.id,
  }
  const { name } = operation.action
  if (name === 'anthropic.tool_use') return toolCall(operation, attributes)
  if (upstream) {
    attributes['server.address'] = upstream.hostname
    attributes['server.port'] = Number(upstream.port || (upstream.protocol === 'http:' ? 80 : 443))
  }
  if (name === 'http.request') return httpRequest(operation, attributes, upstream)
  return modelRequest(operation, attributes)
}

/** Actions of the Messages API by what the conventions call them; `count_tokens` is no well-known name. */
const modelOperations: Readonly<Record<string, string>> = {
  'anthropic.messages.create': 'chat',
  'anthropic.messages.count_tokens': 'count_tokens',
}

function modelRequest(operation: Operation, attributes: Attributes): Beginning {
  const { action, resource, caller } = operation
  const called = modelOperations[action.name]
  // Others, lists of models for one, are no operation of the conventions.
  if (called === undefined) return { name: action.name, kind: SpanKind.CLIENT, attributes }
  const model = isName(resource.id) ? resource.id : undefined
  attributes['gen_ai.operation.name'] = called
  attributes['gen_ai.provider.name'] = 'anthropic'
  if (model !== undefined) attributes['gen_ai.request.model'] = model
  const { label } = caller.session
  if (isName(label)) attributes['gen_ai.conversation.id'] = label
  return {
    name: model === undefined ? called : `${called} ${model}`,
    kind: SpanKind.CLIENT,
    attributes,
  }
}

/** The span of a tool call covers its decision; the agent executes it later, on its own machine. */
function toolCall(operation: Operation, attributes: Attributes): Beginning {
  const told = operation.told?.()
  const tool = isName(told?.tool) ? told.tool : undefined
  const mcp = tool === undefined ? null : /^mcp__(.+?)__(.+)$/.exec(tool)
  const name = mcp?.[2] ?? tool ?? '_OTHER'
  attributes['gen_ai.operation.name'] = 'execute_tool'
  attributes['gen_ai.provider.name'] = 'anthropic'
  attributes['gen_ai.tool.name'] = name
  attributes['gen_ai.tool.type'] = 'function'
  if (isName(told?.call_id)) attributes['gen_ai.tool.call.id'] = told.call_id
  if (mcp) {
    attributes['mcp.method.name'] = 'tools/call'
    attributes['countersign.mcp.server.name'] = mcp[1]
  }
  return { name: `execute_tool ${name}`, kind: SpanKind.INTERNAL, attributes }
}

/** Those the conventions know; another would let clients make names. */
const methods: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])

function httpRequest(
  { exchange: { method = '' } }: Operation,
  attributes: Attributes,
  upstream: URL | undefined,
): Beginning {
  const known = methods.has(method)
  attributes['http.request.method'] = known ? method : '_OTHER'
  if (upstream) attributes['url.scheme'] = upstream.protocol.slice(0, -1)
  return { name: known ? method : 'HTTP', kind: SpanKind.CLIENT, attributes }
}

export function decidedAttributes(decision: Decision, facts: Facts): Attributes {
  const { max_tokens, stream } = facts.anthropic ?? {}
  return {
    'countersign.decision.id': decision.id,
    'countersign.decision.effect': decision.effect,
    'countersign.decision.rules': decision.reasons.map(({ rule }) => rule),
    'countersign.decision.revision': decision.revision,
    ...(decision.approval && { 'countersign.approval.id': decision.approval.id }),
    ...(max_tokens !== undefined && { 'gen_ai.request.max_tokens': max_tokens }),
    ...(stream === true && { 'gen_ai.request.stream': true }),
  }
}

/** @param usage all that is known by now: the conventions count the cache's tokens as input, Anthropic does not. */
export function replyAttributes(
  { id, model, finish_reason }: ModelReply,
  usage: Usage | undefined,
): Attributes {
  return {
    ...(isName(id) && { 'gen_ai.response.id': id }),
    ...(isName(model) && { 'gen_ai.response.model': model }),
    ...(isName(finish_reason) && { 'gen_ai.response.finish_reasons': [finish_reason] }),
    ...(usage && usageAttributes(usage)),
  }
}

function usageAttributes({
  input_tokens,
  output_tokens,
  cache_read_input_tokens: read,
  cache_creation_input_tokens: created,
}: Usage): Attributes {
  return {
    ...(input_tokens !== undefined && {
      'gen_ai.usage.input_tokens': input_tokens + (read ?? 0) + (created ?? 0),
    }),
    ...(output_tokens !== undefined && { 'gen_ai.usage.output_tokens': output_tokens }),
    ...(read !== undefined && { 'gen_ai.usage.cache_read.input_tokens': read }),
    ...(created !== undefined && { 'gen_ai.usage.cache_creation.input_tokens': created }),
  }
}

/** @returns attributes, `error.type` among them when it did not end well. */
export function endingAttributes({ result, status, reason, masked, observed }: Ending): Attributes {
  const attributes: Attributes = { 'countersign.result': result }
  if (status !== undefined) attributes['http.response.status_code'] = status
  for (const detector in masked) attributes[`countersign.masked.${detector}`] = masked[detector]
  for (const detector in observed)
    attributes[`countersign.observed.${detector}`] = observed[detector]
  const error = errorType(result, status, reason)
  if (error !== undefined) attributes['error.type'] = error
  return attributes
}

/** Of few values: a status, a refusal's code, or how it ended; never a sentence. */
function errorType(
  result: Ending['result'],
  status: number | undefined,
  reason: string | undefined,
): string | undefined {
  if (result === 'completed')
    return status !== undefined && status >= 400 ? String(status) : undefined
  return reason !== undefined && /^[a-z_]{1,64}$/.test(reason) ? reason : result
}
