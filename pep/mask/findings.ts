import { compileCustom } from './detectors/custom.ts'
import { Inspector } from './inspector.ts'
import { createTables, matchersFor } from './tables.ts'
import { CountingSink } from './text.ts'
import type { Counts, CustomDetector } from './types.ts'

/**
 * Compiles a count of findings in whole texts, for facts; masks nothing.
 * @returns counts by detector, without those that found nothing.
 * @throws {PepMaskError} PEP_MASK_CONFIG when compiling, PEP_MASK_DETECTOR when counting.
 */
export function compileFindings(
  names: readonly string[],
  customs: readonly CustomDetector[],
): (text: string) => Counts {
  const compiled = new Map(
    customs.map((custom) => [`custom:${custom.name}`, compileCustom(custom)]),
  )
  const matchers = matchersFor(names, compiled)
  if (matchers.length === 0) return () => ({})
  const tables = createTables(matchers)
  return (text) => {
    const counts: Counts = {}
    const inspector = new Inspector(tables, new CountingSink(counts), () => 'none', 0)
    inspector.whole(text)
    return counts
  }
}
