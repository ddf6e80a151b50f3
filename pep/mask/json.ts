import { isKeyword } from './detectors/keywords.ts'
import { PepMaskError } from './errors.ts'
import type { Inspector } from './inspector.ts'
import { type Container, OpenContainers } from './json-keys.ts'
import type { FieldPaths, FieldRule, PathState } from './json-path.ts'
import { escaped, type JsonStringSink, readString, type StringPart } from './json-string.ts'
import { count } from './text.ts'
import type { Counts } from './types.ts'

/** What a JSON masker needs; made by `compileMask`. */
export type JsonParts = {
  readonly counts: Counts
  readonly inspector: Inspector | undefined
  readonly sink: JsonStringSink
  readonly observer: Inspector | undefined
  readonly fields: FieldPaths
  /** The replacement for a value at a path; `undefined`: a container, or too long to hold. */
  readonly replaceField: (rule: FieldRule, value: string | undefined) => string
  /** Most code units of a field's value that are collected. */
  readonly budget: number
}

const MAX_KEY = 8192
const MAX_NUMBER = 1024
/** U+FEFF in UTF-8, as latin1. */
const BOM = '\u00ef\u00bb\u00bf'
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const bad = (why: string): PepMaskError => new PepMaskError('PEP_MASK_BAD_JSON', why)

type Expect = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma' | 'nothing'

/**
 * Masks one JSON text that comes in pieces, held as latin1. String values, keys and numbers are scanned; values at
 * field paths are replaced whole; all other bytes go out as they came.
 */
export class JsonScanner {
  readonly #parts: JsonParts
  #expect: Expect = 'value'
  readonly #open = new OpenContainers()
  /** State and rule of the value that comes next. */
  #state: PathState
  #rule: FieldRule | undefined
  /** The text that `aws_key` wants to see in front of a value. */
  #context = ''
  /** What must be seen with what follows: a part of a key, number, word or escape. */
  #carry = ''
  /** Inside a string value that began in an earlier piece. */
  #inString = false
  /** The rule that replaces the string that is read, and its value as far as it is collected. */
  #replacing: FieldRule | undefined
  #field: string | undefined
  /** Depth of the container that a field rule drops; nothing goes out until it ends. */
  #dropping: number | undefined
  #empty = true

  #s = ''
  #out = ''
  /** `#s` is settled up to here. */
  #copied = 0

  constructor(parts: JsonParts) {
    this.#parts = parts
    this.#state = parts.fields.root
  }

  /** @throws {PepMaskError} PEP_MASK_BAD_JSON, _BAD_UTF8, _DUPLICATE_KEY, _DEPTH, _OVERFLOW, _DETECTOR. */
  feed(piece: string, final: boolean): string {
    this.#s = this.#carry + piece
    this.#carry = ''
    this.#out = ''
    this.#copied = 0
    let at = 0
    if (this.#empty && this.#s !== '') {
      // A byte-order mark is not JSON, but many writers send one and readers skip it.
      if (!final && BOM.startsWith(this.#s)) {
        this.#carry = this.#s
        return ''
      }
      if (this.#s.startsWith(BOM)) at = 3
      this.#empty = false
    }
    if (this.#inString) at = this.#stringPart(at)
    while (at < this.#s.length) {
      const next = this.#token(at, final)
      if (next === undefined) {
        if (final) throw bad('the text ends too early')
        this.#settle(at)
        this.#carry = this.#s.slice(at)
        return this.#out
      }
      at = next
    }
    if (!this.#inString) this.#settle(this.#s.length)
    if (final && !this.#empty && (this.#inString || this.#expect !== 'nothing')) {
      throw bad('the text ends too early')
    }
    return this.#out
  }

  /** Reads one token. @returns the index after it; `undefined`: it is not complete. */
  #token(at: number, final: boolean): number | undefined {
    switch (this.#s.charAt(at)) {
      case ' ':
      case '\n':
      case '\r':
      case '\t':
        return at + 1
      case '"':
        return this.#expect === 'key' || this.#expect === 'key-or-end'
          ? this.#key(at)
          : this.#string(at)
      case '{':
        return this.#openAt(at, true)
      case '[':
        return this.#openAt(at, false)
      case '}':
        return this.#close(at, true)
      case ']':
        return this.#close(at, false)
      case ',':
        return this.#comma(at)
      case ':':
        if (this.#expect !== 'colon') throw bad('a colon that is out of place')
        this.#expect = 'value'
        return at + 1
      default:
        return this.#scalar(at, final)
    }
  }

  #beginValue(): void {
    if (this.#expect !== 'value' && this.#expect !== 'value-or-end')
      throw bad('a value that is out of place')
  }

  #endValue(): void {
    this.#expect = this.#open.depth === 0 ? 'nothing' : 'comma'
  }

  /** The rule that alters the next value; counts it. One that only observes lets it pass. */
  #takeRule(): FieldRule | undefined {
    const rule = this.#dropping === undefined ? this.#rule : undefined
    this.#rule = undefined
    if (rule === undefined) return undefined
    count(this.#parts.counts, 'field')
    return rule.observe ? undefined : rule
  }

  #child(container: Container, selector: string | number): void {
    const { state, rule } = this.#parts.fields.child(container.state, selector)
    this.#state = state
    this.#rule = rule
  }

  #openAt(at: number, object: boolean): number {
    this.#beginValue()
    const rule = this.#takeRule()
    if (rule !== undefined) {
      this.#put(at, at, `"${escaped(this.#parts.replaceField(rule, undefined))}"`)
      this.#dropping = this.#open.depth
    }
    const container = this.#open.open(object, this.#state)
    this.#expect = object ? 'key-or-end' : 'value-or-end'
    if (!object) this.#child(container, 0)
    return at + 1
  }

  #close(at: number, object: boolean): number {
    const container = this.#open.close()
    const ends =
      this.#expect === 'comma' || this.#expect === (object ? 'key-or-end' : 'value-or-end')
    if (container === undefined || (container.keys !== undefined) !== object || !ends) {
      throw bad('a bracket that is out of place')
    }
    if (this.#dropping === this.#open.depth) {
      this.#dropping = undefined
      this.#copied = at + 1
    }
    this.#endValue()
    return at + 1
  }

  #comma(at: number): number {
    const container = this.#open.last
    if (this.#expect !== 'comma' || container === undefined)
      throw bad('a comma that is out of place')
    if (container.keys === undefined) {
      this.#child(container, ++container.index)
      this.#expect = 'value'
    } else {
      this.#expect = 'key'
    }
    return at + 1
  }

  #key(at: number): number | undefined {
    const part = readString(this.#s, at + 1)
    if (part.next - at > MAX_KEY) throw new PepMaskError('PEP_MASK_OVERFLOW', 'a key is too long')
    if (!part.ended) return undefined
    const container = this.#open.last
    if (container?.keys === undefined) throw bad('a key that is out of place')
    this.#open.addKey(container, container.keys, part.text)
    this.#child(container, part.text)
    if (this.#dropping === undefined && this.#scan(part, at + 1, '')) {
      this.#put(at + 1, part.next, this.#open.maskedKey(container, this.#parts.sink.out))
    }
    this.#context = isKeyword(part.text) ? `${part.text.slice(-64)}":"` : ''
    this.#expect = 'colon'
    return part.next + 1
  }

  #string(at: number): number {
    this.#beginValue()
    const rule = this.#takeRule()
    const part = readString(this.#s, at + 1)
    if (part.ended && rule === undefined) {
      if (this.#dropping === undefined && this.#scan(part, at + 1, this.#context)) {
        this.#put(at + 1, part.next, this.#parts.sink.out)
      }
      this.#endValue()
      return part.next + 1
    }
    this.#inString = true
    this.#replacing = rule
    this.#field = ''
    if (rule !== undefined) this.#settle(at)
    else this.#settle(at + 1)
    this.#parts.sink.start()
    this.#parts.inspector?.reset(this.#context)
    this.#parts.observer?.reset(this.#context)
    return this.#go(part, at + 1)
  }

  /** Goes on with a string that began in an earlier piece. */
  #stringPart(at: number): number {
    return this.#go(readString(this.#s, at), at)
  }

  #go(part: StringPart, from: number): number {
    const { sink, inspector, observer } = this.#parts
    if (this.#replacing !== undefined) {
      this.#collect(part)
    } else if (this.#dropping === undefined) {
      sink.feed(this.#s.slice(from, part.next), part.widths)
      inspector?.push(part.text)
      observer?.push(part.text)
      if (part.ended) {
        inspector?.end()
        observer?.end()
      }
      if (inspector === undefined) sink.keep(part.text, 0, part.text.length)
      this.#out += sink.out
      sink.out = ''
    }
    this.#copied = part.next
    if (!part.ended) {
      this.#carry = this.#s.slice(part.next)
      this.#copied = this.#s.length
      return this.#s.length
    }
    this.#inString = false
    if (this.#replacing !== undefined) {
      this.#out += `"${escaped(this.#parts.replaceField(this.#replacing, this.#field))}"`
      this.#copied = part.next + 1
      this.#replacing = undefined
    }
    this.#endValue()
    return part.next + 1
  }

  #collect(part: StringPart): void {
    if (this.#field === undefined) return
    this.#field =
      this.#field.length + part.text.length > this.#parts.budget
        ? undefined
        : this.#field + part.text
  }

  #scalar(at: number, final: boolean): number | undefined {
    this.#beginValue()
    let end = at
    while (end < this.#s.length && isScalar(this.#s.charCodeAt(end))) end++
    if (end - at > MAX_NUMBER) throw new PepMaskError('PEP_MASK_OVERFLOW', 'a number is too long')
    if (end === this.#s.length && !final) return undefined
    const text = this.#s.slice(at, end)
    const word = text === 'true' || text === 'false' || text === 'null'
    if (!word && !number.test(text)) throw bad('a value that is not JSON')
    const rule = this.#takeRule()
    if (rule !== undefined) {
      this.#put(at, end, `"${escaped(this.#parts.replaceField(rule, text))}"`)
    } else if (!word && this.#dropping === undefined) {
      const part = { text, widths: undefined, next: end, ended: true }
      if (this.#scan(part, at, '')) this.#put(at, end, `"${this.#parts.sink.out}"`)
    }
    this.#endValue()
    return end
  }

  /** Scans something complete. @returns whether it has to change; to what is in `sink.out`. */
  #scan(part: StringPart, from: number, context: string): boolean {
    const { sink, inspector, observer } = this.#parts
    if (observer !== undefined && !(context === '' && observer.isClean(part.text))) {
      observer.reset(context)
      observer.whole(part.text)
    }
    if (inspector === undefined || (context === '' && inspector.isClean(part.text))) return false
    sink.start()
    sink.feed(this.#s.slice(from, part.next), part.widths)
    inspector.reset(context)
    inspector.whole(part.text)
    return sink.touched
  }

  /** Lets everything before `to` go out as it came, unless it is dropped. */
  #settle(to: number): void {
    if (this.#dropping === undefined && to > this.#copied)
      this.#out += this.#s.slice(this.#copied, to)
    this.#copied = Math.max(this.#copied, to)
  }

  /** Puts `text` in place of `[from..to)`. */
  #put(from: number, to: number, text: string): void {
    this.#settle(from)
    this.#out += text
    this.#copied = to
  }
}

/** Digits, sign, point, exponent, and the letters of the three words. */
const isScalar = (c: number): boolean =>
  (c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46 || (c >= 97 && c <= 122) || c === 69
