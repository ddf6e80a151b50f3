import type { Spend } from '../steps.ts'
import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

/** Whether two patterns can match one text: characters, `.`, sets as `[a-z]`, each with `+` or `*`, and `\` before any. */
export const globsMatch: Builtins = {
  'regex.globs_match': (args, { spend }) =>
    intersect(read(text(args, 0)), read(text(args, 1)), spend),
}

/** Ranges of code points, in order and apart, or all of them. */
type Token = {
  readonly ranges: readonly (readonly [number, number])[] | 'any'
  readonly many: boolean
}

function read(glob: string): readonly Token[] {
  const characters = [...glob]
  const tokens: Token[] = []
  const wrong = (at: number, why: string) =>
    failed(`input:${glob}, pos:${at + 1}, ${why}: the input provided is invalid`)
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? ''
    if (character === '+' || character === '*') {
      const last = tokens.at(-1)
      if (
        !last ||
        characters[at - 1] === '*' ||
        (characters[at - 1] === '+' && characters[at - 2] !== '\\')
      )
        throw wrong(at, `flag '${character}' must be preceded by a non-flag`)
      // One or more is one, and any number of them.
      if (character === '*') tokens.pop()
      tokens.push({ ...last, many: true })
    } else if (character === ']') {
      throw wrong(at, "set-close ']' with no preceding '['")
    } else if (character === '[') {
      const { ranges, end } = readSet(characters, at, wrong)
      tokens.push({ ranges, many: false })
      at = end
    } else if (character === '.') {
      tokens.push({ ranges: 'any', many: false })
    } else {
      if (character === '\\') at += 1
      const point = characters[at]?.codePointAt(0)
      if (point === undefined) throw wrong(at, 'escape without a character')
      tokens.push({ ranges: [[point, point]], many: false })
    }
  }
  return tokens
}

function readSet(
  characters: readonly string[],
  start: number,
  wrong: (at: number, why: string) => Error,
): { readonly ranges: [number, number][]; readonly end: number } {
  const ranges: [number, number][] = []
  for (let at = start + 1; at < characters.length; at += 1) {
    if (characters[at] === ']') {
      if (ranges.length === 0) throw wrong(at, 'empty set')
      return { ranges: parted(ranges), end: at }
    }
    if (characters[at] === '\\') at += 1
    const from = characters[at]?.codePointAt(0)
    if (from === undefined) break
    if (
      characters[at + 1] === '-' &&
      characters[at + 2] !== undefined &&
      characters[at + 2] !== ']'
    ) {
      at += characters[at + 2] === '\\' ? 3 : 2
      const to = characters[at]?.codePointAt(0)
      if (to === undefined || to < from) throw wrong(at, 'range out of order')
      ranges.push([from, to])
    } else ranges.push([from, from])
  }
  throw wrong(characters.length - 1, "set-open '[' with no following ']'")
}

/** In order, and those that touch as one. */
function parted(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const list: [number, number][] = []
  for (const [from, to] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = list.at(-1)
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else list.push([from, to])
  }
  return list
}

const STEPS_A_PLACE = 30

/** Goes through both at once: places that were passed are not gone through again. */
function intersect(a: readonly Token[], b: readonly Token[], spend: Spend): boolean {
  const seen = new Set<number>()
  const queue: [number, number][] = [[0, 0]]
  const width = b.length + 1
  for (let next = queue.pop(); next; next = queue.pop()) {
    spend(STEPS_A_PLACE)
    const [i, j] = next
    if (seen.has(i * width + j)) continue
    seen.add(i * width + j)
    if (i === a.length && j === b.length) return true
    const [left, right] = [a[i], b[j]]
    if (left?.many) queue.push([i + 1, j])
    if (right?.many) queue.push([i, j + 1])
    if (!left || !right || !overlap(left, right, spend)) continue
    queue.push([left.many ? i : i + 1, right.many ? j : j + 1])
  }
  return false
}

function overlap({ ranges: a }: Token, { ranges: b }: Token, spend: Spend): boolean {
  if (a === 'any' || b === 'any') return true
  let [i, j] = [0, 0]
  for (;;) {
    const [left, right] = [a[i], b[j]]
    if (!left || !right) return false
    if (left[0] <= right[1] && right[0] <= left[1]) return true
    spend(1)
    if (left[1] < right[1]) i += 1
    else j += 1
  }
}
