import { isAlnum, isDigit, isGroupSeparator, isHex } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, numberStart, unitFrom } from './matcher.ts'

const PLUS = 43
const OPEN = 40
const CLOSE = 41
const ZERO = 48

/** One of these between groups: those of every number, dot and slash. */
const isSeparator = (c: number): boolean => c === 46 || c === 47 || isGroupSeparator(c)

/**
 * International numbers (`+` or `00`, ITU-T E.164), North American ones (NANP, with separators) and national ones with
 * a trunk `0` and separators. Plain runs of digits are not found: too many numbers are ten digits long.
 */
const matcher: Matcher = {
  name: 'phone',
  starts: (c) => isDigit(c) || c === PLUS || c === OPEN,
  triggers: [numberStart, { chars: '+(', after: '0123456789' }],
  maxLength: 64,
  match(s, i, final, floor) {
    const c = s.charCodeAt(i)
    if (c === PLUS) return international(s, i + 1, final)
    if (isDigit(unitFrom(s, i - 1, floor))) return NO
    const first = c === OPEN ? i + 1 : i
    if (first === s.length) return final ? NO : MORE
    if (s.charCodeAt(first) !== ZERO) return northAmerican(s, i, final)
    const end = national(s, i, final)
    if (end < 0 || !pairs.test(s.slice(i, end))) return end
    return inDump(s, i, end, final, floor)
  },
}

/** Country codes start with 1–9; these first two digits are not assigned. */
const unassigned = new Set(['28', '83', '89'])

function international(s: string, from: number, final: boolean): number {
  let digits = ''
  let best = NO
  let separated = false
  for (let p = from; ; p++) {
    const c = s.charCodeAt(p)
    if (isDigit(c)) {
      if (digits.length === 15 || (digits === '' && c === ZERO)) return best
      digits += s.charAt(p)
      if (digits.length === 2 && unassigned.has(digits)) return NO
      // North America's numbers have one length; what follows is not part of them.
      if (digits.startsWith('1') && digits.length > 11) return best
      continue
    }
    if (digits === '') return p === s.length && !final ? MORE : NO
    if (!isDigit(s.charCodeAt(p - 1))) return best
    if (validInternational(digits, separated)) best = p
    if (p === s.length) return final ? best : MORE
    // A separator, or one on each side of a parenthesis: "+44 (0)20", "+1 (415) 555".
    let next = p
    while (
      next < s.length &&
      next < p + 3 &&
      (isSeparator(s.charCodeAt(next)) ||
        s.charCodeAt(next) === PLUS ||
        isParenthesis(s.charCodeAt(next)))
    )
      next++
    if (next === s.length && next < p + 3) return final ? best : MORE
    if (next === p || !isDigit(s.charCodeAt(next))) return next === s.length && !final ? MORE : best
    separated = true
    p = next - 1
  }
}

const isParenthesis = (c: number): boolean => c === OPEN || c === CLOSE

function validInternational(digits: string, separated: boolean): boolean {
  if (digits.startsWith('1')) {
    return digits.length === 11 && digits.charCodeAt(1) >= 50 && digits.charCodeAt(4) >= 50
  }
  if (digits.startsWith('7')) return digits.length === 11
  return digits.length >= (separated ? 8 : 10)
}

/** `(415) 555-2671`, `415-555-2671`, `1.415.555.2671`, `415 555 2671`. */
function northAmerican(s: string, i: number, final: boolean): number {
  let p = i
  if (s.charCodeAt(p) === 49) {
    p++
    if (p === s.length) return final ? NO : MORE
    if (!isSeparator(s.charCodeAt(p))) return NO
    p++
    if (p === s.length) return final ? NO : MORE
  }
  const parenthesis = s.charCodeAt(p) === OPEN
  if (parenthesis) p++
  const area = p
  for (const group of [3, 3, 4]) {
    for (let k = 0; k < group; k++, p++) {
      if (p === s.length) return final ? NO : MORE
      const c = s.charCodeAt(p)
      if (!isDigit(c) || (k === 0 && group === 3 && c < 50)) return NO
    }
    if (group === 4) break
    if (parenthesis && group === 3 && p === area + 3) {
      if (p === s.length) return final ? NO : MORE
      if (s.charCodeAt(p++) !== CLOSE) return NO
      if (p === s.length) return final ? NO : MORE
      if (isSeparator(s.charCodeAt(p))) p++
    } else {
      if (p === s.length) return final ? NO : MORE
      if (!isSeparator(s.charCodeAt(p))) return NO
      p++
    }
  }
  // 200, 300 and 400 are not assigned as area codes, but common as round numbers.
  if (s.startsWith('00', area + 1) && s.charCodeAt(area) < 53) return NO
  if (p === s.length) return final ? p : MORE
  return isDigit(s.charCodeAt(p)) ? NO : p
}

const pairs = /^\d\d(?:[ -]\d\d)+$/
/** Pairs to either side that are looked at. */
const MAX_PAIRS = 12

/** Whether pairs with one separator go on to either side until one has a letter: a dump of bytes or a MAC address, and no number. */
function inDump(s: string, from: number, to: number, final: boolean, floor: number): number {
  const separator = s.charCodeAt(from + 2)
  const isPair = (at: number): boolean =>
    isHex(unitFrom(s, at, floor)) && isHex(s.charCodeAt(at + 1))
  const hasLetter = (at: number): boolean =>
    !isDigit(s.charCodeAt(at)) || !isDigit(s.charCodeAt(at + 1))
  for (
    let k = 1, at = from - 3;
    k <= MAX_PAIRS && s.charCodeAt(at + 2) === separator;
    k++, at -= 3
  ) {
    if (!isPair(at)) break
    if (hasLetter(at)) return isAlnum(unitFrom(s, at - 1, floor)) ? to : NO
  }
  for (let k = 1, at = to; k <= MAX_PAIRS; k++, at += 3) {
    if (at + 3 >= s.length && !final) return goesOn(s, at, separator) ? MORE : to
    if (s.charCodeAt(at) !== separator || !isPair(at + 1)) break
    if (hasLetter(at + 1)) return isAlnum(s.charCodeAt(at + 3)) ? to : NO
  }
  return to
}

/** Whether the last units of a text may become a separator and a pair. */
const goesOn = (s: string, at: number, separator: number): boolean =>
  (at >= s.length || s.charCodeAt(at) === separator) &&
  (at + 1 >= s.length || isHex(s.charCodeAt(at + 1))) &&
  (at + 2 >= s.length || isHex(s.charCodeAt(at + 2)))

/** A trunk 0 (9–11 digits) or the prefix 00 (11–16), at least two groups, one kind of separator: `020 7946 0958`, `01 23 45 67 89`. */
function national(s: string, i: number, final: boolean): number {
  let p = i
  const parenthesis = s.charCodeAt(p) === OPEN
  if (parenthesis) p++
  const international = s.startsWith('00', p)
  if (international && s.charCodeAt(p + 2) === ZERO) return NO
  let separator = 0
  let best = NO
  let digits = 0
  let group = 0
  let groups = 1
  for (; ; p++) {
    const c = s.charCodeAt(p)
    if (isDigit(c)) {
      digits++
      group++
      if (group > 8 || digits > 16 || (groups === 1 && group > 5)) return best
      continue
    }
    if (p === s.length && !final) return MORE
    if (group < 2) return best
    const enough = separator === 46 ? groups >= 3 : groups >= 2
    const fits = international
      ? digits >= 11 && validInternational(s.slice(i, p).replace(/\D/g, '').slice(2), true)
      : digits >= 9 && digits <= 11
    if (enough && fits) best = p
    if (p === s.length) return best
    let next = p
    if (parenthesis && groups === 1) {
      if (c !== CLOSE) return NO
      next++
      if (isSeparator(s.charCodeAt(next))) next++
    } else {
      if (!isSeparator(c) || (separator !== 0 && c !== separator)) return best
      separator = c
      next++
    }
    if (next === s.length) return final ? best : MORE
    if (!isDigit(s.charCodeAt(next))) return best
    groups++
    group = 0
    p = next - 1
  }
}

export const phone: Detector = {
  name: 'phone',
  matchers: [matcher],
  // Numbers reserved for fiction by their regulators.
  examples: [
    '+14155550132',
    '+1 (415) 555-0132',
    '+44 20 7946 0958',
    '+44 (0)20 7946 0958',
    '+49 30 23125 000',
    '+33 1 99 00 12 34',
    '(415) 555-0132',
    '415-555-0132',
    '415.555.0132',
    '1-415-555-0132',
    '020 7946 0958',
    '01 99 00 12 34',
    '030/23125000',
    '0044 20 7946 0958',
  ],
  counterExamples: [
    '4155550132',
    '2024-01-02',
    '01.02.2024',
    '01/02/2024',
    '200 300 4000',
    '+0100',
    'a+10000000000',
    '115-555-0132',
    '415-555-01321',
    '3.14159265358979',
    '0.1234567890',
    '0000 0000 0000 0000',
    '01 23 45 67 89 ab cd ef',
    'fe 01 23 45 67 89 01',
    '00-11-22-33-44-55',
  ],
}
