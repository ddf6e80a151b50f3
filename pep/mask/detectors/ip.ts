import { isDigit, isHex } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, numberStart, unitFrom } from './matcher.ts'

const DOT = 46
const COLON = 58

const v4: Matcher = {
  name: 'ipv4',
  starts: isDigit,
  triggers: [numberStart],
  maxLength: 17,
  match(s, i, final, floor) {
    if (isDigit(unitFrom(s, i - 1, floor))) return NO
    // The fifth part of something longer is no address: "1.2.3.4.5".
    if (unitFrom(s, i - 1, floor) === DOT && isDigit(unitFrom(s, i - 2, floor))) return NO
    const end = dotted(s, i, final)
    return end >= 0 && network.test(s.slice(i, end)) ? NO : end
  },
}

/**
 * `10.0.0.0` is a network, `120.0.0.0` a browser's version; nor is `1.250.000.000` an address: who writes `000`, writes
 * every part with three digits.
 */
const network = /^\d+(?:\.0+){3}$|^\d\d?\..*\b000\b/

/** Four numbers of at most 255, not followed by a digit or by a fifth number. */
function dotted(s: string, i: number, final: boolean): number {
  let p = i
  for (let part = 0; part < 4; part++) {
    let value = 0
    let digits = 0
    for (; p < s.length && isDigit(s.charCodeAt(p)); p++) {
      value = value * 10 + s.charCodeAt(p) - 48
      if (++digits > 3 || value > 255) return NO
    }
    if (p === s.length && (!final || part < 3)) return final ? NO : MORE
    if (digits === 0) return NO
    if (part < 3 && s.charCodeAt(p++) !== DOT) return NO
  }
  if (s.charCodeAt(p) !== DOT) return p
  if (p + 1 === s.length) return final ? p : MORE
  return isDigit(s.charCodeAt(p + 1)) ? NO : p
}

/**
 * RFC 4291 §2.2: eight groups, or fewer around `::`, the last two perhaps dotted. With `::` the first group has three
 * digits or more, as every assigned prefix has (`2001:`, `fd00:`, `fe80:`), and there is a decimal digit somewhere:
 * `a::b` is C++ and `1::2` a slice.
 */
const v6: Matcher = {
  name: 'ipv6',
  starts: isHex,
  triggers: [
    {
      chars: ':',
      back: 4,
      after: ':0123456789abcdefABCDEF',
      fires: (s, at) => isHex(s.charCodeAt(at - 1)),
    },
  ],
  maxLength: 48,
  match(s, i, final, floor) {
    if (isHex(unitFrom(s, i - 1, floor))) return NO
    const chained = unitFrom(s, i - 1, floor) === COLON && isHex(unitFrom(s, i - 2, floor))
    let groups = 0
    let compressed = false
    let decimal = false
    let firstLength = 0
    let pairs = true
    let p = i
    for (;;) {
      const group = p
      while (p < s.length && p - group < 5 && isHex(s.charCodeAt(p))) {
        if (isDigit(s.charCodeAt(p))) decimal = true
        p++
      }
      const length = p - group
      if (length === 0 || length > 4) return NO
      if (groups === 0) firstLength = length
      pairs &&= length === 2
      groups++
      if (p === s.length && !final) return MORE
      if (s.charCodeAt(p) === DOT && groups > 2 && groups <= 7) {
        const end = dotted(s, group, final)
        if (end === MORE) return MORE
        if (end !== NO && (compressed || groups === 7)) return end
      }
      const after = s.charCodeAt(p + 1)
      // Eight pairs without a `::` are an EUI-64 or a worldwide name.
      if (s.charCodeAt(p) !== COLON)
        return accept(p, groups, compressed, decimal && firstLength >= 3, chained || pairs)
      if (p + 1 === s.length && !final) return MORE
      if (after === COLON) {
        if (compressed) return accept(p, groups, compressed, decimal && firstLength >= 3, chained)
        compressed = true
        p += 2
        if (p === s.length && !final) return MORE
        if (!isHex(s.charCodeAt(p)))
          return accept(p, groups, compressed, decimal && firstLength >= 3, chained)
      } else if (isHex(after) && groups < 8) {
        p++
      } else if (isHex(after)) {
        return NO // a ninth group: a fingerprint, a dump
      } else {
        return accept(p, groups, compressed, decimal && firstLength >= 3, chained || pairs)
      }
    }
  },
}

function accept(
  end: number,
  groups: number,
  compressed: boolean,
  plausible: boolean,
  chained: boolean,
): number {
  if (compressed) return groups < 8 && plausible ? end : NO
  return groups === 8 && !chained ? end : NO
}

export const ipv4: Detector = {
  name: 'ipv4',
  matchers: [v4],
  examples: ['192.0.2.1', '198.51.100.255', '203.0.113.10', '10.0.0.1'],
  counterExamples: [
    '256.1.1.1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '1.2.3.4567',
    '12:30:45',
    '10.0.0.0',
    '1.250.000.000',
  ],
}

export const ipv6: Detector = {
  name: 'ipv6',
  matchers: [v6],
  examples: [
    '2001:db8::1',
    '2001:0db8:0000:0000:0000:ff00:0042:8329',
    'fe80::1ff:fe23:4567:890a',
    'fd00:1234::',
    '2001:db8::192.0.2.33',
    '1:2:3:4:5:6:7:8',
  ],
  counterExamples: [
    '::',
    'x[1::2]',
    'a::b',
    'std::dead::beef',
    '12:30:45',
    '00:1a:2b:3c:4d:5e',
    '00:11:22:33:44:55:66:77:88:99',
    '50:06:0b:00:00:c2:62:00',
    'key: value',
  ],
}
