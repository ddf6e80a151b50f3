import type { Matcher } from './detectors/matcher.ts'
import type { LiteralMasker } from './literal.ts'
import type { Inspector } from './inspector.ts'
import type { Replace, Sink } from './scan.ts'
import type { Counts } from './types.ts'

/** What is found counts under its name. */
export function count(counts: Counts, name: keyof Counts, more = 1): void {
  counts[name] = (counts[name] ?? 0) + more
}

/** A sink that only counts. */
export class CountingSink implements Sink {
  readonly counts: Counts
  constructor(counts: Counts) {
    this.counts = counts
  }
  keep(): void {}
  drop(): void {}
  mark(): void {}
  found(matcher: Matcher): void {
    count(this.counts, matcher.name)
  }
}

/** A sink that builds the masked text. */
export class TextSink implements Sink {
  out = ''
  /** Where borders stand in `out`. */
  marks: number[] = []
  readonly #counts: Counts
  readonly #replace: Replace
  constructor(counts: Counts, replace: Replace) {
    this.#counts = counts
    this.#replace = replace
  }
  keep(text: string, from: number, to: number): void {
    this.out += from === 0 && to === text.length ? text : text.slice(from, to)
  }
  drop(): void {}
  mark(): void {
    this.marks.push(this.out.length)
  }
  found(matcher: Matcher, value: string | undefined, read: boolean): void {
    count(this.#counts, matcher.name)
    this.out += this.#replace(matcher, value, read)
  }
}

/** Masks one text that comes in pieces, e.g. the deltas of one content block. */
export class TextMasker {
  /** Findings so far, those of observing rules included. */
  readonly counts: Counts
  /** Where borders stand in what was returned last. */
  marks: readonly number[] = []
  readonly #literals: LiteralMasker | undefined
  readonly #inspector: Inspector | undefined
  readonly #sink: TextSink
  readonly #observer: Inspector | undefined

  constructor(
    counts: Counts,
    literals: LiteralMasker | undefined,
    inspector: Inspector | undefined,
    sink: TextSink,
    observer: Inspector | undefined,
  ) {
    this.counts = counts
    this.#literals = literals
    this.#inspector = inspector
    this.#sink = sink
    this.#observer = observer
  }

  /** Code units held back because they may still become part of a finding. */
  get held(): number {
    return (this.#literals?.held ?? 0) + (this.#inspector?.held ?? 0)
  }

  /**
   * @returns what can go out now; empty while all of it is held back.
   * @throws {PepMaskError} PEP_MASK_DETECTOR: cut the stream.
   */
  push(text: string): string {
    this.#observer?.push(text)
    return this.#mask(this.#literals === undefined ? text : this.#literals.push(text), false)
  }

  /**
   * A border: what comes next is another part of the same text, and a value may stand on both sides.
   * @returns what can go out now; once the border is in it, `marks` tells where.
   */
  mark(): string {
    this.#observer?.end()
    const before = this.#literals?.end() ?? ''
    if (this.#inspector === undefined) {
      this.marks = [before.length]
      return before
    }
    this.#inspector.push(before)
    this.#inspector.mark()
    return this.#taken()
  }

  /** @returns the rest, masked. The masker can then be used for another text. */
  end(): string {
    this.#observer?.end()
    return this.#mask(this.#literals?.end() ?? '', true)
  }

  #mask(text: string, final: boolean): string {
    if (this.#inspector === undefined) {
      this.marks = []
      return text
    }
    this.#inspector.push(text)
    if (final) this.#inspector.end()
    return this.#taken()
  }

  #taken(): string {
    const { out, marks } = this.#sink
    this.#sink.out = ''
    this.#sink.marks = []
    this.marks = marks
    return out
  }
}
