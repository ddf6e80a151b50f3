import { redacted } from '../../pep/mask/replace.ts'
import type { Masker } from './masker.ts'

/** They hold what opens something, in a form that only who made it knows. */
const credentials =
  /^(?:proxy-)?authorization$|(?:^|[-_])(?:set-)?cookie2?$|(?:^|[-_])(?:api-?key|token|secret|password|credential|signature)s?$/i
/** What the record keeps of cookies: only whether they are the same. */
const digest = /^sha256:[0-9a-f]{64}$/

/** Masks headers: names, values, and all of those that hold credentials. */
export function maskHeaders(
  masker: Masker,
  headers: readonly (readonly [string, string])[],
): [string, string][] {
  return headers.map(([name, value]) => {
    const shown = masker.text(name)
    if (digest.test(value)) return [shown, value]
    return [shown, credentials.test(name) ? redacted('credential') : masker.named(name, value)]
  })
}
