import { isArray, isObject, isSet, keyText, Num, parseValue, type Value } from '../engine/value.ts'

/**
 * JSON as OPA hashes it (OPA, "Signing": "structured files"): keys sorted by their bytes, literals of numbers as they
 * are, no white space.
 * @throws {SyntaxError} when it is no JSON, or has a key twice: readers differ in which one counts.
 */
export function canonicalJson(text: string): string {
  JSON.parse(text) // what `parseValue` takes beside is no JSON
  return write(parseValue(text, { unique: true }))
}

function write(value: Value): string {
  if (value instanceof Num) return value.literal
  if (isArray(value)) return `[${value.map(write).join(',')}]`
  if (isObject(value))
    return `{${[...value]
      .map(([key, one]) => [keyText(key), one] as const)
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([key, one]) => `${goString(key)}:${write(one)}`)
      .join(',')}}`
  if (isSet(value)) throw new SyntaxError('a set is no JSON')
  return typeof value === 'string' ? goString(value) : String(value)
}

/** Go's `encoding/json` without escaping for HTML; it escapes two line separators all the same. */
const goString = (text: string): string =>
  JSON.stringify(text.toWellFormed()).replace(/[\u2028\u2029\u007f]/g, (mark) =>
    mark === '\u007f' ? mark : `\\u${mark.charCodeAt(0).toString(16)}`,
  )
