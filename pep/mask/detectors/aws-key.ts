import { joined } from './example.ts'
import { isBase64, isDigit, isLower, isUpper } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, prefixAt, unitFrom } from './matcher.ts'

const prefixes = ['AKIA', 'ASIA', 'ABIA', 'ACCA']
const ID_BODY = 16
const SECRET = 40
/** A secret is recognised when a word like `secret`, or an access key id, lies within so many units before it. */
const REACH = 84
export const keyword = /secret|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}/i

/** Unique ids of access keys: prefix and 16 of base32 (IAM user guide, "unique identifiers"). */
const accessKeyId: Matcher = {
  name: 'aws_key',
  starts: (c) => c === 65,
  triggers: [
    {
      chars: 'A',
      after: 'KSBC',
      hot: REACH,
    },
  ],
  maxLength: 4 + ID_BODY,
  match(s, i, final) {
    for (const prefix of prefixes) {
      const from = prefixAt(s, i, prefix, final)
      if (from === NO) continue
      if (from === MORE) return MORE
      let varied = false
      for (let p = from; p < from + ID_BODY; p++) {
        if (p === s.length) return final ? NO : MORE
        const c = s.charCodeAt(p)
        if (!isUpper(c) && !isDigit(c)) return NO
        varied ||= c !== s.charCodeAt(from)
      }
      // One letter over and over is a placeholder.
      return varied ? from + ID_BODY : NO
    }
    return NO
  },
}

/** Exactly 40 of base64 after a word that says what they are. Capitals and small letters both: a hex digest is no secret. */
const secretAccessKey: Matcher = {
  name: 'aws_key',
  starts: isBase64,
  hot: true,
  triggers: [
    {
      chars: 'cC',
      // `secret`, in any case.
      after: 'rR',
      fires: (s, at) => (s.charCodeAt(at - 1) | 32) === 101,
      hot: REACH,
    },
  ],
  maxLength: SECRET + 1,
  match(s, i, final, floor) {
    if (isBase64(unitFrom(s, i - 1, floor))) return NO
    let upper = false
    let lower = false
    let p = i
    for (; p < s.length && p <= i + SECRET; p++) {
      const c = s.charCodeAt(p)
      if (!isBase64(c)) break
      upper ||= isUpper(c)
      lower ||= isLower(c)
    }
    if (p - i > SECRET || (p < s.length && p - i < SECRET)) return NO
    if (!keyword.test(s.slice(Math.max(0, i - REACH), i))) return NO
    if (p === s.length && !final) return MORE
    return p - i === SECRET && upper && lower ? p : NO
  },
}

// The vendor's documentation key, in pieces.
const exampleSecret = ['wJalrXUtnFEMI', 'K7MDENG', 'bPxRfiCYEXAMPLEKEY'].join('/')

export const awsKey: Detector = {
  name: 'aws_key',
  matchers: [accessKeyId, secretAccessKey],
  examples: [
    joined('AKIA', 'IOSFODNN7', 'EXAMPLE'),
    joined('ASIA', 'IOSFODNN7', 'EXAMPLE'),
    { before: 'aws_secret_access_key = "', value: exampleSecret, after: '"' },
    { before: '"SecretAccessKey": "', value: exampleSecret, after: '",' },
  ],
  counterExamples: [
    'AKIAIOSFODNN7EXAMPL',
    'AKIAiosfodnn7example',
    joined('AKIA', 'XXXXXXXXXXXXXXXX'),
    // No word in front, or not 40, or hexadecimal.
    exampleSecret,
    `secret = ${exampleSecret.slice(3)}`,
    'secret = 0123456789abcdef0123456789abcdef01234567',
  ],
}
