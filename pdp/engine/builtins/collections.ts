import { compare, isArray, isObject, isSet, num, type Value } from '../value.ts'
import { failed, integer } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const collections: Builtins = {
  'object.subset': (args) => {
    const [whole, part] = args
    if (whole !== undefined && part !== undefined) {
      const subset = nested(whole, part)
      if (subset !== undefined) return subset
      if (isArray(whole) && isSet(part)) return [...part].every((one) => has(whole, one))
    }
    throw failed('both arguments must be of the same type or array and set')
  },
  'numbers.range_step': (args) => {
    const [from, to, step] = [integer(args, 0), integer(args, 1), integer(args, 2)]
    if (step <= 0n) throw failed('step must be a positive integer')
    const distance = to > from ? to - from : from - to
    if (distance / step >= MOST_NUMBERS)
      throw new Error(`numbers.range_step: more than ${MOST_NUMBERS}`)
    const count = Number(distance / step) + 1
    const signed = to < from ? -step : step
    return Array.from({ length: count }, (_, at) => num(from + BigInt(at) * signed))
  },
}

const MOST_NUMBERS = 1_000_000n

const has = (values: Iterable<Value>, wanted: Value): boolean =>
  [...values].some((one) => compare(one, wanted) === 0)

/** Of two values of one kind; `undefined` for others. */
function nested(whole: Value, part: Value): boolean | undefined {
  if (isObject(whole) && isObject(part))
    return [...part].every(([key, one]) => {
      const found = [...whole].find(([other]) => compare(other, key) === 0)
      return found !== undefined && (compare(found[1], one) === 0 || nested(found[1], one) === true)
    })
  if (isSet(whole) && isSet(part)) return [...part].every((one) => has(whole, one))
  if (isArray(whole) && isArray(part)) return runsWithin(whole, part)
  return undefined
}

/** OPA's search does not step back after a partial match; its answers are the ones to give. */
function runsWithin(whole: readonly Value[], part: readonly Value[]): boolean {
  if (part.length > whole.length) return false
  let [start, matched] = [0, 0]
  while (matched < part.length) {
    const [one, wanted] = [whole[start + matched], part[matched]]
    if (one === undefined || wanted === undefined) return false
    if (compare(one, wanted) === 0) matched += 1
    else [start, matched] = [start + 1, 0]
  }
  return true
}
