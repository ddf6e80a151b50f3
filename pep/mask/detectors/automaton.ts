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
