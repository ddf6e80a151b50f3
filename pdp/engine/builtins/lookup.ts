import type { Spend } from '../steps.ts'
import {
  compare,
  isArray,
  isObject,
  isSet,
  Num,
  sorted,
  sortedEntries,
  type Value,
} from '../value.ts'

const STEPS_AN_ENTRY = 16

/**
 * Finds entries by any value as their key, in time that does not grow with their number.
 * @returns a function from a key to what belongs to it; `undefined` without one.
 */
export function createLookup<T>(
  entries: Iterable<readonly [Value, T]>,
  spend: Spend,
): (key: Value) => T | undefined {
  const buckets = new Map<string, (readonly [Value, T])[]>()
  for (const entry of entries) {
    const name = bucketOf(entry[0], spend)
    const bucket = buckets.get(name)
    if (bucket) bucket.push(entry)
    else buckets.set(name, [entry])
  }
  return (key) =>
    buckets.get(bucketOf(key, spend))?.find(([one]) => compare(one, key, spend) === 0)?.[1]
}

/** The same text for values that are equal; others may share it, as numbers that are one float do. */
function bucketOf(value: Value, spend: Spend): string {
  if (typeof value === 'string') {
    spend(STEPS_AN_ENTRY)
    return `"${value}`
  }
  let out = ''
  const write = (one: Value): void => {
    spend(STEPS_AN_ENTRY)
    if (typeof one === 'string') out += JSON.stringify(one)
    else if (one instanceof Num) out += String(Number(one.literal) + 0)
    else if (isArray(one)) list('[', one)
    else if (isSet(one)) list('{', sorted(one))
    else if (isObject(one)) list('(', sortedEntries(one).flat())
    else out += String(one)
  }
  const list = (open: string, items: readonly Value[]): void => {
    out += open
    for (const item of items) {
      write(item)
      out += ','
    }
    out += ']'
  }
  write(value)
  return out
}
