import type { Matcher } from './detectors/matcher.ts'
import type { Sink } from './scan.ts'

/** A part of the original. */
type Part = {
  /** `undefined`: the scanner was shown the same. */
  readonly original: string | undefined
  /** That the scanner has not decided on; 0 of a part that stands for nothing. */
  units: number
  /** Nothing but a border, which is told whatever becomes of what stands around it. */
  readonly mark?: true
}

/**
 * Turns what a scanner says of folded text back into code units of the original. What stands for nothing goes out
 * with what is before it, or else with what follows.
 */
export class UnfoldingSink implements Sink {
  #sink: Sink
  /** Undecided, in order; the first is at `#first`. */
  #parts: Part[] = []
  #first = 0
  /** Code units of the original, and of the folded text, that are undecided. */
  #held = 0
  #shown = 0
  #afterDrop = false
  /** Whether anything was read as something else. */
  #folds = false

  constructor(sink: Sink) {
    this.#sink = sink
  }

  get held(): number {
    return this.#held
  }

  /** Units of the scanner's text that are undecided. */
  get shown(): number {
    return this.#shown
  }

  /** What is undecided, and what follows, goes to another sink. */
  to(sink: Sink): void {
    this.#sink = sink
  }

  reset(sink: Sink): void {
    this.#sink = sink
    this.#parts = []
    this.#first = this.#held = this.#shown = 0
    this.#afterDrop = this.#folds = false
  }

  /** Text that the scanner is about to be shown as it is. */
  same(text: string): void {
    const units = text.length
    this.#held += units
    this.#shown += units
    const last = this.#parts.at(-1)
    if (last && last.original === undefined && this.#first < this.#parts.length) last.units += units
    else this.#parts.push({ original: undefined, units })
  }

  /** `original` is shown as so many units. */
  folded(original: string, units: number): void {
    this.#folds = true
    this.#held += original.length
    this.#shown += units
    this.#parts.push({ original, units })
    this.#settle()
  }

  mark(): void {
    this.#parts.push({ original: '', units: 0, mark: true })
    this.#settle()
  }

  keep(text: string, from: number, to: number): void {
    const [first] = this.#parts
    if (this.#first === 0 && first?.original === undefined && first !== undefined) {
      // Most text is as it is.
      const taken = to - from
      if (first.units >= taken) {
        first.units -= taken
        this.#held -= taken
        this.#shown -= taken
        this.#sink.keep(text, from, to)
        this.#decided(false)
        return
      }
    }
    let at = from
    this.#take(to - from, (part, units) => {
      if (part.original === undefined) this.#sink.keep(text, at, at + units)
      else this.#out(part)
      at += units
    })
    this.#decided(false)
  }

  drop(units: number): void {
    this.#take(units, ({ original, mark }, taken) => {
      if (mark) this.#sink.mark()
      else this.#sink.drop(original?.length ?? taken)
    })
    this.#decided(true)
  }

  found(matcher: Matcher, value: string | undefined): void {
    this.#sink.found(matcher, value, this.#folds)
  }

  /** The text ends here. */
  end(): void {
    this.#decided(false)
  }

  #decided(dropped: boolean): void {
    this.#afterDrop = dropped
    this.#settle()
  }

  /** Lets out what stands for nothing behind what was let out. */
  #settle(): void {
    for (; this.#first < this.#parts.length; this.#first++) {
      const part = this.#parts[this.#first]
      if (part === undefined || part.units > 0) break
      if (part.original === undefined) continue
      if (this.#afterDrop && !part.mark) break
      this.#held -= part.original.length
      this.#out(part)
    }
    if (this.#first === this.#parts.length || this.#first > 1024) {
      this.#parts = this.#parts.slice(this.#first)
      this.#first = 0
    }
  }

  #out({ original = '', mark }: Part): void {
    if (mark) this.#sink.mark()
    if (original !== '') this.#sink.keep(original, 0, original.length)
  }

  /** @param each called for each part as it is decided, with the units of it. */
  #take(units: number, each: (part: Part, units: number) => void): void {
    let left = units
    this.#shown -= units
    while (left > 0) {
      const part = this.#parts[this.#first]
      if (part === undefined) throw new RangeError('the scanner decided on more than it was shown')
      const taken = Math.min(left, part.units)
      part.units -= taken
      left -= taken
      if (part.original === undefined) {
        this.#held -= taken
        if (taken > 0) each(part, taken)
      } else if (part.units === 0) {
        // Of an original that is read as several units, the last decides.
        this.#held -= part.original.length
        each(part, taken)
      }
      if (part.units > 0) break
      this.#first++
    }
  }
}
