import { err, ok, type Result } from '../contract/result.ts'
import type { EvaluationError } from './errors.ts'

/** Deepest nesting of an input. The module's parser recurses: past some thousands it runs out of the host's stack, whose size no policy knows. */
export const MOST_DEPTH = 512

/** An input as the JSON that the module parses; `undefined` for no input document. */
export function inputJson(input: unknown): Result<string | undefined, EvaluationError> {
  if (input === undefined) return ok(undefined)
  let json: string
  try {
    const text = JSON.stringify(input) as string | undefined
    if (text === undefined) return refused(`a ${typeof input} has no JSON`)
    json = text
  } catch (error) {
    return refused(`it has no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return checkedInput(json)
}

/** @param json JSON text, already known to be that. */
export function checkedInput(
  json: string | undefined,
): Result<string | undefined, EvaluationError> {
  if (json === undefined) return ok(undefined)
  if (isDeeper(json, MOST_DEPTH)) return refused(`it is nested more than ${MOST_DEPTH} levels deep`)
  return ok(json.includes('\\u') ? withoutLoneSurrogates(json) : json)
}

const refused = (why: string): Result<never, EvaluationError> =>
  err({ code: 'ENGINE_INPUT', message: `the input cannot be given to the policy: ${why}` })

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
]

function isDeeper(json: string, most: number): boolean {
  // Each level has two characters, and few inputs have so many brackets.
  if (json.length < 2 * most || brackets(json, most) <= most) return false
  let depth = 0
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) at = endOfString(json, at)
    else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      depth += 1
      if (depth > most) return true
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) depth -= 1
  }
  return false
}

/** Opening brackets, also those in strings; counts to just past `most`. */
function brackets(json: string, most: number): number {
  let count = 0
  for (const bracket of ['[', '{'])
    for (let at = json.indexOf(bracket); at !== -1 && count <= most; count += 1)
      at = json.indexOf(bracket, at + 1)
  return count
}

/** @returns where the quote is that ends the string which begins at `start`. */
function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at !== -1; at = json.indexOf('"', at + 1)) {
    let escapes = 0
    while (json.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1
    if (escapes % 2 === 0) return at
  }
  return json.length
}

/** The module aborts on escapes of lone surrogates; OPA reads them as U+FFFD. Pairs stay. */
function withoutLoneSurrogates(json: string): string {
  return json.replace(
    /\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|u[dD][89a-fA-F][0-9a-fA-F]{2}|[^])/g,
    (escape, pair: string | undefined) =>
      pair === undefined && /^\\u[dD]/.test(escape) ? '\ufffd' : escape,
  )
}
