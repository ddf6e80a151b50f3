import { failed } from '../arguments.ts'

/**
 * Whether some text matches both patterns. Their language is small: characters, `.`, sets as `[a-z]`, each with `*` or
 * `+` behind it, and `\` for a character itself.
 */
export function globsIntersect(left: string, right: string): boolean {
  return someTextMatches(parse(left), parse(right))
}

/** Inclusive ranges of code points, and how often they may come. */
type Token = {
  readonly ranges: readonly (readonly [number, number])[]
  readonly repeats: boolean
  readonly optional: boolean
}

const ANY = [[0, 0x10_ffff]] as const

function parse(pattern: string): Token[] {
  const characters = [...pattern]
  const tokens: Token[] = []
  for (let at = 0; at < characters.length;) {
    const atom = parseAtom(characters, at)
    at = atom.next
    const mark = characters[at]
    const repeats = mark === '*' || mark === '+'
    if (repeats) at += 1
    tokens.push({ ranges: atom.ranges, repeats, optional: mark === '*' })
  }
  return tokens
}

type Atom = { readonly ranges: Token['ranges']; readonly next: number }

function parseAtom(characters: readonly string[], at: number): Atom {
  const character = characters[at] ?? ''
  if (character === '\\') return { ranges: single(characters[at + 1]), next: at + 2 }
  if (character === '.') return { ranges: ANY, next: at + 1 }
  if (character === '[') return parseSet(characters, at + 1)
  if (character === ']' || character === '*' || character === '+')
    throw failed(`'${character}' with nothing before it: the input provided is invalid`)
  return { ranges: single(character), next: at + 1 }
}

function parseSet(characters: readonly string[], start: number): Atom {
  const ranges: (readonly [number, number])[] = []
  for (let at = start; ;) {
    if (characters[at] === ']') return { ranges, next: at + 1 }
    const low = setCharacter(characters, at)
    if (characters[low.next] === '-' && characters[low.next + 1] !== ']') {
      const high = setCharacter(characters, low.next + 1)
      if (high.point < low.point)
        throw failed('a range is out of order: the input provided is invalid')
      ranges.push([low.point, high.point])
      at = high.next
    } else {
      ranges.push([low.point, low.point])
      at = low.next
    }
  }
}

function setCharacter(characters: readonly string[], at: number): { point: number; next: number } {
  const escaped = characters[at] === '\\'
  const point = characters[escaped ? at + 1 : at]?.codePointAt(0)
  if (point === undefined) throw failed("'[' without ']': the input provided is invalid")
  return { point, next: escaped ? at + 2 : at + 1 }
}

function single(character: string | undefined): Token['ranges'] {
  const point = character?.codePointAt(0)
  if (point === undefined) throw failed('the input provided is invalid')
  return [[point, point]]
}

/** A walk over pairs of positions, each seen once. */
function someTextMatches(left: readonly Token[], right: readonly Token[]): boolean {
  const seen = new Set<number>()
  const open: [number, number][] = [[0, 0]]
  for (let pair = open.pop(); pair; pair = open.pop()) {
    const [i, j] = pair
    const key = i * (right.length + 1) + j
    if (seen.has(key)) continue
    seen.add(key)
    const [a, b] = [left[i], right[j]]
    if (!a && !b) return true
    if (a?.optional) open.push([i + 1, j])
    if (b?.optional) open.push([i, j + 1])
    if (!a || !b || !overlap(a, b)) continue
    open.push([i + 1, j + 1])
    if (a.repeats) open.push([i, j + 1])
    if (b.repeats) open.push([i + 1, j])
  }
  return false
}

const overlap = (a: Token, b: Token): boolean =>
  a.ranges.some(([low, high]) => b.ranges.some(([from, to]) => low <= to && from <= high))
