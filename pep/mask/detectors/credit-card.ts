import { isDigit, isGroupSeparator } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, numberStart, unitFrom } from './matcher.ts'

/** Issuer ranges by the first four digits (ISO/IEC 7812 as published by the networks), and the lengths each issues. */
const issuers: readonly (readonly [first: number, last: number, lengths: readonly number[]])[] = [
  [2200, 2204, [16, 17, 18, 19]], // Mir
  [2221, 2720, [16]], // Mastercard
  [3000, 3059, [14, 16, 17, 18, 19]], // Diners Club
  [3400, 3499, [15]], // American Express
  [3528, 3589, [16, 17, 18, 19]], // JCB
  [3600, 3699, [14, 15, 16, 17, 18, 19]], // Diners Club
  [3700, 3799, [15]], // American Express
  [3800, 3999, [14, 16, 17, 18, 19]], // Diners Club
  [4000, 4999, [13, 16, 19]], // Visa
  [5018, 5018, [13, 14, 15, 16, 17, 18, 19]], // Maestro
  [5020, 5020, [13, 14, 15, 16, 17, 18, 19]],
  [5038, 5038, [13, 14, 15, 16, 17, 18, 19]],
  [5100, 5599, [16]], // Mastercard
  [5893, 5893, [13, 14, 15, 16, 17, 18, 19]],
  [6011, 6011, [16, 17, 18, 19]], // Discover
  [6200, 6299, [16, 17, 18, 19]], // UnionPay
  [6304, 6304, [13, 14, 15, 16, 17, 18, 19]],
  [6440, 6599, [16, 17, 18, 19]], // Discover
  [6759, 6763, [13, 14, 15, 16, 17, 18, 19]],
  [8100, 8171, [16, 17, 18, 19]], // UnionPay
]

const MAX_DIGITS = 19
/** Lengths allowed by the first four digits, as a bit set. */
const lengths = new Uint32Array(10_000)
/** Whether any issuer has this prefix, indexed by a 1 in front of its digits: `14` for prefix 4, `1401` for 401. */
const possible = new Uint8Array(20_000)
for (const [first, last, allowed] of issuers) {
  for (let prefix = first; prefix <= last; prefix++) {
    for (const length of allowed) lengths[prefix] = (lengths[prefix] ?? 0) | (1 << length)
    for (const power of [10_000, 1000, 100, 10]) {
      possible[Math.floor((prefix * 10) / power) + 100_000 / power] = 1
    }
  }
}

const doubled = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]

/**
 * 13–19 digits of a known issuer that pass Luhn (ISO/IEC 7812-1 annex B), in groups of any size divided by single
 * separators. Letters glued to either side do not hide it; digits do, and so does being the fraction of a number.
 */
const matcher: Matcher = {
  name: 'credit_card',
  starts: isDigit,
  triggers: [numberStart],
  maxLength: 2 * MAX_DIGITS,
  match(s, i, final, floor) {
    if (isDigit(unitFrom(s, i - 1, floor))) return NO
    if (unitFrom(s, i - 1, floor) === 46 && isDigit(unitFrom(s, i - 2, floor))) return NO
    let best = NO
    let digits = 0
    let prefix = 1
    let even = 0 // Luhn sum with the digits at even places from the left doubled, and at odd places
    let odd = 0
    for (let p = i; ; p++) {
      if (p === s.length) return final ? groupEnd(prefix, digits, even, odd, p, best) : MORE
      const c = s.charCodeAt(p)
      if (isDigit(c)) {
        if (digits === MAX_DIGITS) return best
        const digit = c - 48
        even += (digits & 1) === 0 ? (doubled[digit] ?? 0) : digit
        odd += (digits & 1) === 1 ? (doubled[digit] ?? 0) : digit
        digits++
        if (digits <= 4) {
          prefix = prefix * 10 + digit
          if (possible[prefix] === 0) return NO
        }
        continue
      }
      best = groupEnd(prefix, digits, even, odd, p, best)
      if (digits === MAX_DIGITS || !isGroupSeparator(c)) return best
      if (p + 1 === s.length) return final ? best : MORE
      if (!isDigit(s.charCodeAt(p + 1))) return best
    }
  },
}

function groupEnd(
  prefix: number,
  digits: number,
  even: number,
  odd: number,
  at: number,
  best: number,
): number {
  if (digits < 13 || ((lengths[prefix - 10_000] ?? 0) & (1 << digits)) === 0) return best
  return ((digits & 1) === 0 ? even : odd) % 10 === 0 ? at : best
}

export const creditCard: Detector = {
  name: 'credit_card',
  matchers: [matcher],
  // The networks' published test numbers.
  examples: [
    '4111111111111111',
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '378282246310005',
    '3782 822463 10005',
    '5555555555554444',
    '2223003122003222',
    '6011111111111117',
    '30569309025904',
    '3530111333300000',
    '6200000000000005',
    '4222222222222',
  ],
  counterExamples: [
    '4111111111111112',
    '1111111111111117',
    '0.4111111111111111',
    '41111111111111111111',
    '4111  1111 1111 1111',
    '2024-01-02 10:11:12.123456',
    '1700000000000',
  ],
}
