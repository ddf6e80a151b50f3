import { isToken } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, prefixAt } from './matcher.ts'

const DOT = 46
const MIN_HEADER = 12
/** A header that is longer (`x5c`) is replaced before its end is seen. */
const MAX_HEADER = 1024
const MIN_PAYLOAD = 8

/**
 * JWS and JWE compact serialisation (RFC 7519 §3, RFC 7516 §3.1): base64url of `{"`, a dot, and eight more units or
 * the second dot of an empty encrypted key.
 */
const matcher: Matcher = {
  name: 'jwt',
  starts: (c) => c === 101,
  triggers: [{ chars: 'J', back: 2, fires: (s, at) => s.startsWith('ey', at - 2) }],
  maxLength: MAX_HEADER,
  match(s, i, final) {
    let p = prefixAt(s, i, 'eyJ', final)
    if (p < 0) return p
    while (p < s.length && p < i + MAX_HEADER && isToken(s.charCodeAt(p))) p++
    if (p === i + MAX_HEADER) return p
    if (p === s.length) return final ? NO : MORE
    if (p - i < MIN_HEADER || s.charCodeAt(p) !== DOT) return NO
    p++
    const payload = p
    while (p < s.length && p < payload + MIN_PAYLOAD && isToken(s.charCodeAt(p))) p++
    if (p === payload + MIN_PAYLOAD) return p
    if (p === s.length) return final ? NO : MORE
    return p === payload && s.charCodeAt(p) === DOT ? p + 1 : NO
  },
  tail(s, from, final) {
    let p = from
    for (; p < s.length; p++) {
      const c = s.charCodeAt(p)
      if (isToken(c) || c === 61) continue
      if (c !== DOT) return p
      // A dot belongs to the token if more of it follows: the end of a sentence does not.
      if (p + 1 === s.length) return final ? p : ~p
      const next = s.charCodeAt(p + 1)
      if (!isToken(next) && next !== DOT) return p
    }
    return final ? p : ~p
  },
}

const header = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9'
const payload = 'eyJzdWIiOiIxMjM0NTY3ODkwIn0'

export const jwt: Detector = {
  name: 'jwt',
  matchers: [matcher],
  examples: [
    `${header}.${payload}.c2lnbmF0dXJlLW9mLW5vdGhpbmc`,
    `${header}.${payload}.`.slice(0, -1),
    'eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aXYtYW5kLXNv.Y2lwaGVydGV4dA.dGFn',
  ],
  counterExamples: [header, `${header}.`, `${header}.x`, 'eyJ.abcdefghijkl', 'eyes.jump.over'],
}
