import { RE2JS } from 're2js'
import type { Spend } from '../steps.ts'
import { failed } from './arguments.ts'
import type { Host } from './builtin.ts'

/** RE2's syntax in linear time for one search. Compiling and searching take steps as long as they take. */

const STEPS_A_CHARACTER = 20
const STEPS_AN_INSTRUCTION = 200
const MOST_CACHED = 256
/** Larger programs hold too much memory to be kept. */
const MOST_INSTRUCTIONS = 5000

const cache = new Map<string, RE2JS>()
/** What each evaluation has paid for. What others have compiled does not make it cheaper: it would end at another step. */
const paid = new WeakMap<Host, Set<string>>()

/** @throws {BuiltinError} when it is no pattern. */
export function compilePattern(pattern: string, host: Host): RE2JS {
  const known = cache.get(pattern)
  if (isPaid(pattern, host)) {
    host.spend(pattern.length)
    return known ?? keep(pattern, compiledOf(pattern))
  }
  const estimated = programSize(pattern)
  host.spend(pattern.length * STEPS_A_CHARACTER + estimated * STEPS_AN_INSTRUCTION)
  const compiled = known ?? compiledOf(pattern)
  const size = compiled.programSize()
  host.spend(Math.max(size - estimated, 0) * STEPS_AN_INSTRUCTION)
  if (size > MOST_INSTRUCTIONS) return compiled
  pay(pattern, host)
  return keep(pattern, compiled)
}

function keep(pattern: string, compiled: RE2JS): RE2JS {
  if (cache.size >= MOST_CACHED && !cache.has(pattern)) cache.clear()
  cache.set(pattern, compiled)
  return compiled
}

const isPaid = (pattern: string, host: Host): boolean => paid.get(host)?.has(pattern) === true

function pay(pattern: string, host: Host): void {
  const patterns = paid.get(host) ?? new Set()
  if (patterns.size >= MOST_CACHED) patterns.clear()
  paid.set(host, patterns.add(pattern))
}

function compiledOf(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern)
  } catch (error) {
    throw failed(`error parsing regexp: ${(error as Error).message}`)
  }
}

/** About how many instructions a pattern becomes: `(a{10}){100}` is a thousand. Read without its errors. */
export function programSize(pattern: string): number {
  const groups = [0]
  let atom = 0
  const add = (size: number): void => {
    atom = size
    groups.push((groups.pop() ?? 0) + size)
  }
  for (let at = 0; at < pattern.length; at += 1) {
    const mark = pattern[at]
    if (mark === '\\') {
      at = endOfEscape(pattern, at)
      add(1)
    } else if (mark === '[') {
      at = endOfClass(pattern, at)
      add(1)
    } else if (mark === '(') groups.push(2)
    else if (mark === ')') add(groups.length > 1 ? (groups.pop() ?? 0) : 1)
    else if (mark === '{') {
      COUNT.lastIndex = at
      const [all, least = '', most = ''] = COUNT.exec(pattern) ?? []
      if (all === undefined) add(1)
      else {
        const times = Math.min(Math.max(Number(least), Number(most), 1), MOST_TIMES)
        const one = atom
        add(one * (times - 1))
        atom = one * times
        at += all.length - 1
      }
    } else add(1)
  }
  return groups.reduce((sum, size) => sum + size, 0)
}

const COUNT = /\{(\d+),?(\d*)\}/y
const MOST_TIMES = 1000

/** `\Q` quotes up to `\E`. */
function endOfEscape(pattern: string, at: number): number {
  if (pattern[at + 1] !== 'Q') return at + 1
  const end = pattern.indexOf('\\E', at + 2)
  return end === -1 ? pattern.length : end + 1
}

/** A `]` that stands first is one of the class. */
function endOfClass(pattern: string, start: number): number {
  let at = pattern[start + 1] === '^' ? start + 2 : start + 1
  if (pattern[at] === ']') at += 1
  while (at < pattern.length && pattern[at] !== ']') at += pattern[at] === '\\' ? 2 : 1
  return at
}

/** Searched text up to this size by instructions is gone through place by place; past it, all places at once. */
const BACKTRACKED = 262_144

/**
 * Text that takes steps for each character that is read of it. A search goes through the text once, but the next one
 * begins where the match ended, which may be long before where it had read to.
 */
class MeteredText extends String {
  readonly #text: string
  readonly #spend: Spend
  readonly #stepsARead: number

  constructor(text: string, instructions: number, spend: Spend) {
    super(text)
    this.#text = text
    this.#spend = spend
    const all = instructions * (text.length + 1) > BACKTRACKED
    this.#stepsARead = 2 + Math.floor(instructions / (all ? 4 : 8))
  }

  override charCodeAt(at: number): number {
    this.#spend(this.#stepsARead)
    return this.#text.charCodeAt(at)
  }

  override indexOf(wanted: string, from = 0): number {
    const found = this.#text.indexOf(wanted, from)
    this.#spend(1 + (((found === -1 ? this.#text.length : found) - from) >> 4))
    return found
  }
}

const STEPS_A_SEARCH = 100

export type Search = {
  readonly matcher: ReturnType<RE2JS['matcher']>
  /** From a place on. */
  readonly find: (from: number) => boolean
}

export function searchIn(subject: string, pattern: RE2JS, { spend }: Host): Search {
  const instructions = pattern.programSize()
  const matcher = pattern.matcher(
    new MeteredText(subject, instructions, spend) as unknown as string,
  )
  // Marks of places that were gone through are put back for each search.
  const marks = Math.min(instructions * (subject.length + 1), BACKTRACKED) / 1024
  const steps = STEPS_A_SEARCH + marks + instructions / 8
  return {
    matcher,
    find: (from) => {
      spend(steps)
      return matcher.find(from)
    },
  }
}

export const isFoundIn = (subject: string, pattern: RE2JS, host: Host): boolean =>
  searchIn(subject, pattern, host).find(0)
