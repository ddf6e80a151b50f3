import { isAlnum, isDigit, isGroupSeparator, isLetter } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher } from './matcher.ts'

/** Length by country, from the IBAN registry (ISO 13616, SWIFT). */
const lengths: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ' +
    'ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 ' +
    'LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 ' +
    'PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
)

/**
 * Country, check digits, account; mod 97 = 1 (ISO 13616-1, ISO 7064). Groups of any size divided by single
 * separators, upper or lower case. What is glued to either side does not hide it.
 */
const matcher: Matcher = {
  name: 'iban',
  starts: isLetter,
  triggers: [
    {
      chars: '0123456789',
      back: 2,
      fires: (s, at) => isLetter(s.charCodeAt(at - 1)) && isLetter(s.charCodeAt(at - 2)),
    },
  ],
  maxLength: 2 * 34,
  match(s, i, final) {
    if (i + 2 < s.length && !isDigit(s.charCodeAt(i + 2))) return NO
    if (i + 1 < s.length && !isLetter(s.charCodeAt(i + 1))) return NO
    if (i + 3 >= s.length) {
      if (final) return NO
      return i + 1 === s.length || lengths[s.slice(i, i + 2).toUpperCase()] !== undefined
        ? MORE
        : NO
    }
    const length = lengths[s.slice(i, i + 2).toUpperCase()]
    if (length === undefined || !isDigit(s.charCodeAt(i + 3))) return NO
    let remainder = 0
    let count = 4
    let p = i + 4
    for (; count < length; p++) {
      if (p === s.length) return final ? NO : MORE
      const c = s.charCodeAt(p)
      if (isAlnum(c)) {
        remainder = mod97(remainder, c)
        count++
      } else if (!isGroupSeparator(c) || isGroupSeparator(s.charCodeAt(p - 1))) {
        return NO
      }
    }
    for (let k = 0; k < 4; k++) remainder = mod97(remainder, s.charCodeAt(i + k))
    return remainder === 1 ? p : NO
  },
}

/** Letters count as 10–35, in either case. */
function mod97(remainder: number, unit: number): number {
  if (isDigit(unit)) return (remainder * 10 + unit - 48) % 97
  return (remainder * 100 + (unit & 0x5f) - 55) % 97
}

export const iban: Detector = {
  name: 'iban',
  matchers: [matcher],
  // The registry's own examples.
  examples: [
    'GB82WEST12345698765432',
    'GB82 WEST 1234 5698 7654 32',
    'DE89370400440532013000',
    'FR14 2004 1010 0505 0001 3M02 606',
    'NO9386011117947',
    'MT84MALT011000012345MTLCAST001S',
    'nl91abna0417164300',
  ],
  counterExamples: [
    'GB82WEST12345698765433',
    'XX82WEST12345698765432',
    'GB82WEST1234569876543',
    'DE89  370400440532013000',
    'be 12 or not to be 12',
  ],
}
