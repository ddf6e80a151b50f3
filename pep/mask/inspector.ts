import { Base64Sink, hasBase64 } from './base64.ts'
import type { Matcher } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'
import { fold, isFoldable, unfinishedFrom } from './fold.ts'
import { Scanner, type Sink, type ValueUse } from './scan.ts'
import type { Tables } from './tables.ts'
import { UnfoldingSink } from './unfold.ts'
import { Union } from './union.ts'

/** Base64 is looked for so deep inside base64. */
const DEPTH = 2
/** Most code units that are held back. Values are shorter, but for one that endless invisible text is put into. */
const MOST_HELD = 256 * 1024
/** A text is folded in pieces of at most so many code units. */
const PIECE = 32 * 1024

type Literally = {
  readonly scanner: Scanner
  readonly union: Union
  /** Code units that both were given. */
  shown: number
}

/**
 * Finds values in a text that comes in pieces, as its readers take it: the text is folded (see `fold`) and scanned, from
 * where there is anything to fold on also as it stands, and what is base64 in it is decoded and scanned as well. Tells
 * the sink what becomes of each code unit of the original.
 */
export class Inspector {
  readonly #scanner: Scanner
  readonly #unfolding: UnfoldingSink
  readonly #base64: Base64Sink | undefined
  readonly #out: Sink
  /** Scans the text as it stands, once it is not what is read. */
  #literally: Literally | undefined
  /** The end of the text so far that must be seen together with what follows, and the character in front of it. */
  #rest = ''
  #before = ''

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
    this.#out = this.#base64 ?? sink
    this.#unfolding = new UnfoldingSink(this.#out)
    this.#scanner = new Scanner(tables, this.#unfolding, use, budget)
  }

  /** Code units that were pushed and neither kept nor dropped, and those of a value that is being collected. */
  get held(): number {
    const collected = this.#scanner.held - this.#unfolding.shown
    const undecided = this.#literally
      ? this.#literally.shown - this.#literally.union.settled
      : this.#unfolding.held
    return this.#rest.length + undecided + collected + (this.#base64?.held ?? 0)
  }

  /** Starts over, as if `context` (see `CONTEXT`) had stood before the text. */
  reset(context: string): void {
    this.#rest = this.#before = ''
    this.#literally = undefined
    this.#unfolding.reset(this.#out)
    this.#base64?.reset()
    this.#scanner.reset(context)
  }

  /** Whether `text`, whole and on its own, is certain to have no finding. Starts over. */
  isClean(text: string): boolean {
    return !isFoldable(text) && !hasBase64(text) && this.#scanner.isClean(text)
  }

  /** @throws {PepMaskError} PEP_MASK_DETECTOR when a detector threw, PEP_MASK_OVERFLOW; the text held back is lost, not passed. */
  push(text: string): void {
    if (text === '') return
    const all = this.#rest + text
    const cut = unfinishedFrom(all, this.#before)
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
    this.#scanner.end()
    this.#unfolding.end()
    this.#literally?.scanner.end()
    this.#literally?.union.end()
    this.#base64?.flush()
    this.reset('')
  }

  #show(text: string): void {
    for (let at = 0; at < text.length; at += PIECE) {
      this.#piece(text.slice(at, at + PIECE))
      if (this.#literally && this.held > MOST_HELD)
        throw new PepMaskError('PEP_MASK_OVERFLOW', 'a value goes on for too long')
    }
  }

  #piece(text: string): void {
    const before = this.#before
    this.#before = text.slice(-1)
    if (!this.#literally && !isFoldable(text) && !isFoldable(before + text.charAt(0))) {
      this.#unfolding.same(text)
      this.#scanner.push(text)
      return
    }
    const literally = (this.#literally ??= this.#splitUp())
    literally.shown += text.length
    let shown = ''
    fold(text, before, {
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
    literally.scanner.push(text)
  }

  /** From here on what stands there may differ from what is read; up to here it was the same. */
  #splitUp(): Literally {
    const union = new Union(this.#out, this.#scanner.inside)
    const shown = this.#unfolding.held
    this.#unfolding.to(union.reads)
    return { scanner: this.#scanner.clone(union.stands), union, shown }
  }
}
