import { num, type Num, type Value } from '../value.ts'
import { failed, smallInteger, text, texts } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const strings: Builtins = {
  'strings.any_prefix_match': (args) => {
    const prefixes = new Prefixes(texts(args, 1))
    return texts(args, 0).some((one) => prefixes.match(one))
  },
  'strings.any_suffix_match': (args) => {
    const suffixes = new Prefixes(texts(args, 1).map(reversed))
    return texts(args, 0).some((one) => suffixes.match(reversed(one)))
  },
  'strings.count': (args) => num(count(text(args, 0), text(args, 1))),
  'strings.split_n': (args) => splitN(text(args, 0), text(args, 1), smallInteger(args, 2)),
  indexof_n: (args) => indexes(text(args, 0), text(args, 1)),
}

/** By UTF-16 unit, for comparing with others so reversed. */
const reversed = (one: string): string => one.split('').toReversed().join('')

/** Sorted, without those that begin with another: the one that a text begins with is then the last that is not past it. */
class Prefixes {
  readonly #sorted: string[] = []
  constructor(prefixes: readonly string[]) {
    for (const one of [...prefixes].sort()) {
      const last = this.#sorted.at(-1)
      if (last === undefined || !one.startsWith(last)) this.#sorted.push(one)
    }
  }

  match(text: string): boolean {
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sorted[middle] ?? '') <= text) low = middle + 1
      else high = middle
    }
    const last = this.#sorted[low - 1]
    return last !== undefined && text.startsWith(last)
  }
}

function count(subject: string, part: string): number {
  if (part === '') return characters(subject, 0, subject.length) + 1
  let found = 0
  for (let at = subject.indexOf(part); at !== -1; at = subject.indexOf(part, at + part.length))
    found += 1
  return found
}

/** How many characters there are between two places. */
function characters(subject: string, from: number, to: number): number {
  let found = 0
  for (let at = from; at < to; at += 1) if ((subject.charCodeAt(at) & 0xfc00) !== 0xdc00) found += 1
  return found
}

/** Positions count characters. The search of Knuth, Morris and Pratt: matches may overlap. */
function indexes(subject: string, part: string): Value {
  if (part === '') throw failed('empty search character')
  const borders = bordersOf(part)
  const found: Num[] = []
  let [matched, counted, position] = [0, 0, 0]
  for (let at = 0; at < subject.length; at += 1) {
    while (matched > 0 && subject[at] !== part[matched]) matched = borders[matched - 1] ?? 0
    if (subject[at] === part[matched]) matched += 1
    if (matched < part.length) continue
    const start = at + 1 - part.length
    position += characters(subject, counted, start)
    counted = start
    found.push(num(position))
    matched = borders[matched - 1] ?? 0
  }
  return found
}

/** For each beginning of a text, how long its longest end is that it also begins with. */
function bordersOf(part: string): Int32Array {
  const borders = new Int32Array(part.length)
  let length = 0
  for (let at = 1; at < part.length; at += 1) {
    while (length > 0 && part[at] !== part[length]) length = borders[length - 1] ?? 0
    if (part[at] === part[length]) length += 1
    borders[at] = length
  }
  return borders
}

/** The first `count` parts, or the last when it is negative; OPA drops the others. */
function splitN(subject: string, mark: string, count: number): Value {
  if (count === 0) return []
  const parts = mark === '' ? [...subject] : subject.split(mark)
  return count < 0 ? parts.slice(count) : parts.slice(0, count)
}
