import { isArray, isObject, keyText, Num, sortedEntries, type Value } from '../../value.ts'

/** A number that the template itself has; those of the variables are `json.Number`, which is text to Go. */
export type Literal = { readonly literal: number }
/** `undefined` is a key that is not there, and null. */
export type Dynamic = Value | Literal | undefined

export const isLiteral = (value: Dynamic): value is Literal =>
  typeof value === 'object' && value !== null && !(value instanceof Num) && 'literal' in value

export const isArrayOf = (value: Dynamic): value is readonly Value[] =>
  value !== undefined && !isLiteral(value) && isArray(value)
export const isObjectOf = (value: Dynamic): value is ReadonlyMap<Value, Value> =>
  value !== undefined && !isLiteral(value) && isObject(value)

/** Go's truth: not the zero of its type. A number of the variables is text, and true. */
export function isTrue(value: Dynamic): boolean {
  if (value === undefined || value === null || value === false || value === '') return false
  if (isLiteral(value)) return value.literal !== 0
  if (isArrayOf(value)) return value.length > 0
  return isObjectOf(value) ? value.size > 0 : true
}

/** Go's `%v`. */
export function text(value: Dynamic): string {
  if (value === undefined || value === null) return '<nil>'
  if (isLiteral(value)) return String(value.literal)
  if (value instanceof Num) return value.literal
  if (isArrayOf(value)) return `[${value.map(text).join(' ')}]`
  if (isObjectOf(value))
    return `map[${sortedEntries(value)
      .map(([key, one]) => `${text(key)}:${text(one)}`)
      .join(' ')}]`
  return typeof value === 'string' ? value : keyText(value)
}
