import { redacted } from '../../pep/mask/replace.ts'
import type { Masker } from './masker.ts'

/** They hold what opens something, in a form that only who made it knows. */
const credentials =
  /^(?:proxy-)?authorization$|(?:^|[-_])(?:set-)?cookie2?$|(?:^|[-_])(?:api-?key|token|secret|password|credential|signature)s?$/i
/**
 * Masks headers: names, values, and all of those that hold credentials; also the digest that the record keeps of a cookie,
 * by which a short one could be guessed.
 */
export function maskHeaders(
  masker: Masker,
  headers: readonly (readonly [string, string])[],
): [string, string][] {
  return headers.map(([name, value]) => {
    const shown = masker.text(name)
    return [shown, credentials.test(name) ? redacted('credential') : masker.named(name, value)]
  })
}
