import { isDigit, isUpper } from '../chars.ts'
import type { FindingName } from '../types.ts'
import { MORE, NO, type Matcher, prefixAt, tailWhile, type Trigger } from './matcher.ts'

export type PrefixedToken = {
  readonly name: FindingName
  readonly prefixes: readonly string[]
  readonly body: (unit: number) => boolean
  /** Units of the body after which there is no doubt. What follows belongs to the token as long as it is `body`. */
  readonly certain: number
  /** Whether those units must have a digit or a capital, so that a hyphenated word is not taken for a key. */
  readonly mixed: boolean
  readonly trigger: Trigger
}

/**
 * Keys of the form prefix + body, of any length: recognised after `certain` units and replaced as they go on. They
 * are found also where something is glued to their front.
 */
export function prefixedToken(token: PrefixedToken): Matcher {
  const first = new Set(token.prefixes.map((prefix) => prefix.charCodeAt(0)))
  return {
    name: token.name,
    starts: (unit) => first.has(unit),
    triggers: [token.trigger],
    maxLength: Math.max(...token.prefixes.map((prefix) => prefix.length)) + token.certain,
    tail: tailWhile(token.body),
    match(s, i, final) {
      let pending: number = NO
      for (const prefix of token.prefixes) {
        const from = prefixAt(s, i, prefix, final)
        if (from === NO) continue
        const end = from === MORE ? MORE : certainBody(s, from, token, final)
        if (end >= 0) return end
        if (end === MORE) pending = MORE
      }
      return pending
    },
  }
}

function certainBody(s: string, from: number, token: PrefixedToken, final: boolean): number {
  let mixed = !token.mixed
  for (let p = from; p < from + token.certain; p++) {
    if (p === s.length) return final ? NO : MORE
    const c = s.charCodeAt(p)
    if (!token.body(c)) return NO
    mixed ||= isDigit(c) || isUpper(c)
  }
  return mixed ? from + token.certain : NO
}
