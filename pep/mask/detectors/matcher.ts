import { isDigit, isGroupSeparator } from '../chars.ts'
import type { FindingName } from '../types.ts'

/** No match begins here, whatever follows. */
export const NO = -1
/** The text seen so far could still become a match, or a longer one. */
export const MORE = -2

/** Look back from a trigger covers at most this many code units of one run (see `isRun`). */
export const LOOK_BACK = 64
/** Left context that a matcher may read, code units before the position it is asked about. */
export const CONTEXT = 128

/**
 * A place that a match must contain (or follow, see `hot`). The scanner asks matchers only around triggers, so a
 * detector is correct only if each of its matches has a trigger at its first unit, or, in the run of `isRun` units
 * that it begins with, at most `back` units later.
 */
export type Trigger = {
  readonly chars: string
  /** Also non-ASCII units. */
  readonly wide?: boolean
  /** Units one of which must follow (ASCII). */
  readonly after?: string
  /** Rules a trigger out by what stands before it. */
  readonly fires?: (s: string, at: number) => boolean
  /** Most units between the first of a match and this one, all in one run; at most `LOOK_BACK`. Default 0. */
  readonly back?: number
  /** Units after this one at which `hot` matchers are asked too. */
  readonly hot?: number
}

/** Digits in one run that are enough without a second group. */
const LONG_NUMBER = 13

/**
 * The first digit of a number that is long, or goes on in another group: `4111…`, `415-…`, `192.0…`, `1 (4…`. Most
 * numbers in a text are neither, and need not be looked at further.
 */
export const numberStart: Trigger = {
  chars: '0123456789',
  fires(s, at) {
    if (isDigit(s.charCodeAt(at - 1))) return false
    let end = at + 1
    while (end < s.length && isDigit(s.charCodeAt(end))) end++
    if (end === s.length || end - at >= LONG_NUMBER) return true
    const c = s.charCodeAt(end)
    if (c !== 46 && c !== 47 && !isGroupSeparator(c)) return false
    const next = s.charCodeAt(end + 1)
    return end + 1 === s.length || isDigit(next) || next === 40
  },
}

/**
 * One automaton. `match` is a function of the text alone and must be *monotone*: once it has answered other than
 * MORE, more text does not change the answer. That is what makes a split stream equal the unsplit one.
 */
export type Matcher = {
  readonly name: FindingName
  /** Whether a match may begin with this code unit (0–127). */
  readonly starts: (unit: number) => boolean
  /** Whether a match may begin with a unit above 127. */
  readonly startsWide?: boolean
  readonly triggers: readonly Trigger[]
  /** Asked only near triggers with `hot`. */
  readonly hot?: boolean
  /**
   * NO, MORE, or the index where the match that begins at `i` ends. Never MORE when `final`. What stands before index
   * `floor` belongs to another finding and will be replaced: it must not decide whether a value begins here.
   */
  readonly match: (s: string, i: number, final: boolean, floor: number) => number
  /**
   * For values of any length: once `match` is certain, the value goes on to the index that this returns, called with
   * all that follows. A negative answer `~p` means: it goes on to `p` and may go on further.
   */
  readonly tail?: (s: string, from: number, final: boolean) => number
  /** Most code units that are held back before the answer is certain. */
  readonly maxLength: number
  /** What the `partial` style shows; `undefined` shows nothing. Default: the last four letters or digits. */
  readonly partial?: (value: string) => string | undefined
}

/** A value that is found, with what has to stand around it, if anything. */
export type Example =
  | string
  | { readonly before: string; readonly value: string; readonly after: string }

/** A detector as policy names it: its automata, with examples that its tests and the corpus use. */
export type Detector = {
  readonly name: FindingName
  readonly matchers: readonly Matcher[]
  readonly examples: readonly Example[]
  /** Near misses, in which this detector finds nothing. */
  readonly counterExamples: readonly string[]
}

/** The code unit at `i`, or `NaN` where a match must not look. */
export const unitFrom = (s: string, i: number, floor: number): number =>
  i < floor ? NaN : s.charCodeAt(i)

/** A tail that goes on while a class of units does. */
export const tailWhile =
  (isPart: (unit: number) => boolean) =>
  (s: string, from: number, final: boolean): number => {
    let p = from
    while (p < s.length && isPart(s.charCodeAt(p))) p++
    return p < s.length || final ? p : ~p
  }

/**
 * Compares a fixed prefix at `i`.
 * @returns the index after it, NO, or MORE when the text ends inside it.
 */
export function prefixAt(s: string, i: number, prefix: string, final: boolean): number {
  const end = i + prefix.length
  if (end <= s.length) return s.startsWith(prefix, i) ? end : NO
  if (final) return NO
  return prefix.startsWith(s.slice(i)) ? MORE : NO
}
