import { isArray, isSet, Num, parseValue, sorted, typeName, type Value } from '../../value.ts'
import { failed } from '../arguments.ts'
import { termText } from './quote.ts'

/** How Go's `encoding/json` writes: keys sorted, `<`, `>`, `&` and line separators escaped, literals of numbers kept. */
export function goJson(
  value: Value,
  indent?: { readonly prefix: string; readonly step: string },
): string {
  return write(value, indent && { line: `\n${indent.prefix}`, step: indent.step })
}

type Layout = { readonly line: string; readonly step: string }

function write(value: Value, layout: Layout | undefined): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (value instanceof Num) return value.literal
  if (typeof value === 'string') return quote(value)
  const inner = layout && { ...layout, line: layout.line + layout.step }
  if (isArray(value))
    return enclose(
      '[',
      value.map((one) => write(one, inner)),
      ']',
      layout,
    )
  if (isSet(value)) return write(sorted(value), layout)
  const members = jsonEntries(value).map(
    ([key, one]) => `${quote(key)}:${layout ? ' ' : ''}${write(one, inner)}`,
  )
  return enclose('{', members, '}', layout)
}

function enclose(
  open: string,
  parts: readonly string[],
  close: string,
  layout: Layout | undefined,
): string {
  if (parts.length === 0) return open + close
  if (!layout) return open + parts.join(',') + close
  const line = layout.line + layout.step
  return `${open}${line}${parts.join(`,${line}`)}${layout.line}${close}`
}

/** Entries by key; keys that are no strings as their text. */
export const jsonEntries = (object: ReadonlyMap<Value, Value>): [string, Value][] =>
  [...object]
    .map(([key, one]): [string, Value] => [typeof key === 'string' ? key : termText(key), one])
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

const quote = (text: string): string =>
  JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** JSON with the literals of its numbers. @throws {BuiltinError} when it is none. */
export function parseJson(text: string): Value {
  try {
    JSON.parse(text)
  } catch (error) {
    throw failed((error as Error).message)
  }
  return parseValue(text)
}

/** @throws {BuiltinError} */
export function parseJsonObject(text: string): ReadonlyMap<Value, Value> {
  const value = parseJson(text)
  if (typeName(value) === 'object') return value as ReadonlyMap<Value, Value>
  throw failed('not a JSON object')
}
