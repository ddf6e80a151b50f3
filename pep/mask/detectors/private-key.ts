import { joined } from './example.ts'
import { isBase64, isDigit, isUpper } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, prefixAt } from './matcher.ts'

const BEGIN = '-----BEGIN '
const KEY = 'PRIVATE KEY'
/** `RSA `, `EC `, `ENCRYPTED `, `OPENSSH `, `PGP ` and ` BLOCK` around it. */
const MAX_LABEL = 40
/** A header is a key, not prose about keys, when so much base64, not all of it small letters, comes within `NEAR` units. */
const BODY_RUN = 24
const NEAR = 200
const END = '-----END '
const MAX_END = END.length + MAX_LABEL + 5

/**
 * A PEM or OpenPGP private key (RFC 7468, RFC 4880 §6.2), also quoted, indented, numbered by line, or escaped inside a
 * string. Once it is certain, everything to its END line is replaced as it streams; without one, everything to the end
 * of the text: what gets through is nothing.
 */
const matcher: Matcher = {
  name: 'private_key',
  starts: (c) => c === 45,
  triggers: [{ chars: '-', after: '-' }],
  maxLength: BEGIN.length + MAX_LABEL + NEAR,
  partial: () => undefined,
  match(s, i, final) {
    const from = prefixAt(s, i, BEGIN, final)
    if (from < 0) return from
    const label = labelEnd(s, from, final)
    if (label < 0) return label
    let run = 0
    let mixed = false
    for (let p = label; p < label + NEAR; p++) {
      if (p === s.length) return final ? NO : MORE
      const c = s.charCodeAt(p)
      run = isBase64(c) ? run + 1 : 0
      mixed = run > 0 && (mixed || isUpper(c) || isDigit(c))
      if (run >= BODY_RUN && mixed) return p + 1
    }
    return NO
  },
  tail(s, from, final) {
    for (let at = s.indexOf(END, from); at !== -1; at = s.indexOf(END, at + 1)) {
      const end = labelEnd(s, at + END.length, final)
      if (end === MORE) return ~at
      if (end !== NO) return end
    }
    // The last units may be the beginning of the END line.
    return final ? s.length : ~Math.max(from, s.length - MAX_END)
  },
}

/** The end of `… PRIVATE KEY…-----` at `from`. */
function labelEnd(s: string, from: number, final: boolean): number {
  let p = from
  while (p < s.length && p < from + MAX_LABEL && isLabel(s.charCodeAt(p))) p++
  if (p === from + MAX_LABEL) return NO
  if (p === s.length) return final ? NO : MORE
  if (!s.slice(from, p).includes(KEY)) return NO
  return prefixAt(s, p, '-----', final)
}

const isLabel = (c: number): boolean => isUpper(c) || isDigit(c) || c === 32

const body = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7'
const pem = (label: string, end: string, text: string): string =>
  `-----BEGIN ${label}-----${end}${text}${end}${text}${end}-----END ${label}-----`

export const privateKey: Detector = {
  name: 'private_key',
  matchers: [matcher],
  examples: [
    pem(joined('PRIVATE ', 'KEY'), '\n', body),
    pem(joined('RSA PRIVATE ', 'KEY'), '\\n', body),
    pem(joined('OPENSSH PRIVATE ', 'KEY'), '\r\n', body),
    pem(joined('PGP PRIVATE ', 'KEY', ' BLOCK'), '\n', body),
  ],
  counterExamples: [
    joined(
      '-----BEGIN PRIVATE ',
      'KEY',
      '----- is how such a file begins, and what follows is base64.',
    ),
    pem('CERTIFICATE', '\n', body),
    pem('PUBLIC KEY', '\n', body),
    '---------------',
  ],
}
