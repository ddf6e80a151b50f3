import { CONTEXT, LOOK_BACK, MORE, type Matcher, NO } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'
import type { Tables } from './tables.ts'
import { detached, loadUnits, nextPair, runStart } from './text-units.ts'

/** A verdict of the scanner: something was found and reported. */
const FOUND = 1

/** A text is scanned in pieces of at most so many code units. */
const PIECE = 32 * 1024

/** Where a scanner reports what becomes of the text, in order: every code unit is either kept or dropped. */
export type Sink = {
  /** `text[from..to)` cannot be part of a finding. */
  keep(text: string, from: number, to: number): void
  /** `units` more belong to a finding. */
  drop(units: number): void
  /**
   * A finding; `value` is `undefined` where it is not needed or was too long to hold. Before or after its `drop`s.
   * @param read whether the value is what the text is read as, and not what stands there.
   */
  found(matcher: Matcher, value: string | undefined, read: boolean): void
  /** What comes next belongs to another part of the text; see `Inspector.mark`. */
  mark(): void
}

/** The text that stands for a finding; see `Sink.found`. */
export type Replace = (matcher: Matcher, value: string | undefined, read: boolean) => string

/** What `found` needs of a value; `shown`: parts of it will be shown. */
export type ValueUse = 'none' | 'hidden' | 'shown'

/**
 * Finds values in a text that comes in pieces. The findings are those of this definition, however the text is split:
 * from the left, at each position the match of an open-ended detector wins, else the longest, else the first of the
 * catalogue. A match that begins inside a finding counts if it ends behind it, so that nothing of it is left over;
 * inside an open-ended finding only its last `LOOK_BACK` units are looked at for that.
 *
 * Only the text from the earliest position where a match is still possible is held back. Memory is bounded by
 * `CONTEXT`, the longest detector and `budget`.
 */
export class Scanner {
  readonly #tables: Tables
  readonly #sink: Sink
  readonly #use: (matcher: Matcher) => ValueUse
  readonly #budget: number
  /** Left context, then what is held back. */
  #buffer = ''
  /** Index of the first unit that was not reported yet. */
  #at = 0
  /** Where the last finding ends: what stands before is replaced, and does not count as left context of a value. */
  #floor = 0
  /** Index of the first position to ask next; before `#at` when it is inside the last finding. */
  #from = 0
  /** Below this index `hot` matchers are asked as well. */
  #hotEnd = 0
  /** The open-ended finding that goes on, where it began, and its value as far as it is collected. */
  #open: Matcher | undefined
  #openStart = 0
  #value: string[] | undefined
  #valueUnits = 0
  #failed: PepMaskError | undefined

  /**
   * @param use what `found` needs: with 'none' an open-ended finding is reported when it begins.
   * @param budget most code units of a value that are collected; a longer one is reported without.
   */
  constructor(tables: Tables, sink: Sink, use: (matcher: Matcher) => ValueUse, budget: number) {
    this.#tables = tables
    this.#sink = sink
    this.#use = use
    this.#budget = budget
  }

  /** Code units that were pushed and neither kept nor dropped, and those of a value that is being collected. */
  get held(): number {
    return this.#buffer.length - this.#at + this.#valueUnits
  }

  /** Whether a finding of any length goes on. */
  get inside(): boolean {
    return this.#open !== undefined
  }

  /** Another scanner at the same place of the same text. */
  clone(sink: Sink): Scanner {
    const copy = new Scanner(this.#tables, sink, this.#use, this.#budget)
    copy.#buffer = this.#buffer
    copy.#at = this.#at
    copy.#floor = this.#floor
    copy.#from = this.#from
    copy.#hotEnd = this.#hotEnd
    copy.#open = this.#open
    copy.#openStart = this.#openStart
    copy.#value = this.#value && [...this.#value]
    copy.#valueUnits = this.#valueUnits
    copy.#failed = this.#failed
    return copy
  }

  /** Starts over, as if `context` (see `CONTEXT`) had stood before the text. */
  reset(context: string): void {
    this.#buffer = context
    this.#at = this.#from = context.length
    this.#floor = 0
    this.#hotEnd = context === '' ? 0 : this.#at + this.#tables.reach
    this.#open = this.#value = undefined
    this.#valueUnits = 0
  }

  /** Whether `text`, whole and on its own, is certain to have no finding, because it has no trigger. Starts over. */
  isClean(text: string): boolean {
    return this.#guarded(() => {
      this.reset('')
      loadUnits(text)
      return this.#nextTrigger(text, 0, true) >= text.length && this.#hotEnd === 0
    })
  }

  /** @throws {PepMaskError} PEP_MASK_DETECTOR when a detector threw; the text held back is lost, not passed. */
  push(text: string): void {
    this.#run(text, false)
  }

  /** Reports all of a text that is there as a whole. After it, the scanner is as new. */
  whole(text: string): void {
    this.#run(text, true)
    this.reset('')
  }

  /** Reports everything held back. After it, the scanner is as new. */
  end(): void {
    this.#run('', true)
    this.reset('')
  }

  #run(text: string, final: boolean): void {
    this.#guarded(() => {
      let at = 0
      for (; text.length - at > PIECE; at += PIECE) this.#piece(text.slice(at, at + PIECE), false)
      this.#piece(at === 0 ? text : text.slice(at), final)
    })
  }

  /** Fail closed: a scanner that threw once has lost its place, and never passes anything again. */
  #guarded<T>(scan: () => T): T {
    if (this.#failed !== undefined) throw this.#failed
    try {
      return scan()
    } catch (cause) {
      this.#failed =
        cause instanceof PepMaskError
          ? cause
          : new PepMaskError('PEP_MASK_DETECTOR', 'a detector failed', { cause })
      throw this.#failed
    }
  }

  #piece(text: string, final: boolean): void {
    if (text !== '') this.#buffer = this.#buffer === '' ? text : this.#buffer + text
    const s = this.#buffer
    loadUnits(s)
    this.#scan(s, final)
    this.#forget()
  }

  /** Reports as much of `s` as can be known. */
  #scan(s: string, final: boolean): void {
    for (;;) {
      if (this.#open !== undefined && !this.#follow(s, this.#open, final)) return
      // What begins inside the last finding, or right behind it, is asked for at every position.
      while (this.#from <= this.#floor && this.#from < s.length && this.#open === undefined) {
        if (this.#ask(s, this.#from, final) === MORE) return
      }
      if (this.#open !== undefined) continue
      const verdict = this.#advance(s, final)
      if (verdict !== FOUND) return
    }
  }

  /** Goes from trigger to trigger until there is a finding (FOUND), or the text ends (MORE). */
  #advance(s: string, final: boolean): number {
    /** Positions below have been asked. */
    let asked = this.#at
    for (let t = asked; ; t++) {
      t = this.#nextTrigger(s, t, final)
      if (t >= s.length && final) {
        // Every match has a trigger, and none is left.
        this.#keepTo(s, s.length)
        return MORE
      }
      // The end of what is there counts as a trigger: the text to come may have one.
      const end = Math.min(t + 1, s.length)
      for (let j = runStart(s, t, asked); j < end; j++) {
        const verdict = this.#ask(s, j, final)
        if (verdict === MORE) this.#keepTo(s, j)
        if (verdict !== NO) return verdict
      }
      if (t >= s.length) {
        this.#keepTo(s, s.length)
        return MORE
      }
      asked = t + 1
    }
  }

  /** The first index from `t` on where a match is possible, or the end. */
  #nextTrigger(s: string, t: number, final: boolean): number {
    let at = t
    for (;;) {
      for (; at < this.#hotEnd && at < s.length; at++) {
        if (this.#triggered(s, at, final) || this.#startsHot(s, at, final)) return at
      }
      at = nextPair(this.#tables.pairs, s, at)
      if (at >= s.length || this.#triggered(s, at, final)) return at
      at++
    }
  }

  /** Whether a match has the trigger at `t`, if there is one; widens the hot range. */
  #triggered(s: string, t: number, final: boolean): boolean {
    const unit = s.charCodeAt(t)
    const triggers =
      (unit < 128 ? this.#tables.triggers[unit] : undefined) ?? this.#tables.wideTriggers
    for (let k = 0; k < triggers.length; k++) {
      const trigger = triggers[k]
      if (trigger === undefined) continue
      // Where nothing follows yet, anything may.
      if (
        trigger.after !== undefined &&
        t + 1 < s.length &&
        trigger.after[s.charCodeAt(t + 1)] !== 1
      )
        continue
      if (trigger.fires !== undefined && !trigger.fires(s, t)) continue
      if (trigger.hot !== undefined) this.#hotEnd = Math.max(this.#hotEnd, t + 1 + trigger.hot)
      const first = trigger.back === 0 ? t : runStart(s, t, Math.max(this.#at, t - trigger.back))
      for (let j = first; j <= t; j++) {
        if (this.#anyAt(trigger.matchers, s, j, final)) return true
      }
    }
    return false
  }

  /** Whether a `hot` match may begin at `t`. */
  #startsHot(s: string, t: number, final: boolean): boolean {
    const unit = s.charCodeAt(t)
    const matchers =
      (unit < 128 ? this.#tables.onlyHotStarts[unit] : undefined) ?? this.#tables.wideOnlyHotStarts
    // The tables hold those that begin with this unit.
    for (const matcher of matchers) {
      if (matcher.match(s, t, final, this.#floor) !== NO) return true
    }
    return false
  }

  #anyAt(matchers: readonly Matcher[], s: string, j: number, final: boolean): boolean {
    const unit = s.charCodeAt(j)
    for (const matcher of matchers) {
      if (unit < 128 ? !matcher.starts(unit) : matcher.startsWide !== true) continue
      if (matcher.match(s, j, final, this.#floor) !== NO) return true
    }
    return false
  }

  #matchersAt(unit: number, hot: boolean): readonly Matcher[] {
    const tables = this.#tables
    if (unit < 128) return (hot ? tables.hotStarts[unit] : tables.starts[unit]) ?? []
    return hot ? tables.wideHotStarts : tables.wideStarts
  }

  /**
   * Asks every detector about position `j`, and takes the finding there.
   * @returns FOUND, NO, or MORE.
   */
  #ask(s: string, j: number, final: boolean): number {
    const inside = j < this.#at
    let best = this.#at
    let winner: Matcher | undefined
    let pending = false
    for (const matcher of this.#matchersAt(s.charCodeAt(j), inside || j < this.#hotEnd)) {
      let end = matcher.match(s, j, final, inside ? 0 : this.#floor)
      if (end >= 0 && end <= this.#at && matcher.tail !== undefined)
        end = this.#beyond(s, end, matcher.tail, final)
      if (end === MORE) {
        pending = true
      } else if (end > best || (end > this.#at && matcher.tail !== undefined)) {
        best = end
        winner = matcher
        if (matcher.tail !== undefined) break
      }
    }
    if (pending) return MORE
    if (winner === undefined) {
      this.#from = j + 1
      return NO
    }
    return this.#take(s, j, best, winner, final)
  }

  /** Where an open-ended match that begins inside a finding goes on behind it, if it does. */
  #beyond(s: string, end: number, tail: NonNullable<Matcher['tail']>, final: boolean): number {
    const answer = tail(s, end, final)
    const reached = answer < 0 ? ~answer : answer
    if (reached > this.#at) return reached
    return answer < 0 ? MORE : NO
  }

  /** Reports `s[j..end)`, or what is not reported of it yet, as found. */
  #take(s: string, j: number, end: number, matcher: Matcher, final: boolean): number {
    const use = this.#use(matcher)
    let value = use === 'none' ? undefined : s.slice(j, end)
    if (use === 'shown' && matcher.tail === undefined) {
      const within = this.#within(s, j, end, matcher, final)
      if (within === MORE) return MORE
      if (within === FOUND) value = undefined
    }
    if (j > this.#at) this.#keepTo(s, j)
    if (matcher.tail === undefined) {
      this.#sink.found(matcher, value, false)
      this.#from = j + 1
    } else {
      this.#open = matcher
      this.#openStart = j
      if (value === undefined) {
        this.#sink.found(matcher, undefined, false)
      } else {
        this.#value = [s.slice(j, this.#at)]
        this.#valueUnits = this.#at - j
      }
    }
    this.#consume(s, end)
    return FOUND
  }

  /** Whether another value begins inside a match: what is shown of the one could be a part of the other. */
  #within(s: string, j: number, end: number, matcher: Matcher, final: boolean): number {
    for (let k = j + 1; k < end; k++) {
      for (const other of this.#matchersAt(s.charCodeAt(k), true)) {
        if (other.name === matcher.name) continue
        const verdict = other.match(s, k, final, 0)
        if (verdict !== NO) return verdict === MORE ? MORE : FOUND
      }
    }
    return NO
  }

  /** @returns whether the open-ended finding has ended. */
  #follow(s: string, matcher: Matcher, final: boolean): boolean {
    const answer = matcher.tail?.(s, this.#at, final) ?? this.#at
    this.#consume(s, answer < 0 ? ~answer : answer)
    if (answer < 0) return false
    if (this.#value !== undefined) this.#sink.found(matcher, this.#value.join(''), false)
    this.#open = this.#value = undefined
    this.#valueUnits = 0
    this.#from = Math.max(this.#openStart + 1, this.#at - LOOK_BACK)
    return true
  }

  /** Drops up to `end`, collecting the value while it fits the budget. */
  #consume(s: string, end: number): void {
    if (this.#value !== undefined && this.#open !== undefined) {
      this.#valueUnits += end - this.#at
      if (this.#valueUnits > this.#budget) {
        this.#value = undefined
        this.#valueUnits = 0
        this.#sink.found(this.#open, undefined, false)
      } else {
        this.#value.push(s.slice(this.#at, end))
      }
    }
    this.#sink.drop(end - this.#at)
    this.#at = this.#floor = end
    // Triggers inside the finding were not looked at: what they make hot is hot.
    this.#hotEnd = Math.max(this.#hotEnd, end + this.#tables.reach)
  }

  #keepTo(s: string, end: number): void {
    if (end > this.#at) this.#sink.keep(s, this.#at, end)
    this.#at = end
    this.#from = Math.max(this.#from, end)
  }

  /** Drops all but the left context and what is held back. */
  #forget(): void {
    const first = this.#open === undefined ? Math.min(this.#from, this.#at) : this.#at - LOOK_BACK
    const cut = first - CONTEXT
    if (cut <= 0) return
    const rest = this.#buffer.slice(cut)
    this.#buffer = cut > 8192 ? detached(rest) : rest
    this.#at -= cut
    this.#from -= cut
    this.#floor = Math.max(0, this.#floor - cut)
    this.#openStart -= cut
    this.#hotEnd = Math.max(0, this.#hotEnd - cut)
  }
}
