import { Base64Sink, hasBase64 } from './base64.ts'
import type { Matcher } from './detectors/matcher.ts'
import { fold, isFoldable, unfinishedFrom } from './fold.ts'
import { Scanner, type Sink, type ValueUse } from './scan.ts'
import type { Tables } from './tables.ts'
import { UnfoldingSink } from './unfold.ts'

/** Base64 is looked for so deep inside base64. */
const DEPTH = 2

/**
 * Finds values in a text that comes in pieces, as its readers take it: the text is folded (see `fold`), scanned, and
 * what is base64 in it is decoded and scanned as well. Tells the sink what becomes of each code unit of the original.
 */
export class Inspector {
  readonly #scanner: Scanner
  readonly #unfolding: UnfoldingSink
  readonly #base64: Base64Sink | undefined
  /** The end of the text so far that must be seen together with what follows. */
  #rest = ''

  /**
   * @param use what `found` needs of a value, as it is read: folded, decoded.
   * @param budget most code units of a value that are collected; a longer one is reported without.
   */
  constructor(
    tables: Tables,
    sink: Sink,
    use: (matcher: Matcher) => ValueUse,
    budget: number,
    depth = DEPTH,
  ) {
    this.#base64 =
      depth === 0
        ? undefined
        : new Base64Sink(sink, (inner) => new Inspector(tables, inner, use, budget, depth - 1))
    this.#unfolding = new UnfoldingSink(this.#base64 ?? sink)
    this.#scanner = new Scanner(tables, this.#unfolding, use, budget)
  }

  /** Code units that were pushed and neither kept nor dropped, and those of a value that is being collected. */
  get held(): number {
    const collected = this.#scanner.held - this.#unfolding.shown
    return this.#rest.length + this.#unfolding.held + collected + (this.#base64?.held ?? 0)
  }

  /** Starts over, as if `context` (see `CONTEXT`) had stood before the text. */
  reset(context: string): void {
    this.#rest = ''
    this.#unfolding.reset()
    this.#base64?.reset()
    this.#scanner.reset(context)
  }

  /** Whether `text`, whole and on its own, is certain to have no finding. Starts over. */
  isClean(text: string): boolean {
    return !isFoldable(text) && !hasBase64(text) && this.#scanner.isClean(text)
  }

  /** @throws {PepMaskError} PEP_MASK_DETECTOR when a detector threw; the text held back is lost, not passed. */
  push(text: string): void {
    if (text === '') return
    const all = this.#rest + text
    const cut = unfinishedFrom(all)
    this.#rest = all.slice(cut)
    this.#show(cut === all.length ? all : all.slice(0, cut))
  }

  /**
   * A border inside the text, between two blocks of it: findings go across, and the sink is told where it stands in what
   * goes out. Sequences that are folded, and base64, end here.
   */
  mark(): void {
    this.#show(this.#rest)
    this.#rest = ''
    this.#unfolding.mark()
  }

  /** Reports all of a text that is there as a whole. After it, the inspector is as new. */
  whole(text: string): void {
    this.push(text)
    this.end()
  }

  /** Reports everything held back. After it, the inspector is as new. */
  end(): void {
    this.#show(this.#rest)
    this.#rest = ''
    this.#scanner.end()
    this.#unfolding.end()
    this.#base64?.flush()
  }

  #show(text: string): void {
    if (text === '') return
    if (!isFoldable(text)) {
      this.#unfolding.same(text)
      this.#scanner.push(text)
      return
    }
    let shown = ''
    fold(text, {
      same: (part) => {
        this.#unfolding.same(part)
        shown += part
      },
      reads: (reading, original) => {
        this.#unfolding.folded(original, reading.length)
        shown += reading
      },
    })
    if (shown !== '') this.#scanner.push(shown)
  }
}
