import type { BundleContents } from '../bundle/bundle.ts'
import { BundleError } from '../bundle/errors.ts'
import { isObject, parseValue, toJson, type Value } from '../engine/value.ts'

/**
 * The data document of all bundles. Roots are disjoint, so nothing is said twice.
 * @returns JSON, number literals kept.
 * @throws {BundleError} BUNDLE_DATA
 */
export function mergeData(bundles: readonly BundleContents[]): Uint8Array {
  const [only] = bundles
  // One bundle's data goes as it came.
  if (only && bundles.length === 1) return only.data
  const merged = bundles
    .map(({ data }) => parseValue(Buffer.from(data).toString()))
    .reduce(merge, new Map())
  return Buffer.from(toJson(merged))
}

function merge(a: Value, b: Value): Value {
  if (!isObject(a) || !isObject(b)) throw new BundleError('BUNDLE_DATA', 'two bundles have one key')
  const merged = new Map(a)
  for (const [key, value] of b) {
    const had = merged.get(key)
    merged.set(key, had === undefined ? value : merge(had, value))
  }
  return merged
}
