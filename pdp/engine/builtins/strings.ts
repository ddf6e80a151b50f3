import { num, type Value } from '../value.ts'
import { failed, smallInteger, text, texts } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const strings: Builtins = {
  'strings.any_prefix_match': (args) => {
    const prefixes = texts(args, 1)
    return texts(args, 0).some((one) => prefixes.some((prefix) => one.startsWith(prefix)))
  },
  'strings.any_suffix_match': (args) => {
    const suffixes = texts(args, 1)
    return texts(args, 0).some((one) => suffixes.some((suffix) => one.endsWith(suffix)))
  },
  'strings.count': (args) => {
    const [subject, part] = [text(args, 0), text(args, 1)]
    return num(part === '' ? [...subject].length + 1 : subject.split(part).length - 1)
  },
  'strings.split_n': (args) => splitN(text(args, 0), text(args, 1), smallInteger(args, 2)),
  indexof_n: (args) => indexes([...text(args, 0)], [...text(args, 1)]),
}

/** Positions count characters. */
function indexes(subject: readonly string[], part: readonly string[]): Value {
  if (part.length === 0) throw failed('empty search character')
  const found = []
  for (let at = 0; at + part.length <= subject.length; at += 1)
    if (part.every((character, offset) => subject[at + offset] === character)) found.push(num(at))
  return found
}

/** The first `count` parts, or the last when it is negative; OPA drops the others. */
function splitN(subject: string, mark: string, count: number): Value {
  if (count === 0) return []
  const parts = mark === '' ? [...subject] : subject.split(mark)
  return count < 0 ? parts.slice(count) : parts.slice(0, count)
}
