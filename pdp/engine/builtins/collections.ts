import { type Spend, stepsOfDigits } from '../steps.ts'
import { compare, isArray, isObject, isSet, num, type Value } from '../value.ts'
import { failed, integer, number } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { createLookup } from './lookup.ts'

export const collections: Builtins = {
  'object.subset': (args, { spend }) => {
    const [whole, part] = args
    if (whole !== undefined && part !== undefined) {
      const subset = nested(whole, part, spend)
      if (subset !== undefined) return subset
      if (isArray(whole) && isSet(part)) return hasAll(whole, part, spend)
    }
    throw failed('both arguments must be of the same type or array and set')
  },
  'numbers.range_step': (args, { spend }) => {
    const digits = [0, 1, 2].map((at) => number(args, at).literal.length)
    for (const length of digits) spend(stepsOfDigits(length))
    const [from, to, step] = [integer(args, 0), integer(args, 1), integer(args, 2)]
    if (step <= 0n) throw failed('step must be a positive integer')
    const distance = to > from ? to - from : from - to
    if (distance / step >= MOST_NUMBERS)
      throw new Error(`numbers.range_step: more than ${MOST_NUMBERS}`)
    const count = Number(distance / step) + 1
    const signed = to < from ? -step : step
    spend(count * (STEPS_A_NUMBER + stepsOfDigits(Math.max(...digits))))
    return Array.from({ length: count }, (_, at) => num(from + BigInt(at) * signed))
  },
}

const MOST_NUMBERS = 1_000_000n
const STEPS_A_NUMBER = 30

function hasAll(whole: Iterable<Value>, part: Iterable<Value>, spend: Spend): boolean {
  const known = createLookup(
    [...whole].map((one) => [one, one] as const),
    spend,
  )
  return [...part].every((one) => known(one) !== undefined)
}

/** Of two values of one kind; `undefined` for others. */
function nested(whole: Value, part: Value, spend: Spend): boolean | undefined {
  spend(1)
  if (isObject(whole) && isObject(part)) {
    const known = createLookup(whole, spend)
    return [...part].every(([key, one]) => {
      const found = known(key)
      return (
        found !== undefined &&
        (compare(found, one, spend) === 0 || nested(found, one, spend) === true)
      )
    })
  }
  if (isSet(whole) && isSet(part)) return hasAll(whole, part, spend)
  if (isArray(whole) && isArray(part)) return runsWithin(whole, part, spend)
  return undefined
}

/** OPA's search does not step back after a partial match; its answers are the ones to give. */
function runsWithin(whole: readonly Value[], part: readonly Value[], spend: Spend): boolean {
  if (part.length > whole.length) return false
  let [start, matched] = [0, 0]
  while (matched < part.length) {
    const [one, wanted] = [whole[start + matched], part[matched]]
    if (one === undefined || wanted === undefined) return false
    if (compare(one, wanted, spend) === 0) matched += 1
    else [start, matched] = [start + 1, 0]
  }
  return true
}
