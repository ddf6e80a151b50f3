/**
 * The compiled form of an RE2 pattern, as re2js builds it (Inst.js, Utils.js of 2.10): a Thompson automaton. Only what
 * is used here is described; an operation that is not known refuses the pattern.
 */
export type Instruction = {
  readonly op: number
  readonly out: number
  /** ALT: the second way; EMPTY_WIDTH: a set of `assertion`s. */
  readonly arg: number
  readonly runes: Int32Array
  matchRune(rune: number): boolean
}
export type Program = { readonly inst: readonly Instruction[]; readonly start: number }

export const op = {
  alt: 1,
  altMatch: 2,
  capture: 3,
  emptyWidth: 4,
  fail: 5,
  match: 6,
  nop: 7,
  rune: 8,
  rune1: 9,
  runeAny: 10,
  runeAnyNotNewline: 11,
} as const

export const assertion = {
  beginLine: 1,
  endLine: 2,
  beginText: 4,
  endText: 8,
  wordBoundary: 16,
  noWordBoundary: 32,
} as const

const known = new Set<number>(Object.values(op))

/** Whether an instruction means the same in a stream as in a whole text. */
export const isStreamable = (instruction: Instruction): boolean =>
  known.has(instruction.op) &&
  (instruction.op !== op.emptyWidth ||
    (instruction.arg & (assertion.beginText | assertion.endText)) === 0)

export function matchesRune(instruction: Instruction, rune: number): boolean {
  if (instruction.op === op.runeAny) return true
  if (instruction.op === op.runeAnyNotNewline) return rune !== 10
  return instruction.matchRune(rune)
}

/** The instructions that follow one, without its consuming or asserting anything. */
export const successors = (instruction: Instruction): readonly number[] =>
  instruction.op === op.alt || instruction.op === op.altMatch
    ? [instruction.out, instruction.arg]
    : instruction.op === op.match || instruction.op === op.fail
      ? []
      : [instruction.out]

/** Most UTF-16 code units an instruction consumes. */
function width(instruction: Instruction): number {
  if (instruction.op === op.runeAny || instruction.op === op.runeAnyNotNewline) return 2
  if (instruction.op !== op.rune && instruction.op !== op.rune1) return 0
  // Ranges are sorted: the last one tells. A single rune may fold to others, all in its own plane.
  return (instruction.runes.at(-1) ?? 0) > 0xffff ? 2 : 1
}

/** Shortest (runes) and longest (UTF-16 code units) match; `Infinity` when a repetition has no bound. */
export function matchLengths(program: Program): { shortest: number; longest: number } {
  const longest = new Map<number, number>()
  const shortest = new Map<number, number>()
  const entered = new Set<number>()
  // Depth first with a stack of its own: a program of thousands of instructions is one long chain.
  const stack = [program.start]
  while (stack.length > 0) {
    const pc = stack.at(-1) ?? 0
    const instruction = program.inst[pc]
    if (instruction === undefined || longest.has(pc)) {
      stack.pop()
      continue
    }
    const next = successors(instruction)
    const open = next.filter((to) => !longest.has(to))
    if (!entered.has(pc)) {
      entered.add(pc)
      // Only a loop leads back to an instruction whose successors are not done.
      if (open.some((to) => entered.has(to))) return { shortest: NaN, longest: Infinity }
      stack.push(...open)
      continue
    }
    if (open.length > 0) return { shortest: NaN, longest: Infinity }
    const own = width(instruction)
    const ends = instruction.op === op.match
    longest.set(pc, ends ? 0 : own + Math.max(-Infinity, ...next.map((to) => longest.get(to) ?? 0)))
    shortest.set(
      pc,
      ends ? 0 : Math.min(1, own) + Math.min(Infinity, ...next.map((to) => shortest.get(to) ?? 0)),
    )
    stack.pop()
  }
  return { shortest: shortest.get(program.start) ?? 0, longest: longest.get(program.start) ?? 0 }
}
