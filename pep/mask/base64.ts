import type { Matcher } from './detectors/matcher.ts'
import type { Sink } from './scan.ts'

/** Characters of base64 in a row that are worth decoding: 12 bytes. Hardly a word is as long. */
const LEAST = 16
/** A line of MIME (RFC 2045 §6.8) or PEM (RFC 7468 §2) that goes on in the next has at least so many characters. */
const LEAST_LINE = 60
/** Four characters are three bytes; where the first one is depends on what stands in front. */
const ALIGNMENTS = [0, 1, 2, 3]

/** Fewer are enough before padding, which words have not. */
const LEAST_PADDED = 10
const PAD = 61

const CR = 13
const LF = 10
/** The six bits of each character in both alphabets (RFC 4648 §4, §5); 64: none. */
const values = new Uint8Array(65_536).fill(64)
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
for (let value = 0; value < alphabet.length; value++) values[alphabet.charCodeAt(value)] = value
for (const symbols of ['+/', '-_'])
  for (let k = 0; k < 2; k++) values[symbols.charCodeAt(k)] = 62 + k

const isBase64 = (unit: number): boolean => (values[unit] ?? 64) < 64
/** Text that is encoded begins with a letter or a digit: a path does not. */
const begins = (unit: number): boolean => (values[unit] ?? 64) < 62

/** What looks into decoded text. */
export type Decoded = {
  readonly push: (text: string) => void
  /** After it, it is as new. */
  readonly end: () => void
  readonly reset: (context: string) => void
}

/**
 * Looks into base64 that stands in text which a scanner lets through: runs are decoded as they come, and what is found
 * in them is replaced at the characters that hold it.
 */
export class Base64Sink implements Sink {
  readonly #sink: Sink
  readonly #decoded: (sink: Sink) => Decoded
  /** The end of the text so far while it may become a run. */
  #short = ''
  /** In a run: characters of its line, and the break that may be inside it. */
  #inRun = false
  #line = 0
  #break = ''
  /** Made for the first run, used for all; each lets through to the next. */
  #alignments: Alignment[] = []

  /** @param decoded makes what scans the text of runs. */
  constructor(sink: Sink, decoded: (sink: Sink) => Decoded) {
    this.#sink = sink
    this.#decoded = decoded
  }

  /** Code units of text that were neither kept nor dropped. */
  get held(): number {
    let held = this.#short.length + this.#break.length
    for (const alignment of this.#alignments) held += alignment.held
    return held
  }

  keep(text: string, from: number, to: number): void {
    let at = from
    while (at < to) {
      if (this.#inRun) at = this.#goOn(text, at, to)
      else if (this.#short !== '') at = this.#lengthen(text, at, to)
      else at = this.#seek(text, at, to)
    }
  }

  drop(units: number): void {
    this.flush()
    this.#sink.drop(units)
  }

  found(matcher: Matcher, value: string | undefined, read: boolean): void {
    this.flush()
    this.#sink.found(matcher, value, read)
  }

  mark(): void {
    this.flush()
    this.#sink.mark()
  }

  /** The text ends here, or something else stands here. */
  flush(): void {
    if (this.#inRun) this.#endRun()
    if (this.#short !== '') this.#endShort()
  }

  reset(): void {
    this.#short = this.#break = ''
    this.#inRun = false
    for (const alignment of this.#alignments) alignment.reset()
  }

  /** Keeps what is before the next run, and what is too short for one. */
  #seek(text: string, from: number, to: number): number {
    const long = longRun(text, from, to)
    const padded = paddedRun(text, from, long)
    const start = padded ?? long
    if (start > from) this.#sink.keep(text, from, start)
    if (to - start >= LEAST || padded !== undefined) {
      this.#begin()
      return start
    }
    if (start < to) this.#short = text.slice(start, to)
    return to
  }

  /** Goes on with what may become a run. */
  #lengthen(text: string, from: number, to: number): number {
    const missing = LEAST - this.#short.length
    let at = from
    while (at < to && at - from < missing && isBase64(text.charCodeAt(at))) at++
    this.#short += text.slice(from, at)
    if (this.#short.length === LEAST) {
      const begin = this.#short
      this.#short = ''
      this.#begin()
      this.#goOn(begin, 0, LEAST)
    } else if (at < to) {
      if (isPadded(this.#short.length, text.charCodeAt(at))) {
        const padded = this.#short
        this.#short = ''
        this.#begin()
        this.#goOn(padded, 0, padded.length)
      } else {
        this.#endShort()
      }
    }
    return at
  }

  #begin(): void {
    if (this.#alignments.length === 0) {
      let sink = this.#sink
      for (const skip of ALIGNMENTS) {
        const alignment = new Alignment(sink, this.#decoded, skip)
        this.#alignments.unshift(alignment)
        sink = alignment
      }
    }
    this.#inRun = true
    this.#line = 0
  }

  /** @returns where the run ends, or `to`. */
  #goOn(text: string, from: number, to: number): number {
    let at = from
    for (let begin = from; ;) {
      while (at < to && isBase64(text.charCodeAt(at))) at++
      if (at > begin) {
        if (this.#break !== '') this.#line = 0
        this.#line += at - begin
        const part = this.#break + text.slice(begin, at)
        this.#break = ''
        this.#alignments[0]?.keep(part, 0, part.length)
      }
      if (at === to) return to
      if (!this.#breaks(text.charCodeAt(at))) {
        this.#endRun()
        return at
      }
      begin = ++at
    }
  }

  /** Whether a unit may be a break inside the run. */
  #breaks(unit: number): boolean {
    const first = this.#break === '' && this.#line >= LEAST_LINE && (unit === CR || unit === LF)
    if (!first && !(this.#break === '\r' && unit === LF)) return false
    this.#break += String.fromCharCode(unit)
    return true
  }

  #endRun(): void {
    this.#inRun = false
    for (const alignment of this.#alignments) alignment.end()
    const rest = this.#break
    this.#break = ''
    if (rest !== '') this.#sink.keep(rest, 0, rest.length)
  }

  #endShort(): void {
    const short = this.#short
    this.#short = ''
    this.#sink.keep(short, 0, short.length)
  }
}

/** Where the first run of `LEAST` characters begins, or one that the text ends in; `to` if there is none. */
function longRun(text: string, from: number, to: number): number {
  // Backwards from every `LEAST`th character: most words are over before.
  let start = from
  for (let end = from + LEAST; end <= to; end = start + LEAST) {
    let at = end
    while (at > start && isBase64(text.charCodeAt(at - 1))) at--
    if (at === start && begins(text.charCodeAt(start))) return start
    start = at === start ? start + 1 : at
  }
  let at = to
  while (at > start && isBase64(text.charCodeAt(at - 1))) at--
  while (at < to && !begins(text.charCodeAt(at))) at++
  return at
}

const isPadded = (length: number, next: number): boolean =>
  next === PAD && length >= LEAST_PADDED && length % 4 >= 2

/** Where a run begins that is short but padded. */
function paddedRun(text: string, from: number, to: number): number | undefined {
  for (
    let pad = text.indexOf('=', from);
    pad !== -1 && pad < to;
    pad = text.indexOf('=', pad + 1)
  ) {
    let start = pad
    while (start > from && isBase64(text.charCodeAt(start - 1))) start--
    while (start < pad && !begins(text.charCodeAt(start))) start++
    if (isPadded(pad - start, PAD)) return start
  }
  return undefined
}

/** Whether a text has a run that is worth decoding. */
export function hasBase64(text: string): boolean {
  const { length } = text
  const long = longRun(text, 0, length)
  return length - long >= LEAST || paddedRun(text, 0, long) !== undefined
}

/** As in `strings(1)`: so many characters of text in a row are no accident. */
const LEAST_TEXT = 8
/** Stands for a byte that is no text. */
const NO_TEXT = '\u0001'

/** The zeros of UTF-16 among them. */
const TEXT_CONTROLS = new Set([0, 9, 10, 13])

/** A code unit of the decoded text, and how many bytes it was. */
type Unit = { readonly char: string; readonly bytes: number }

/** Decodes runs whose first whole byte begins `skip` characters behind their first one. */
class Alignment implements Sink {
  readonly #sink: Sink | Alignment
  readonly #decoded: Decoded
  readonly #skip: number
  /** Characters that nothing was decided on, breaks of lines included. */
  #raw = ''
  /** Place in the run: characters that came, those before a finding included. */
  #place = 0
  /** Since the run began or went on behind a finding: characters in front of the first byte, and those decided on. */
  #lead: number
  #leadLeft: number
  #charsDone = 0
  /** Bits of characters that no whole byte was made of yet. */
  #bits = 0
  #bitCount = 0
  /** Bytes that were decided on, and those of each undecided unit of the decoded text. */
  #bytesDone = 0
  #widths: number[] = []
  #width = 0
  /** Bytes of a character that is not whole. */
  #partial: number[] = []
  /** Text that may be too short to be any. */
  #text: Unit[] = []
  #isText = false

  constructor(sink: Sink | Alignment, decoded: (sink: Sink) => Decoded, skip: number) {
    this.#sink = sink
    this.#skip = this.#lead = this.#leadLeft = skip
    this.#decoded = decoded({
      keep: (_text, from, to) => {
        this.#count(to - from)
        this.#keepDone()
      },
      drop: (units) => {
        // What ends in front of the value is none of it.
        this.#keepDone()
        const before = this.#charsDone
        this.#count(units)
        const gone = this.#take(this.#lead + Math.ceil((this.#bytesDone * 8) / 6))
        if (gone === '') return
        if (this.#sink instanceof Alignment)
          this.#sink.skipped(gone.length, this.#charsDone - before)
        else this.#sink.drop(gone.length)
      },
      found: (matcher, value) => {
        this.#keepDone()
        this.#sink.found(matcher, value, true)
      },
      mark: () => undefined,
    })
  }

  get held(): number {
    return this.#raw.length
  }

  keep(text: string, from: number, to: number): void {
    this.#raw += from === 0 && to === text.length ? text : text.slice(from, to)
    let units = ''
    for (let at = from; at < to; at++) {
      const value = values[text.charCodeAt(at)] ?? 64
      if (value === 64) continue
      this.#place++
      if (this.#leadLeft > 0) {
        this.#leadLeft--
        continue
      }
      this.#bits = ((this.#bits << 6) | value) & 0xffff
      this.#bitCount += 6
      if (this.#bitCount < 8) continue
      this.#bitCount -= 8
      units += this.#readable((this.#bits >> this.#bitCount) & 0xff)
    }
    if (units !== '') this.#decoded.push(units)
    else this.#keepDone()
  }

  drop(units: number): void {
    this.end()
    this.#sink.drop(units)
  }

  found(matcher: Matcher, value: string | undefined, read: boolean): void {
    this.#endText()
    this.#sink.found(matcher, value, read)
  }

  /** Another alignment found a value in so many characters of so many units; this one goes on behind it. */
  skipped(units: number, chars: number): void {
    this.#endText()
    this.#place += chars
    this.#lead = this.#leadLeft = (((this.#skip - this.#place) % 4) + 4) % 4
    if (this.#sink instanceof Alignment) this.#sink.skipped(units, chars)
    else this.#sink.drop(units)
  }

  mark(): void {
    this.end()
    this.#sink.mark()
  }

  end(): void {
    this.#endText()
    this.#start()
  }

  reset(): void {
    this.#endBytes()
    this.#start()
    this.#decoded.reset('')
  }

  #start(): void {
    this.#raw = ''
    this.#place = 0
    this.#lead = this.#leadLeft = this.#skip
  }

  /** No more of what is decoded belongs together. */
  #endText(): void {
    const units = this.#noTextUnits() + this.#partial.map(() => this.#noText(1)).join('')
    if (units !== '') this.#decoded.push(units)
    this.#decoded.end()
    // Characters that hold no whole byte.
    const rest = this.#raw
    this.#raw = ''
    this.#endBytes()
    if (rest !== '') this.#sink.keep(rest, 0, rest.length)
  }

  #endBytes(): void {
    this.#charsDone = this.#bits = this.#bitCount = this.#bytesDone = this.#width = 0
    this.#lead = this.#leadLeft = (((this.#skip - this.#place) % 4) + 4) % 4
    this.#widths = []
    this.#partial = []
    this.#text = []
    this.#isText = false
  }

  #count(units: number): void {
    for (let k = 0; k < units; k++) this.#bytesDone += this.#widths[this.#width++] ?? 1
    if (this.#width > 1024) {
      this.#widths = this.#widths.slice(this.#width)
      this.#width = 0
    }
  }

  /** The text of a byte, as soon as it is known to be text. */
  #readable(byte: number): string {
    if (this.#partial.length === 0 && byte < 0x80) return this.#unit(byte, 1)
    this.#partial.push(byte)
    const [lead = 0] = this.#partial
    const need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1
    const goesOn = this.#partial.slice(1).every((one) => (one & 0xc0) === 0x80)
    if (need > 1 && goesOn && this.#partial.length < need) return ''
    const bytes = this.#partial
    this.#partial = []
    const char = need > 1 && goesOn ? Buffer.from(bytes).toString('utf8') : ''
    if (char !== '' && char !== '\ufffd') return this.#text8(char, bytes.length)
    // The last may begin something else.
    const last = bytes.length > 1 ? bytes.pop() : undefined
    const broken = this.#noTextUnits() + bytes.map(() => this.#noText(1)).join('')
    return last === undefined ? broken : broken + this.#readable(last)
  }

  #unit(byte: number, bytes: number): string {
    const text = byte >= 32 ? byte !== 127 : TEXT_CONTROLS.has(byte)
    if (text) return this.#text8(String.fromCharCode(byte), bytes)
    return this.#noTextUnits() + this.#noText(bytes)
  }

  #text8(char: string, bytes: number): string {
    const units = Array.from({ length: char.length }, (_, at) => ({
      char: char.charAt(at),
      bytes: at === 0 ? bytes : 0,
    }))
    if (!this.#isText) {
      this.#text.push(...units)
      if (this.#text.length < LEAST_TEXT) return ''
      this.#isText = true
      const text = this.#text
      this.#text = []
      return text.map((unit) => this.#tell(unit)).join('')
    }
    return units.map((unit) => this.#tell(unit)).join('')
  }

  #tell({ char, bytes }: Unit): string {
    this.#widths.push(bytes)
    return char
  }

  #noText(bytes: number): string {
    this.#isText = false
    return this.#tell({ char: NO_TEXT, bytes })
  }

  /** What was too short for text. */
  #noTextUnits(): string {
    const short = this.#text
    this.#text = []
    return short.map(({ bytes }) => this.#noText(bytes)).join('')
  }

  /** A character goes out when all of its bits have been decided on. */
  #keepDone(): void {
    const out = this.#take(this.#lead + Math.floor((this.#bytesDone * 8) / 6))
    if (out !== '') this.#sink.keep(out, 0, out.length)
  }

  /** Takes the characters up to a place, counted as `#charsDone` is. */
  #take(upTo: number): string {
    let at = 0
    for (; this.#charsDone < upTo && at < this.#raw.length; at++)
      if (isBase64(this.#raw.charCodeAt(at))) this.#charsDone++
    const taken = this.#raw.slice(0, at)
    this.#raw = this.#raw.slice(at)
    return taken
  }
}
