import { isAlnum } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, unitFrom } from './matcher.ts'

const AT = 64
const COLON = 58
const SLASH = 47
const MAX_AUTHORITY = 320

/** What ends an authority (RFC 3986 §3.2), or a URL inside text and code. */
const ends = (c: number): boolean =>
  c <= 32 ||
  c === SLASH ||
  c === 63 ||
  c === 35 ||
  c === 34 ||
  c === 39 ||
  c === 60 ||
  c === 62 ||
  c === 92 ||
  c === 96 ||
  c === 91 ||
  c === 93

/**
 * The `user:password` of `scheme://user:password@host`; scheme and host stay. The last `@` of the authority counts, so
 * that one inside a password does not show its rest. An authority too long to be held is replaced from its begin.
 */
const matcher: Matcher = {
  name: 'url_credentials',
  starts: (c) => !ends(c) && c !== AT,
  startsWide: true,
  hot: true,
  triggers: [
    {
      chars: '/',
      fires: (s, at) => s.charCodeAt(at - 1) === SLASH && s.charCodeAt(at - 2) === COLON,
      hot: 1,
    },
  ],
  maxLength: MAX_AUTHORITY,
  partial: () => undefined,
  match(s, i, final, floor) {
    if (unitFrom(s, i - 1, floor) !== SLASH) return NO
    if (i - 3 < floor || !s.startsWith('://', i - 3) || !isAlnum(unitFrom(s, i - 4, floor)))
      return NO
    let colon = false
    let at = NO
    let p = i
    for (; p < s.length && p < i + MAX_AUTHORITY; p++) {
      const c = s.charCodeAt(p)
      if (ends(c)) return real(s, i, at)
      if (c === COLON) colon = true
      if (c === AT && colon) at = p
    }
    if (p === i + MAX_AUTHORITY) return at === NO && colon ? p : real(s, i, at)
    return final ? real(s, i, at) : MORE
  },
  tail(s, from, final) {
    let p = from
    while (p < s.length && !ends(s.charCodeAt(p)) && s.charCodeAt(p) !== AT) p++
    return p < s.length || final ? p : ~p
  },
}

/** Asterisks, and what a template puts a password in place of: `${…}`, `{…}`. */
const placeholder = /^(?:\*+|\$?\{[^{}]*\})$/

const real = (s: string, i: number, at: number): number =>
  at !== NO && placeholder.test(s.slice(s.indexOf(':', i) + 1, at)) ? NO : at

export const urlCredentials: Detector = {
  name: 'url_credentials',
  matchers: [matcher],
  examples: [
    { before: 'postgres://', value: 'ada:pa55w0rd', after: '@db.example.com/x' },
    { before: 'see https://', value: 'x:p@ss:w0rd', after: '@example.com' },
    { before: 'redis://', value: ':pa55w0rd', after: '@cache:6379' },
    { before: 'https://', value: `oauth2:${'x'.repeat(400)}`, after: '@example.com/' },
  ],
  counterExamples: [
    'https://example.com/a:b@c',
    'https://example.com:8080/',
    'https://ada@intranet/',
    'a://b c:d@e',
    '//user:pw@host',
    'postgres://ada:***@db/orders',
    'https://${user}:${password}@${host}/',
    'https://{user}:{password}@host/',
  ],
}
