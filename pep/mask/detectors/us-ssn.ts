import { isDigit, isGroupSeparator } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, numberStart, unitFrom } from './matcher.ts'

const LENGTH = 11

/**
 * `AAA-GG-SSSS` with one kind of separator. The area is not 000, 666 or 9xx, the group not 00, the serial not 0000
 * (20 CFR 422.103, SSA POMS RM 10201.035). Nine digits without separators are not found: every order number is one.
 */
const matcher: Matcher = {
  name: 'us_ssn',
  starts: isDigit,
  triggers: [numberStart],
  maxLength: LENGTH + 1,
  match(s, i, final, floor) {
    if (isDigit(unitFrom(s, i - 1, floor))) return NO
    for (let k = 0; k < LENGTH; k++) {
      if (i + k === s.length) return final ? NO : MORE
      const c = s.charCodeAt(i + k)
      if (k === 3) {
        if (!isGroupSeparator(c) || badArea(s.slice(i, i + 3))) return NO
      } else if (k === 6) {
        if (c !== s.charCodeAt(i + 3) || s.startsWith('00', i + 4)) return NO
      } else if (!isDigit(c)) {
        return NO
      }
    }
    if (s.startsWith('0000', i + 7)) return NO
    if (i + LENGTH === s.length) return final ? i + LENGTH : MORE
    return isDigit(s.charCodeAt(i + LENGTH)) ? NO : i + LENGTH
  },
}

const badArea = (area: string): boolean => area === '000' || area === '666' || area.startsWith('9')

export const usSsn: Detector = {
  name: 'us_ssn',
  matchers: [matcher],
  // Numbers that were printed in advertisements and retired.
  examples: ['078-05-1120', '219-09-9999', '457 55 5462'],
  counterExamples: [
    '000-12-3456',
    '666-12-3456',
    '900-12-3456',
    '123-00-4567',
    '123-45-0000',
    '123-45 6789',
    '1123-45-6789',
    '123-45-67890',
    '123456789',
  ],
}
