import type { Facts } from '../../pdp/contract/facts.ts'
import { FieldPaths, type PathState } from '../mask/json-path.ts'

/** Most scalars that are kept of one path, and most characters of a string; facts stay small. */
const MAX_VALUES = 64
const MAX_STRING = 512
/** Deepest nesting that is walked; the bodies were parsed before and are bounded too. */
const MAX_DEPTH = 512

export type PathFacts = {
  readonly paths: Facts['paths']
  /** `paths.truncated` when a path holds more or longer values than facts may have. */
  readonly incomplete: readonly string[]
}

/**
 * Compiles the JSON paths of an extraction profile, in the syntax of mask fields: `$.a.b[*].c`, `$..email`.
 * @returns finds the scalars of a document at each path; a path without scalars is left out.
 * @throws {PepMaskError} PEP_MASK_CONFIG for a path that is not understood.
 */
export function compilePaths(paths: readonly string[]): (document: unknown) => PathFacts {
  if (paths.length === 0) return () => ({ paths: {}, incomplete: [] })
  // One matcher for each: two paths that name the same value both have it.
  const compiled = paths.map((path) => ({
    path,
    fields: new FieldPaths([{ path, style: 'redact', observe: true }]),
  }))
  return (document) => {
    const found: Facts['paths'] = {}
    let truncated = false
    for (const { path, fields } of compiled) {
      const values: Facts['paths'][string] = []
      truncated = !collect(document, fields, fields.root, values, 0) || truncated
      if (values.length > 0) found[path] = values
    }
    return { paths: found, incomplete: truncated ? ['paths.truncated'] : [] }
  }
}

/** @returns whether all that is there was kept. */
function collect(
  node: unknown,
  fields: FieldPaths,
  state: PathState,
  values: Facts['paths'][string],
  depth: number,
): boolean {
  if (state.length === 0 || typeof node !== 'object' || node === null) return true
  if (depth > MAX_DEPTH) return false
  let whole = true
  const children: Iterable<readonly [string | number, unknown]> = Array.isArray(node)
    ? node.entries()
    : Object.entries(node)
  for (const [key, value] of children) {
    const { state: below, rule } = fields.child(state, key)
    if (rule) whole = keep(value, values) && whole
    whole = collect(value, fields, below, values, depth + 1) && whole
  }
  return whole
}

function keep(value: unknown, values: Facts['paths'][string]): boolean {
  if (typeof value === 'object' && value !== null) return true
  if (values.length >= MAX_VALUES) return false
  if (typeof value === 'string') {
    values.push(value.length > MAX_STRING ? value.slice(0, MAX_STRING) : value)
    return value.length <= MAX_STRING
  }
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) values.push(value)
  return true
}
