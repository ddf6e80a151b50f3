import { isAlnum } from '../chars.ts'
import { MORE, NO } from './matcher.ts'
import { assertion, matchesRune, op, type Program, successors } from './program.ts'

/** What stands before a position, as far as assertions ask: RE2's `\b` is ASCII. */
const kind = { begin: 0, newline: 1, word: 2, other: 3 } as const
type Before = (typeof kind)[keyof typeof kind]

/** The end of the text, as a rune. */
const END = -1
/** Above it, transitions are forgotten and made again. */
const MAX_STATES = 4096
/** A pattern has at most so many states, found by so many instructions looked at: both are made once, not for each text. */
const MAX_PATTERN_STATES = 2000
const MAX_WORK = 3_000_000

type State = {
  readonly pcs: readonly number[]
  readonly before: Before
  /** By rune below 128, and the end of text at 128. */
  readonly next: (Step | undefined)[]
}
/** `matched`: a match ended before the rune. */
type Step = { readonly matched: boolean; readonly state: State | undefined }

const kindOf = (rune: number): Before =>
  rune === 10 ? kind.newline : isAlnum(rune) || rune === 95 ? kind.word : kind.other

/** A deterministic automaton over a compiled pattern, built as texts need it. */
export class Automaton {
  readonly #program: Program
  #states = new Map<string, State>()

  constructor(program: Program) {
    this.#program = program
  }

  /**
   * Whether the pattern has few enough states, whatever the text. Repetitions that overlap have one for every way in which
   * they may have been counted so far, and a text could be written that comes to all of them.
   */
  isBounded(): boolean {
    const runes = this.#representatives()
    const seen = new Set<State>()
    const waiting = [kind.begin, kind.newline, kind.word, kind.other].map((before) =>
      this.#state([this.#program.start], before),
    )
    let work = 0
    for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
      if (seen.has(state)) continue
      seen.add(state)
      for (const rune of runes) {
        work += state.pcs.length
        const next = this.#step(state, rune).state
        if (next !== undefined && !seen.has(next)) waiting.push(next)
      }
      if (seen.size > MAX_PATTERN_STATES || work > MAX_WORK) return false
    }
    return true
  }

  /** A character of each kind that the pattern tells apart. */
  #representatives(): number[] {
    const runes = new Set([0x0a, 0x20, 0x30, 0x5a, 0x61, 0xe9, 0x4e00, 0x1f600])
    for (const { op: operation, runes: ranges } of this.#program.inst) {
      if (operation !== op.rune && operation !== op.rune1) continue
      for (const rune of ranges) {
        for (const one of [rune - 1, rune, rune + 1])
          if (one >= 0 && one <= 0x10ffff) runes.add(one)
        const char = String.fromCodePoint(rune)
        for (const folded of [char.toLowerCase(), char.toUpperCase()])
          runes.add(folded.codePointAt(0) ?? rune)
      }
    }
    return [...runes]
  }

  /** Whether a match may begin with this character. */
  mayStart(rune: number): boolean {
    return [kind.begin, kind.newline, kind.word, kind.other].some(
      (before) => this.#step(this.#state([this.#program.start], before), rune).state !== undefined,
    )
  }

  /** Whether it may begin with one above 127; may be true without need. */
  mayStartWide(): boolean {
    const { runes } = this.#closure([this.#program.start], -1)
    return runes.some((pc) => {
      const instruction = this.#program.inst[pc]
      if (instruction === undefined || instruction.op >= op.runeAny) return true
      // A single rune may fold: `k` to the Kelvin sign.
      return instruction.runes.length === 1 || (instruction.runes.at(-1) ?? 0) > 127
    })
  }

  /** The end of the longest match that begins at `i`, NO, or MORE when further text may change that. */
  longestAt(s: string, i: number, final: boolean): number {
    if (this.#states.size > MAX_STATES) this.#states.clear()
    const before = i === 0 ? kind.begin : kindOf(s.charCodeAt(i - 1))
    let state: State | undefined = this.#state([this.#program.start], before)
    let best = NO
    for (let p = i; ;) {
      if (p === s.length) {
        if (!final) return MORE
        return this.#step(state, END).matched ? p : best
      }
      let rune = s.charCodeAt(p)
      if ((rune & 0xfc00) === 0xd800) {
        if (p + 1 === s.length && !final) return MORE
        rune = s.codePointAt(p) ?? rune
      }
      const step = this.#step(state, rune)
      if (step.matched) best = p
      if (step.state === undefined) return best
      state = step.state
      p += rune > 0xffff ? 2 : 1
    }
  }

  #state(pcs: readonly number[], before: Before): State {
    const key = `${before}:${pcs.join()}`
    let state = this.#states.get(key)
    if (state === undefined) {
      state = { pcs, before, next: [] }
      this.#states.set(key, state)
    }
    return state
  }

  #step(state: State, rune: number): Step {
    const slot = rune === END ? 128 : rune === 128 ? 129 : rune
    const known = slot <= 128 ? state.next[slot] : undefined
    if (known !== undefined) return known
    const holds = assertionsAt(state.before, rune)
    const { matched, runes } = this.#closure(state.pcs, holds)
    const out = new Set<number>()
    for (const pc of runes) {
      const instruction = this.#program.inst[pc]
      if (instruction !== undefined && rune !== END && matchesRune(instruction, rune))
        out.add(instruction.out)
    }
    const step: Step = {
      matched,
      state:
        out.size === 0
          ? undefined
          : this.#state(
              [...out].sort((a, b) => a - b),
              kindOf(rune),
            ),
    }
    if (slot <= 128) state.next[slot] = step
    return step
  }

  /** Follows what consumes nothing, where its assertions hold. */
  #closure(pcs: readonly number[], holds: number): { matched: boolean; runes: number[] } {
    const seen = new Set(pcs)
    const runes: number[] = []
    let matched = false
    // A set is visited in the order of insertion, including what is added on the way.
    for (const pc of seen) {
      const instruction = this.#program.inst[pc]
      if (instruction === undefined) continue
      if (instruction.op === op.match) matched = true
      else if (instruction.op >= op.rune) runes.push(pc)
      else if (instruction.op !== op.emptyWidth || (instruction.arg & ~holds) === 0) {
        for (const to of successors(instruction)) seen.add(to)
      }
    }
    return { matched, runes }
  }
}

function assertionsAt(before: Before, rune: number): number {
  const wordAfter = rune !== END && kindOf(rune) === kind.word
  const boundary = (before === kind.word) !== wordAfter
  return (
    (before === kind.begin || before === kind.newline ? assertion.beginLine : 0) |
    (rune === END || rune === 10 ? assertion.endLine : 0) |
    (boundary ? assertion.wordBoundary : assertion.noWordBoundary)
  )
}
