import type { Spend } from '../../steps.ts'
import {
  compareStrings,
  isArray,
  isSet,
  Num,
  parseValue,
  sorted,
  typeName,
  type Value,
} from '../../value.ts'
import { failed } from '../arguments.ts'
import { termText } from './quote.ts'

/** Indentation, which repeats at every line. */
type Layout = { readonly prefix: string; readonly step: string; readonly spend: Spend }

/** How Go's `encoding/json` writes: keys sorted, `<`, `>`, `&` and line separators escaped, literals of numbers kept. */
export function goJson(value: Value, layout?: Layout): string {
  const out: string[] = []
  const line = (depth: number): void => {
    if (!layout) return
    layout.spend(layout.prefix.length + layout.step.length * depth)
    out.push(`\n${layout.prefix}${layout.step.repeat(depth)}`)
  }
  const write = (one: Value, depth: number): void => {
    if (one === null || typeof one === 'boolean') out.push(String(one))
    else if (one instanceof Num) out.push(one.literal)
    else if (typeof one === 'string') out.push(quote(one))
    else if (isArray(one)) list(one, depth)
    else if (isSet(one)) list(sorted(one), depth)
    else members(jsonEntries(one), depth)
  }
  const list = (items: readonly Value[], depth: number): void => {
    out.push('[')
    for (const [at, item] of items.entries()) {
      if (at > 0) out.push(',')
      line(depth + 1)
      write(item, depth + 1)
    }
    if (items.length > 0) line(depth)
    out.push(']')
  }
  const members = (entries: readonly (readonly [string, Value])[], depth: number): void => {
    out.push('{')
    for (const [at, [key, item]] of entries.entries()) {
      if (at > 0) out.push(',')
      line(depth + 1)
      out.push(quote(key) + (layout ? ': ' : ':'))
      write(item, depth + 1)
    }
    if (entries.length > 0) line(depth)
    out.push('}')
  }
  write(value, 0)
  return out.join('')
}

/** Entries by key; keys that are no strings as their text. */
export const jsonEntries = (object: ReadonlyMap<Value, Value>): [string, Value][] =>
  [...object]
    .map(([key, one]): [string, Value] => [typeof key === 'string' ? key : termText(key), one])
    .sort(([a], [b]) => compareStrings(a, b))

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
