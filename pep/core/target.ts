import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Refusal } from './refusal.ts'

/** Where a request goes: the connection, and the path and query behind its prefix, byte for byte. */
export type Target = { readonly connection: string; readonly target: string }

/**
 * Splits `/<connection>/…` and refuses what two servers could read as different paths; nothing is normalised, so
 * what policy decides on is what the upstream gets.
 * @param url the request target as it came (`IncomingMessage.url`).
 */
export function targetOf(url: string): Result<Target, Refusal> {
  if (!url.startsWith('/')) return bad('the request target must be a path, not a URL')
  if (!/^[\x21-\x7e]*$/.test(url)) return bad('the path holds characters that must be encoded')
  if (url.includes('#')) return bad('the path holds a fragment')
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  const problem = ambiguity(path)
  if (problem !== undefined) return bad(problem)
  const end = path.indexOf('/', 1)
  const connection = end === -1 ? path.slice(1) : path.slice(1, end)
  const behind = end === -1 ? '/' : path.slice(end)
  return ok({ connection, target: query === -1 ? behind : behind + url.slice(query) })
}

const bad = (message: string): Result<never, Refusal> => err({ code: 'bad_request', message })

/** Encoded `.` `/` `\` and control characters, once or twice encoded. */
const encodedTricks = /%(?:25)*(?:2e|2f|5c|[01][0-9a-f]|7f)/i

function ambiguity(path: string): string | undefined {
  if (path.includes('\\')) return 'the path holds a backslash'
  if (path.includes('//')) return 'the path holds an empty segment'
  if (path.includes('%')) {
    if (/%(?![0-9A-Fa-f]{2})/.test(path)) return 'the path holds a `%` that encodes nothing'
    if (encodedTricks.test(path))
      return 'the path holds an encoded dot, slash, backslash or control character'
  }
  // Also with matrix parameters, which some servers cut off before they look: `/..;x/`.
  if (/\/\.{1,2}(?:[/;]|$)/.test(path)) return 'the path holds a dot segment'
  return undefined
}

/** Path, segments and query of a target, decoded for facts. */
export type TargetParts = {
  readonly path: string
  /** Without the leading empty segment. */
  readonly segments: string[]
  readonly query: Record<string, string[]>
  /** `query.truncated` when the query holds more than facts may have. */
  readonly incomplete: readonly string[]
}

const MAX_PARAMETERS = 64
const MAX_VALUE = 512

/** @param target as `targetOf` returned it. */
export function targetParts(target: string): Result<TargetParts, Refusal> {
  const at = target.indexOf('?')
  const path = at === -1 ? target : target.slice(0, at)
  try {
    const segments = path.slice(1).split('/').map(decodePart)
    if (at === -1) return ok({ path, segments, query: {}, incomplete: [] })
    return ok({ path, segments, ...queryOf(target.slice(at + 1)) })
  } catch {
    return bad('the path or query holds an encoding that is not UTF-8')
  }
}

const decodePart = (part: string): string => (part.includes('%') ? decodeURIComponent(part) : part)

function queryOf(text: string): Pick<TargetParts, 'query' | 'incomplete'> {
  const values = new Map<string, string[]>()
  const pairs = text.split('&').filter((pair) => pair !== '')
  let whole = pairs.length <= MAX_PARAMETERS
  for (const pair of pairs.slice(0, MAX_PARAMETERS)) {
    const at = pair.indexOf('=')
    const decode = (part: string): string => {
      const decoded = decodePart(part.replaceAll('+', ' '))
      whole &&= decoded.length <= MAX_VALUE
      return decoded.slice(0, MAX_VALUE)
    }
    const name = decode(at === -1 ? pair : pair.slice(0, at))
    const value = at === -1 ? '' : decode(pair.slice(at + 1))
    const list = values.get(name)
    if (list) list.push(value)
    else values.set(name, [value])
  }
  return {
    query: Object.fromEntries(values),
    incomplete: whole ? [] : ['query.truncated'],
  }
}
