import { err, ok, type Result } from '../../pdp/contract/result.ts'

/** Deepest nesting of containers that is read. */
const MAX_DEPTH = 128

type JsonContainer = Readonly<Record<string, unknown>> | readonly unknown[]

/**
 * Parses JSON as strictly as any reader may: a second key of the same name, which readers resolve differently, and
 * nesting past 128 are refused.
 * @returns the value, or a sentence that says what is wrong.
 */
export function parseStrict(text: string): Result<unknown, string> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return err('not valid JSON')
  }
  try {
    rewrite(text, value, refuseInfinite, undefined)
  } catch (error) {
    if (error instanceof JsonTextError) return err(error.message)
    throw error
  }
  return ok(value)
}

const refuseInfinite: Visit<undefined> = (node) => {
  if (node === Infinity || node === -Infinity)
    throw new JsonTextError('JSON with a number past all that readers have')
  return {}
}

class JsonTextError extends Error {}

/** What to do with one value on the way down a document. */
export type Step<C> = {
  /** Replaces the whole value; gets the text it has. Must return JSON. */
  readonly replace?: (text: string) => string
  /** Goes down with another context; without it, with the same. */
  readonly context?: C
  /** Leaves the value and all below it as it is. */
  readonly skip?: boolean
}

/** Called for every value, its container before it. */
export type Visit<C> = (
  value: unknown,
  key: string | number | undefined,
  parent: JsonContainer | undefined,
  context: C,
) => Step<C>

/**
 * Rewrites values of a JSON text in place; every other character stays as it was, so a text in which nothing is
 * replaced is returned as it came.
 * @param value what `JSON.parse(text)` returned.
 * @throws {JsonTextError} for a duplicate key or deep nesting.
 */
export function rewrite<C>(text: string, value: unknown, visit: Visit<C>, context: C): string {
  let out = ''
  let copied = 0
  let at = 0

  const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9
  function space(): void {
    while (isSpace(text.charCodeAt(at))) at += 1
  }

  /** Moves past a string. The text is valid JSON, so only its closing quote has to be found. */
  function string(): void {
    let end = at
    for (;;) {
      end = text.indexOf('"', end + 1)
      let slashes = 0
      while (text.charCodeAt(end - 1 - slashes) === 92) slashes += 1
      if (slashes % 2 === 0) break
    }
    at = end + 1
  }

  function scalar(): void {
    if (text.charCodeAt(at) === 34) return string()
    while (at < text.length && !/[,\]}\s]/.test(text.charAt(at))) at += 1
  }

  function any(
    node: unknown,
    key: string | number | undefined,
    parent: JsonContainer | undefined,
    above: C,
    depth: number,
    visitor: Visit<C>,
  ): void {
    space()
    const start = at
    const step = visitor(node, key, parent, above)
    const below = step.context === undefined ? above : step.context
    const inner = step.skip === true || step.replace ? skipping : visitor
    if (Array.isArray(node)) array(node, below, depth, inner)
    else if (typeof node === 'object' && node !== null)
      object(node as Readonly<Record<string, unknown>>, below, depth, inner)
    else scalar()
    if (step.replace) {
      out += text.slice(copied, start) + step.replace(text.slice(start, at))
      copied = at
    }
  }

  const skipping: Visit<C> = () => skip
  const skip: Step<C> = { skip: true }

  function array(node: readonly unknown[], context: C, depth: number, inner: Visit<C>): void {
    if (depth >= MAX_DEPTH) throw new JsonTextError('nested too deep')
    at += 1
    for (const [index, item] of node.entries()) {
      any(item, index, node, context, depth + 1, inner)
      space()
      at += 1
    }
    if (node.length === 0) {
      space()
      at += 1
    }
  }

  function object(
    node: Readonly<Record<string, unknown>>,
    context: C,
    depth: number,
    inner: Visit<C>,
  ): void {
    if (depth >= MAX_DEPTH) throw new JsonTextError('nested too deep')
    const names = Object.keys(node).length
    let seen = 0
    at += 1
    space()
    while (text.charCodeAt(at) !== 125) {
      const start = at
      string()
      const raw = text.slice(start + 1, at - 1)
      const name = raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw
      space()
      at += 1
      seen += 1
      any(node[name], name, node, context, depth + 1, inner)
      space()
      if (text.charCodeAt(at) === 44) {
        at += 1
        space()
      }
    }
    at += 1
    // The parsed object has each name once.
    if (seen !== names) throw new JsonTextError('a key occurs twice')
  }

  any(value, undefined, undefined, context, 0, visit)
  return copied === 0 ? text : out + text.slice(copied)
}
