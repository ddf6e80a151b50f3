import type { Matcher } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'
import type { Sink } from './scan.ts'

const QUOTE = 34
const BACKSLASH = 92
/** 0: stands for itself. */
const special = new Uint8Array(65536)
special.fill(1, 0, 32)
special.fill(1, 128)
special[QUOTE] = special[BACKSLASH] = 1

const badJson = (why: string): PepMaskError => new PepMaskError('PEP_MASK_BAD_JSON', why)
const badUtf8 = (): PepMaskError => new PepMaskError('PEP_MASK_BAD_UTF8', 'a string is not UTF-8')

/** A part of the inside of a JSON string. */
export type StringPart = {
  readonly text: string
  /** Bytes that each code unit of `text` was written with; `undefined`: one each. */
  readonly widths: readonly number[] | undefined
  /** Index of the closing quote, or of what must be seen together with what follows. */
  readonly next: number
  readonly ended: boolean
}

/**
 * Decodes the inside of a JSON string (RFC 8259 §7) from bytes held as latin1.
 * @throws {PepMaskError} PEP_MASK_BAD_JSON, PEP_MASK_BAD_UTF8.
 */
export function readString(s: string, from: number): StringPart {
  let p = from
  while (p < s.length && special[s.charCodeAt(p)] === 0) p++
  if (p === s.length || s.charCodeAt(p) === QUOTE) {
    return { text: s.slice(from, p), widths: undefined, next: p, ended: p < s.length }
  }
  let text = s.slice(from, p)
  const widths = Array.from<number>({ length: p - from }).fill(1)
  while (p < s.length) {
    const c = s.charCodeAt(p)
    if (c === QUOTE) return { text, widths, next: p, ended: true }
    const unit = c === BACKSLASH ? readEscape(s, p) : c < 128 ? plain(c) : readUtf8(s, p)
    if (unit === undefined) break
    text += unit.text
    widths.push(unit.width)
    if (unit.text.length === 2) widths.push(0)
    p += unit.width
  }
  return { text, widths, next: p, ended: false }
}

type Unit = { readonly text: string; readonly width: number }

function plain(c: number): Unit {
  if (c < 32) throw badJson('a control character in a string')
  return { text: String.fromCharCode(c), width: 1 }
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** `undefined`: not complete. */
function readEscape(s: string, p: number): Unit | undefined {
  if (p + 1 === s.length) return undefined
  const letter = s.charAt(p + 1)
  if (letter !== 'u') {
    const text = escapes[letter]
    if (text === undefined) throw badJson('an unknown escape')
    return { text, width: 2 }
  }
  const hex = s.slice(p + 2, p + 6)
  if (!/^[0-9a-fA-F]*$/.test(hex)) throw badJson('an unknown escape')
  if (hex.length < 4) return undefined
  return { text: String.fromCharCode(Number.parseInt(hex, 16)), width: 6 }
}

/** One character (RFC 3629 §4). `undefined`: not complete. */
function readUtf8(s: string, p: number): Unit | undefined {
  const lead = s.charCodeAt(p)
  const width =
    lead >= 0xc2 && lead < 0xe0
      ? 2
      : lead >= 0xe0 && lead < 0xf0
        ? 3
        : lead >= 0xf0 && lead < 0xf5
          ? 4
          : 0
  if (width === 0) throw badUtf8()
  let point = lead & (0xff >> (width + 1))
  for (let k = 1; k < width; k++) {
    if (p + k === s.length) return undefined
    const next = s.charCodeAt(p + k)
    if ((next & 0xc0) !== 0x80) throw badUtf8()
    point = (point << 6) | (next & 0x3f)
  }
  const shortest = width === 2 ? 0x80 : width === 3 ? 0x800 : 0x10000
  if (point < shortest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw badUtf8()
  return { text: String.fromCodePoint(point), width }
}

/** The inside of a JSON string for a text, ASCII. */
export const escaped = (text: string): string =>
  JSON.stringify(text)
    .slice(1, -1)
    .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Turns what a scanner says of decoded text back into bytes: those kept are written as they came. */
export class JsonStringSink implements Sink {
  /** What can go out, latin1. */
  out = ''
  /** Whether anything was replaced or left out since `start`. */
  touched = false
  #raw = ''
  #widths: readonly number[] | undefined
  readonly #replace: (matcher: Matcher, value: string | undefined) => string

  constructor(replace: (matcher: Matcher, value: string | undefined) => string) {
    this.#replace = replace
  }

  start(): void {
    this.out = this.#raw = ''
    this.#widths = undefined
    this.touched = false
  }

  /** The bytes of text that is about to be scanned; `units` of it. */
  feed(raw: string, units: number, widths: readonly number[] | undefined): void {
    if (this.#raw === '') {
      this.#widths = widths
    } else if (widths !== undefined || this.#widths !== undefined) {
      const before = this.#widths ?? Array.from<number>({ length: this.#raw.length }).fill(1)
      this.#widths = [...before, ...(widths ?? Array.from<number>({ length: units }).fill(1))]
    }
    this.#raw += raw
  }

  keep(_text: string, from: number, to: number): void {
    this.out += this.#take(to - from)
  }

  drop(units: number): void {
    this.touched = true
    this.#take(units)
  }

  found(matcher: Matcher, value: string | undefined): void {
    this.touched = true
    this.out += escaped(this.#replace(matcher, value))
  }

  #take(units: number): string {
    let bytes = units
    if (this.#widths !== undefined) {
      bytes = 0
      for (let k = 0; k < units; k++) bytes += this.#widths[k] ?? 0
      this.#widths = this.#widths.slice(units)
    }
    const taken = this.#raw.slice(0, bytes)
    this.#raw = this.#raw.slice(bytes)
    return taken
  }
}
