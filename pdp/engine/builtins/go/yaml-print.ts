import { isArray, isObject, Num, sorted, isSet, type Value } from '../../value.ts'
import type { Spend } from '../../steps.ts'
import { failed } from '../arguments.ts'
import { goJson, jsonEntries } from './json.ts'
import { yamlNumber } from './yaml-resolve.ts'
import { hasBreak, isBreak, isPrintable, styleOf } from './yaml-scalar.ts'

const INDENT = 2
/** Lines are folded at the first single space past this column. */
const WIDTH = 80
const STEPS_A_CHARACTER = 20
/** Most bytes of a key that is written as `key: `. */
const SIMPLE_KEY_BYTES = 128

/** A document as go-yaml v2 writes it, by way of JSON as OPA does (libyaml's emitter, in its block style). */
export function printYaml(value: Value, spend: Spend): string {
  const page = new Page(spend)
  node(page, value, undefined, 'root')
  if (page.column > 0) page.newLine()
  return page.text
}

/** The text so far, and what the last characters of it were. */
class Page {
  #text = ''
  readonly #spend: Spend
  column = 0
  /** Whether the last was white space. */
  spaced = true
  /** Whether there is nothing but indentation and indicators on this line. */
  indented = true

  constructor(spend: Spend) {
    this.#spend = spend
  }

  get text(): string {
    return this.#text
  }

  put(char: string): void {
    this.#spend(STEPS_A_CHARACTER)
    this.#text += char
    this.column += 1
  }

  newLine(mark = '\n'): void {
    this.#text += mark
    this.column = 0
  }

  write(char: string): void {
    this.put(char)
    this.spaced = false
    this.indented = false
  }

  indicator(mark: string, { space = true, indents = false } = {}): void {
    if (space && !this.spaced) this.put(' ')
    for (const char of mark) this.put(char)
    this.spaced = false
    this.indented &&= indents
  }

  indent(to: number): void {
    if (!this.indented || this.column > to || (this.column === to && !this.spaced)) this.newLine()
    while (this.column < to) this.put(' ')
    this.spaced = true
    this.indented = true
  }
}

type Place = 'root' | 'item' | 'value'

/** @param indent of the collection around it. */
function node(page: Page, value: Value, indent: number | undefined, place: Place): void {
  if (isSet(value)) return node(page, sorted(value), indent, place)
  const deeper = indent === undefined ? 0 : indent + INDENT
  if (isArray(value)) {
    if (value.length === 0) return page.indicator('[]')
    // A list that is the value of a key on the line before stands under the key.
    const level = place === 'value' && !page.indented ? (indent ?? 0) : deeper
    for (const item of value) {
      page.indent(level)
      page.indicator('-', { indents: true })
      node(page, item, level, 'item')
    }
    return
  }
  if (isObject(value)) {
    const entries = jsonEntries(value).sort(([a], [b]) => compareKeys(a, b))
    if (entries.length === 0) return page.indicator('{}')
    for (const [key, one] of entries) {
      page.indent(deeper)
      const text = keyAsRead(key)
      const simple = !hasBreak(text) && Buffer.byteLength(text) <= SIMPLE_KEY_BYTES
      if (!simple) page.indicator('?', { indents: true })
      scalar(page, text, deeper + INDENT, simple)
      if (!simple) page.indent(deeper)
      page.indicator(':', { space: !simple, indents: !simple })
      node(page, one, deeper, 'value')
    }
    return
  }
  if (typeof value === 'string') return scalar(page, asRead(value), (indent ?? 0) + INDENT, false)
  plain(page, value instanceof Num ? yamlNumber(value.literal) : String(value), 0, false)
}

/** What JSON does not escape and YAML has not. */
const UNREADABLE = /[\u007f-\u0084\u0086-\u009f\ufffe\uffff]/

/** Text as the YAML reader takes it from JSON, which OPA passes it through: U+0085 is a line break there, and folded. */
function asRead(text: string): string {
  if (UNREADABLE.test(text)) throw failed('control characters are not allowed')
  return text.replace(/ *\u0085(?: *\u0085)* */g, (found) => {
    const breaks = found.split('\u0085').length - 1
    return breaks === 1 ? ' ' : '\n'.repeat(breaks - 1)
  })
}

/** The reader's keys are on one line, and not longer than this as JSON. */
const MOST_KEY_LENGTH = 1024

function keyAsRead(key: string): string {
  if (key.includes('\u0085') || Array.from(goJson(key)).length > MOST_KEY_LENGTH)
    throw failed('a key of several lines or of more than 1024 characters')
  return asRead(key)
}

function scalar(page: Page, text: string, indent: number, simpleKey: boolean): void {
  const style = styleOf(text, simpleKey)
  if (style === 'plain') plain(page, text, indent, simpleKey)
  else if (style === 'single') single(page, text, indent, simpleKey)
  else if (style === 'double') double(page, text, indent, simpleKey)
  else literal(page, text, indent)
}

/** Where a line of folded text may be broken. */
const foldsAt = (page: Page, chars: readonly string[], at: number, simpleKey: boolean): boolean =>
  !simpleKey && page.column > WIDTH && chars[at] === ' ' && chars[at - 1] !== ' '

function plain(page: Page, text: string, indent: number, simpleKey: boolean): void {
  if (!page.spaced) page.put(' ')
  const chars = [...text]
  for (const [at, char] of chars.entries()) {
    if (foldsAt(page, chars, at, simpleKey) && chars[at + 1] !== ' ') page.indent(indent)
    else page.write(char)
  }
  page.spaced = false
  page.indented = false
}

function single(page: Page, text: string, indent: number, simpleKey: boolean): void {
  page.indicator("'")
  const chars = [...text]
  for (const [at, char] of chars.entries()) {
    const inside = at > 0 && at < chars.length - 1 && chars[at + 1] !== ' '
    if (inside && foldsAt(page, chars, at, simpleKey)) page.indent(indent)
    else if (isBreak(char)) {
      page.newLine(char)
      page.indented = true
    } else {
      if (char !== ' ' && isBreak(chars[at - 1])) page.indent(indent)
      if (char === "'") page.put(char)
      page.write(char)
    }
  }
  page.indicator("'", { space: false })
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '0',
  '\u0007': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\u001b': 'e',
  '"': '"',
  '\\': '\\',
  '\u0085': 'N',
  '\u2028': 'L',
  '\u2029': 'P',
}

function double(page: Page, text: string, indent: number, simpleKey: boolean): void {
  page.indicator('"')
  const chars = [...text]
  // A space after an escape may be broken at, though the escape was one.
  for (const [at, char] of chars.entries()) {
    if (!isPrintable(char) || isBreak(char) || char === '"' || char === '\\')
      for (const part of escaped(char)) page.put(part)
    else if (foldsAt(page, chars, at, simpleKey) && at > 0 && at < chars.length - 1) {
      page.indent(indent)
      if (chars[at + 1] === ' ') page.put('\\')
    } else page.write(char)
  }
  page.indicator('"', { space: false })
}

function escaped(char: string): string {
  const short = ESCAPES[char]
  if (short !== undefined) return `\\${short}`
  const code = char.codePointAt(0) ?? 0
  const [mark, digits] = code <= 0xff ? ['x', 2] : code <= 0xffff ? ['u', 4] : ['U', 8]
  return `\\${mark}${code.toString(16).toUpperCase().padStart(digits, '0')}`
}

function literal(page: Page, text: string, indent: number): void {
  const chars = [...text]
  const [first] = chars
  const ends = isBreak(chars.at(-1))
  const keeps = ends && (chars.length === 1 || isBreak(chars.at(-2)))
  const hint = first === ' ' || isBreak(first) ? String(INDENT) : ''
  page.indicator(`|${hint}${keeps ? '+' : ends ? '' : '-'}`)
  page.newLine()
  page.indented = true
  page.spaced = true
  for (const [at, char] of chars.entries()) {
    if (isBreak(char)) {
      page.newLine(char)
      page.indented = true
    } else {
      if (at === 0 || isBreak(chars[at - 1])) page.indent(indent)
      page.put(char)
      page.indented = false
    }
  }
}

/** Letters after the rest, and numbers by their value. Not an order in every case; nor is it there. */
function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  return isBefore([...a], [...b]) ? -1 : 1
}

const isLetter = (char: string): boolean => /^\p{L}/u.test(char)
const isDigit = (char: string | undefined): boolean => char !== undefined && /^\p{Nd}/u.test(char)

function isBefore(a: readonly string[], b: readonly string[]): boolean {
  for (let at = 0; at < a.length && at < b.length; at += 1) {
    const [x = '', y = ''] = [a[at], b[at]]
    if (x === y) continue
    const [letter, other] = [isLetter(x), isLetter(y)]
    if (letter && other) return x < y
    if (letter || other) return other
    const leads = (x === '0' || y === '0') && followsDigits(a, at) ? 1n : 0n
    const [left, right] = [numberAt(a, at, leads), numberAt(b, at, leads)]
    if (left.value !== right.value) return left.value < right.value
    return left.end === right.end ? x < y : left.end < right.end
  }
  return a.length < b.length
}

/** Whether a zero here is inside a number, and not one that leads it. */
function followsDigits(chars: readonly string[], at: number): boolean {
  for (let before = at - 1; before >= 0 && isDigit(chars[before]); before -= 1)
    if (chars[before] !== '0') return true
  return false
}

function numberAt(chars: readonly string[], from: number, leads: bigint) {
  let value = leads
  let end = from
  for (; isDigit(chars[end]); end += 1)
    value = BigInt.asIntN(64, value * 10n + BigInt((chars[end]?.codePointAt(0) ?? 0) - 0x30))
  return { value, end }
}
