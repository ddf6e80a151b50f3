import type { Matcher } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'
import type { Replace, Sink } from './scan.ts'

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
  /** Whether anything was replaced since `start`. */
  touched = false
  /** Bytes that nothing was decided on, piece by piece, with the bytes of each code unit where not all have one. */
  #pieces: { readonly raw: string; readonly widths: readonly number[] | undefined }[] = []
  #first = 0
  /** Code units and bytes of the first piece that were decided on. */
  #unit = 0
  #byte = 0
  readonly #replace: Replace

  constructor(replace: Replace) {
    this.#replace = replace
  }

  start(): void {
    this.out = ''
    this.#pieces = []
    this.#first = this.#unit = this.#byte = 0
    this.touched = false
  }

  /** The bytes of text that is about to be scanned. */
  feed(raw: string, widths: readonly number[] | undefined): void {
    if (raw !== '') this.#pieces.push({ raw, widths })
  }

  keep(_text: string, from: number, to: number): void {
    this.#take(to - from, (bytes) => (this.out += bytes))
  }

  drop(units: number): void {
    this.#take(units, () => undefined)
  }

  mark(): void {}

  found(matcher: Matcher, value: string | undefined, read: boolean): void {
    this.touched = true
    this.out += escaped(this.#replace(matcher, value, read))
  }

  #take(units: number, each: (bytes: string) => void): void {
    let left = units
    while (left > 0) {
      const piece = this.#pieces[this.#first]
      if (piece === undefined) return
      const { raw, widths } = piece
      const had = (widths?.length ?? raw.length) - this.#unit
      const taken = Math.min(left, had)
      let bytes = taken
      if (widths !== undefined) {
        bytes = 0
        for (let at = this.#unit; at < this.#unit + taken; at++) bytes += widths[at] ?? 0
      }
      each(raw.slice(this.#byte, this.#byte + bytes))
      left -= taken
      if (taken < had) {
        this.#unit += taken
        this.#byte += bytes
        return
      }
      this.#unit = this.#byte = 0
      if (++this.#first === this.#pieces.length || this.#first > 1024) {
        this.#pieces = this.#pieces.slice(this.#first)
        this.#first = 0
      }
    }
  }
}
