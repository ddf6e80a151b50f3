import { BuiltinError } from './errors.ts'
import type { Spend } from './steps.ts'

/** A number as its literal: Rego's numbers have any size and precision. */
export class Num {
  readonly literal: string
  constructor(literal: string) {
    this.literal = literal
  }
}

/** A Rego value: arrays, sets and objects are JavaScript's own; keys of objects may be any value. */
export type Value =
  | null
  | boolean
  | string
  | Num
  | readonly Value[]
  | ReadonlySet<Value>
  | ReadonlyMap<Value, Value>

export const isArray = (value: Value): value is readonly Value[] => Array.isArray(value)
export const isSet = (value: Value): value is ReadonlySet<Value> => value instanceof Set
export const isObject = (value: Value): value is ReadonlyMap<Value, Value> => value instanceof Map

/** @param value an integer, or a finite float in its shortest decimal form. */
export const num = (value: number | bigint): Num => new Num(String(value))

const names = { null: 0, boolean: 1, number: 2, string: 3, array: 4, object: 5, set: 6 } as const
export type TypeName = keyof typeof names

export function typeName(value: Value): TypeName {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return 'string'
  if (value instanceof Num) return 'number'
  if (isArray(value)) return 'array'
  return isSet(value) ? 'set' : 'object'
}

/**
 * Rego's order over all values: by type, then within it.
 * @param spend takes a step for each pair; without it the values must be such as a module wrote, where no part is shared.
 */
export function compare(a: Value, b: Value, spend?: Spend): number {
  spend?.(1)
  const type = typeName(a)
  const difference = names[type] - names[typeName(b)]
  if (difference !== 0) return difference
  if (a instanceof Num && b instanceof Num) return compareNumbers(a, b)
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b)
  if (typeof a === 'boolean') return Number(a) - Number(b)
  if (a === null) return 0
  return compareLists(flat(a, spend), flat(b, spend), spend)
}

/** Of sets and objects that were put in order: sorting again at each level of a set of sets would be quadratic. */
const inOrder = new WeakMap<object, readonly Value[]>()

/** Elements in order; keys and values of objects by turns. */
function flat(value: Value, spend: Spend | undefined): readonly Value[] {
  if (isArray(value)) return value
  if (!isSet(value) && !isObject(value)) return []
  const known = inOrder.get(value)
  if (known) return known
  const order = (x: Value, y: Value): number => compare(x, y, spend)
  const list = isSet(value)
    ? [...value].sort(order)
    : [...value].sort(([x], [y]) => order(x, y)).flat()
  inOrder.set(value, list)
  return list
}

export const sorted = (values: Iterable<Value>): Value[] =>
  [...values].sort((a, b) => compare(a, b))

export const sortedEntries = (object: ReadonlyMap<Value, Value>): [Value, Value][] =>
  [...object].sort(([a], [b]) => compare(a, b))

function compareLists(a: readonly Value[], b: readonly Value[], spend: Spend | undefined): number {
  for (const [at, left] of a.entries()) {
    const right = b[at]
    if (right === undefined) return 1
    const order = compare(left, right, spend)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareNumbers(a: Num, b: Num): number {
  if (a.literal === b.literal) return 0
  if (INTEGER.test(a.literal) && INTEGER.test(b.literal))
    return compareIntegers(a.literal, b.literal)
  return Number(a.literal) - Number(b.literal)
}

const INTEGER = /^-?\d+$/

/** @param a digits, with or without a sign and zeros before them. Never made a number: that takes long for many digits. */
export function compareIntegers(a: string, b: string): -1 | 0 | 1 {
  const [x, y] = [magnitude(a), magnitude(b)]
  const [negative, other] = [a.startsWith('-') && x !== '', b.startsWith('-') && y !== '']
  if (negative !== other) return negative ? -1 : 1
  if (x === y) return 0
  const larger = x.length === y.length ? x > y : x.length > y.length
  return larger === negative ? -1 : 1
}

/** Empty for zero. */
const magnitude = (digits: string): string => digits.replace(/^-?0*/, '')

/** By code point, as UTF-8 bytes sort; JavaScript's own order is by UTF-16 unit. Ends at the first that differs. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at += 1) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** Surrogates stand for what is past all other units. */
const rank = (unit: number): number =>
  unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800

/** @returns the integer that a literal without fraction or exponent stands for. */
export function toBigInt(number: Num): bigint | undefined {
  return INTEGER.test(number.literal) ? BigInt(number.literal) : undefined
}

/**
 * Parses what the module writes for a value: JSON, and sets as `{1, 2}` and `set()`, with any value as a key.
 * @param options `unique`: a key that is there twice is an error; else the last one counts.
 * @throws {SyntaxError} when it is something else, which means that the module is broken.
 */
export function parseValue(text: string, options: { readonly unique?: boolean } = {}): Value {
  const reader = new TextReader(text, options.unique ?? false)
  const value = reader.value()
  reader.end()
  return value
}

const NUMBER = /-?[\d.]+(?:[eE][+-]?\d+)?/y
const SPACE = /[ \t\r\n]*/y

class TextReader {
  #at = 0
  readonly #text: string
  readonly #unique: boolean
  constructor(text: string, unique: boolean) {
    this.#text = text
    this.#unique = unique
  }

  value(): Value {
    this.#match(SPACE)
    switch (this.#text[this.#at] ?? '') {
      case '"':
        return this.#string()
      case '[':
        this.#at += 1
        return this.#list(']')
      case '{':
        this.#at += 1
        return this.#braces()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      case 's':
        return this.#word('set()', new Set())
      default:
        return new Num(this.#match(NUMBER))
    }
  }

  end(): void {
    this.#match(SPACE)
    if (this.#at !== this.#text.length) throw this.#error()
  }

  #string(): string {
    const start = this.#at
    let end = start
    do {
      end = this.#text.indexOf('"', end + 1)
      if (end === -1) throw this.#error()
    } while (isEscaped(this.#text, end))
    this.#at = end + 1
    return JSON.parse(this.#text.slice(start, end + 1)) as string
  }

  #list(close: string): Value[] {
    const values: Value[] = []
    if (this.#take(close)) return values
    do values.push(this.value())
    while (this.#take(','))
    if (!this.#take(close)) throw this.#error()
    return values
  }

  /** An object, or a set: `{}` is the empty object. */
  #braces(): Value {
    if (this.#take('}')) return new Map()
    const first = this.value()
    if (!this.#take(':')) {
      const rest = this.#take(',') ? this.#list('}') : (this.#close(), [])
      return new Set([first, ...rest])
    }
    const object = new Map([[first, this.value()]])
    while (this.#take(',')) {
      const key = this.value()
      if (!this.#take(':') || (this.#unique && object.has(key))) throw this.#error()
      object.set(key, this.value())
    }
    this.#close()
    return object
  }

  #close(): void {
    if (!this.#take('}')) throw this.#error()
  }

  #take(mark: string): boolean {
    this.#match(SPACE)
    if (this.#text[this.#at] !== mark) return false
    this.#at += 1
    return true
  }

  #word(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error()
    this.#at += word.length
    return value
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (!match) throw this.#error()
    this.#at = pattern.lastIndex
    return match[0]
  }

  #error(): SyntaxError {
    return new SyntaxError(`the module wrote a value that cannot be read, at ${this.#at}`)
  }
}

/** Whether an odd number of backslashes stands before. */
function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text[before - 1] === '\\') before -= 1
  return (at - before) % 2 === 1
}

const STEPS_A_NODE = 4
/** Characters that are copied in a step. */
const COPIED = 64

/**
 * Writes a value for the module to parse; the opposite of `parseValue`.
 * @param spend takes steps for all of it before any is written: parts that are shared are written out each time.
 */
export function writeValue(value: Value, spend: Spend): string {
  spendOn(value, spend)
  return write(value)
}

/** @returns about how many characters a value is written in. */
function spendOn(value: Value, spend: Spend): number {
  let size = STEPS_A_NODE
  if (typeof value === 'string') size += value.length
  else if (value instanceof Num) size += value.literal.length
  spend(size)
  if (isArray(value) || isSet(value)) for (const one of value) size += spendOn(one, spend)
  else if (isObject(value))
    for (const [key, one] of value) size += spendOn(key, spend) + spendOn(one, spend)
  else return size
  // Each level is written into the one around it.
  spend(size / COPIED)
  return size
}

function write(value: Value): string {
  if (value instanceof Num) return value.literal
  if (isArray(value)) return `[${value.map(write).join(',')}]`
  if (isSet(value)) return value.size === 0 ? 'set()' : `{${[...value].map(write).join(',')}}`
  if (isObject(value))
    return `{${[...value].map(([key, one]) => `${write(key)}:${write(one)}`).join(',')}}`
  // The module's parser aborts on a lone surrogate; OPA reads it as U+FFFD.
  return JSON.stringify(typeof value === 'string' ? value.toWellFormed() : value)
}

/** A value as OPA writes it in JSON: sets as sorted arrays, keys sorted and as text, number literals as they are. */
export function toJson(value: Value): string {
  if (value instanceof Num) return value.literal
  if (isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (isSet(value)) return `[${sorted(value).map(toJson).join(',')}]`
  if (isObject(value))
    return `{${sortedEntries(value)
      .map(([key, one]) => `${JSON.stringify(keyText(key))}:${toJson(one)}`)
      .join(',')}}`
  return JSON.stringify(value)
}

/** A key as JSON has it: text as it is, other values as their JSON. */
export const keyText = (key: Value): string => (typeof key === 'string' ? key : toJson(key))

/** JSON's values as Rego's. @throws {BuiltinError} for numbers that JSON cannot have. */
export function fromJson(json: unknown): Value {
  if (json === null || typeof json === 'boolean' || typeof json === 'string') return json
  if (typeof json === 'bigint' || (typeof json === 'number' && Number.isFinite(json)))
    return num(json)
  if (Array.isArray(json)) return json.map(fromJson)
  if (json instanceof Map)
    return new Map([...json].map(([key, one]) => [fromJson(key), fromJson(one)]))
  if (typeof json === 'object')
    return new Map(Object.entries(json).map(([key, one]) => [key, fromJson(one)]))
  throw new BuiltinError('eval_builtin_error', `a ${typeof json} is no value`)
}
