import { isAlnum, isDigit, isLower, isUpper } from '../chars.ts'
import type { FindingName } from '../types.ts'
import { MORE, NO, type Matcher, prefixAt, tailWhile, type Trigger } from './matcher.ts'

export type PrefixedToken = {
  readonly name: FindingName
  readonly prefixes: readonly string[]
  readonly body: (unit: number) => boolean
  /** A unit that belongs to the token where more of it follows; a full stop at its end does not. */
  readonly joint?: string
  /** Units of the body after which there is no doubt. What follows belongs to the token as long as it is `body`. */
  readonly certain: number
  /** Whether those units must look random (see `isMixed`). */
  readonly mixed: boolean
  readonly trigger: Trigger
}

/**
 * Keys of the form prefix + body, of any length: recognised after `certain` units and replaced as they go on. They
 * are found also where something is glued to their front. Checksums that some of them end in are not asked for: a key
 * that is cut or altered by a letter still gives most of itself away.
 */
export function prefixedToken(token: PrefixedToken): Matcher {
  const first = new Set(token.prefixes.map((prefix) => prefix.charCodeAt(0)))
  return {
    name: token.name,
    starts: (unit) => first.has(unit),
    triggers: [token.trigger],
    maxLength: Math.max(...token.prefixes.map((prefix) => prefix.length)) + token.certain,
    tail:
      token.joint === undefined
        ? tailWhile(token.body)
        : tailWithJoint(token.body, token.joint.charCodeAt(0)),
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
  const end = from + token.certain
  for (let p = from; p < end; p++) {
    if (p === s.length) return final ? NO : MORE
    if (!token.body(s.charCodeAt(p))) return NO
  }
  return !token.mixed || isMixed(s, from, end) ? end : NO
}

/**
 * Whether `s[from..end)` has a digit, or letters of both cases, and is not one letter over and over: neither a
 * hyphenated word (`sk-proj-management-overview`) nor a placeholder (`YOUR_API_KEY`, `0000…`) is taken for a key.
 * Random letters and digits pass but for one in 10⁷ of twenty.
 */
export function isMixed(s: string, from: number, end: number): boolean {
  let digit = false
  let upper = false
  let lower = false
  let varied = false
  for (let p = from; p < end; p++) {
    const c = s.charCodeAt(p)
    digit ||= isDigit(c)
    upper ||= isUpper(c)
    lower ||= isLower(c)
    varied ||= isAlnum(c) && c !== s.charCodeAt(from)
  }
  return varied && (digit || (upper && lower))
}

const tailWithJoint =
  (isPart: (unit: number) => boolean, joint: number): NonNullable<Matcher['tail']> =>
  (s, from, final) => {
    let p = from
    for (; p < s.length; p++) {
      const c = s.charCodeAt(p)
      if (isPart(c)) continue
      if (c !== joint) return p
      if (p + 1 === s.length) return final ? p : ~p
      if (!isPart(s.charCodeAt(p + 1))) return p
    }
    return final ? p : ~p
  }
