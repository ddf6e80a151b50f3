import { isDeepStrictEqual } from 'node:util'
import type { Said } from './report.ts'

/**
 * Obligations that one answer has and the other has not, as JSON; empty where the effects differ, since what comes with an
 * allow is not what a reader asks about a deny.
 */
export function ownDuties(one: Said, other: Said | undefined): string {
  if (other?.effect !== one.effect) return ''
  const own = one.obligations.filter(
    (duty) => !other.obligations.some((known) => isDeepStrictEqual(known, duty)),
  )
  return own.length === 0 ? '' : JSON.stringify(own)
}
