/**
 * What of a Messages API document is text that may be altered, by the names of its fields. The API checks or looks
 * up everything else: a changed signature, id or encrypted value makes the conversation unusable.
 *
 * Altered: `text`, `cited_text`, `title`, `document_title`, `context`, `content` (as a string), `stdout`, `stderr`,
 * `error` messages, `description`, `source.data` of a plain-text source, and every other string that is not listed
 * below, also in block types that are not known.
 *
 * Never altered: `thinking`, summaries of `compaction` and `signature`, `data` (redacted thinking, base64),
 * `encrypted_*`, ids, names, types, models, roles, `cache_control`, `usage`, `caller`.
 */
const fixedNames: ReadonlySet<string> = new Set([
  'type',
  'id',
  'name',
  'tool_name',
  'toolset_name',
  'server_name',
  'mcp_server_name',
  'model',
  'role',
  'signature',
  'media_type',
  'stop_reason',
  'stop_sequence',
  'error_code',
  'service_tier',
  'inference_geo',
  'expires_at',
  'created_at',
])

const fixedTrees: ReadonlySet<string> = new Set(['cache_control', 'usage', 'caller', 'container'])

/** Whether a string, or a container and all in it, must go out as it came. */
export function isFixed(
  key: string | number | undefined,
  parent: unknown,
  value: unknown,
): boolean {
  if (typeof key !== 'string') return false
  if (typeof value === 'object') return fixedTrees.has(key)
  if (key === 'data') return !isPlainText(parent)
  return fixedNames.has(key) || key.endsWith('_id') || key.startsWith('encrypted_')
}

/** Text that carries a signature: it can be read, but a change of it makes the conversation unusable. */
export function isSigned(key: string | number | undefined, parent: unknown): boolean {
  if (key === 'thinking') return true
  return key === 'content' && /^compaction(_delta)?$/.test(typeOf(parent) ?? '')
}

/** The `type` of an object. */
export function typeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('type' in value)) return undefined
  return typeof value.type === 'string' ? value.type : undefined
}

/** `{ type: 'text', media_type: 'text/plain', data }`: a document written out. */
const isPlainText = (source: unknown): boolean => typeOf(source) === 'text'

/** Block types whose input the agent's own machine acts on. */
export const TOOL_USE = 'tool_use'
