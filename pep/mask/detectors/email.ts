import { isAlnum, isDigit, isLetter, isRun, isWord } from '../chars.ts'
import { type Detector, LOOK_BACK, MORE, NO, type Matcher, unitFrom } from './matcher.ts'

const AT = 64
/** RFC 5321 §4.5.3.1.2. */
const MAX_DOMAIN = 253

/**
 * `local@domain.tld`. The local part is what people use (RFC 5321 dot-atoms without the rarer symbols), at most 64
 * units: of a longer run, the last 64. The top-level domain is two letters or more; what is glued behind it (`.com4`)
 * does not save the address from being found.
 */
const matcher: Matcher = {
  name: 'email',
  starts: isWord,
  startsWide: true,
  triggers: [{ chars: '@', back: LOOK_BACK }],
  maxLength: LOOK_BACK + 1 + MAX_DOMAIN + 1,
  partial: (value) => value.slice(value.lastIndexOf('@')),
  match(s, i, final, floor) {
    if (!isWord(s.charCodeAt(i))) return NO
    // Inside a run a match begins only where the run is too long to be a local part as a whole.
    const inside = isWord(unitFrom(s, i - 1, floor))
    const last = i + LOOK_BACK
    if (inside && last < s.length && s.charCodeAt(last) !== AT) return NO
    if (inside && last >= s.length && final) return NO
    let at = i + 1
    while (at < last && at < s.length && isRun(s.charCodeAt(at))) at++
    if (at === s.length) return final ? NO : MORE
    if (s.charCodeAt(at) !== AT || (inside && at !== last)) return NO
    const end = domain(s, at + 1, final)
    if (end < 0) return end
    // What follows decides as well.
    if (end === s.length && !final) return MORE
    return isPassword(s, i, floor) || isName(s.slice(i, end), s.charCodeAt(end)) ? NO : end
  },
}

/** How far back the begin of a URL's authority is looked for. */
const MAX_USERINFO = 100

/** Whether what stands before `i` is `scheme://user:`, so that what begins at `i` is a password and no mailbox. */
function isPassword(s: string, i: number, floor: number): boolean {
  let colon = false
  for (let p = i - 1; p >= floor + 2 && p > i - MAX_USERINFO; p--) {
    const c = s.charCodeAt(p)
    if (c === 47) return colon && s.startsWith('://', p - 2)
    if (c <= 32 || c === 34 || c === 39 || c === 60 || c === 62 || c === 63 || c === 96)
      return false
    colon ||= c === 58
  }
  return false
}

/** Pictures for screens of higher density, and units of systemd: endings that no domain has, behind a single name. */
const file =
  /@[^.]+\.(?:png|jpe?g|gif|webp|avif|svg|pdf|service|socket|timer|slice|scope|mount|automount|swap|device)$/i

/** What is written like an address and names something else. `next`: the unit that follows. */
const isName = (value: string, next: number): boolean =>
  file.test(value) ||
  // A repository over ssh: `git@host:org/repo`, `git@host/org/repo`.
  (value.startsWith('git@') && (next === 58 || next === 47)) ||
  // An outer class in Kotlin: `this@MainActivity.finish()`.
  (next === 40 && /^(?:this|super)@/.test(value))

/** The end of the longest domain name at `from` that ends in a top-level domain. */
function domain(s: string, from: number, final: boolean): number {
  const limit = from + MAX_DOMAIN
  let best = NO
  let label = from
  let first = true
  let letters = true
  let p = from
  for (; p < s.length && p < limit; p++) {
    const c = s.charCodeAt(p)
    if (c === 46) {
      if (p === label) return best
      label = p + 1
      first = false
      letters = true
    } else if (isLetter(c) || c > 127 ? isWord(c) : false) {
      if (!first && letters && p - label >= 1) best = p + 1
    } else if (isDigit(c) || (c === 45 && p > label)) {
      letters = false
    } else {
      return best
    }
    if (!first && !letters && isAlnum(c) && p - label > 4 && s.startsWith('xn--', label))
      best = p + 1
  }
  return p === s.length && p < limit && !final ? MORE : best
}

export const email: Detector = {
  name: 'email',
  matchers: [matcher],
  examples: [
    'ada@example.com',
    'ada.lovelace+news@mail.example.co.uk',
    'x_1-y%z@sub-domain.example.org',
    'jürgen@example.de',
    "o'brien@example.ie",
    'info@xn--bcher-kva.xn--p1ai',
    `${'a'.repeat(64)}@example.com`,
  ],
  counterExamples: [
    'ada@example',
    '@Component class',
    'ada@.com',
    'a @ b.com',
    'user@host.1',
    'price: 3@4.50',
    'ada@example.c',
    'icon@2x.png',
    'getty@tty1.service',
    'git@example.com:org/repo',
    'this@MainActivity.finish()',
    'ssh://ada:secret@db.example.com/',
  ],
}
