import * as fc from 'fast-check'
import { RE2JS } from 're2js'
import { expect, test } from 'vitest'
import { hasBase64 } from '../base64.ts'
import { isFoldable } from '../fold.ts'
import { compileMask } from '../mask.ts'
import { places, split, testKeys } from '../testing.ts'
import { compileCustom } from './custom.ts'

const patterns = [
  'EMP-[0-9]{6}',
  '\\bpat-[a-z]{2,5}\\b',
  '(?i)kunde(?:nnummer)? ?[0-9]{2,4}',
  'a{1,3}b?|ab{2,4}',
  '(?m)^id [0-9]$',
  '[^a-y ]{2,3}',
  '.x.',
  '[\\x{1F600}-\\x{1F64F}]{2}',
  '\\Bk',
  '(?:ab|a)(?:bc|c){0,2}',
]
const text = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      'c',
      'x',
      'k',
      'K',
      '\u212a',
      'EMP-123456',
      'pat-ab',
      'Kunde 12',
      'id 1',
      '\n',
      ' ',
      '0',
      '9',
      '😀',
      '漢',
      '-',
    ),
    { maxLength: 25 },
  )
  .map((parts) => parts.join(''))

/** Matches at every position; one inside another counts if it ends behind it. */
function reference(re2: RE2JS, sample: string): string {
  let out = ''
  let at = 0
  for (let i = 0; i < sample.length; i++) {
    if (i > 0 && /^[\uD800-\uDBFF][\uDC00-\uDFFF]/.test(sample.slice(i - 1, i + 1))) continue
    const matcher = re2.matcher(sample)
    if (!matcher.find(i) || matcher.start() !== i || matcher.end() <= at) continue
    out += `${sample.slice(at, Math.max(at, i))}[REDACTED:custom:x]`
    at = matcher.end()
  }
  return out + sample.slice(at)
}

for (const pattern of patterns) {
  const mask = compileMask([{ detectors: ['custom:x'], style: 'redact' }], {
    keys: testKeys,
    customs: [{ name: 'x', pattern, max_length: 64 }],
  })
  const masked = (pieces: readonly string[]): string => {
    const masker = mask.text()
    return pieces.map((piece) => masker.push(piece)).join('') + masker.end()
  }

  test(`${pattern} finds what RE2 finds, leftmost-longest, at any split`, () => {
    const re2 = RE2JS.compile(pattern, RE2JS.LONGEST_MATCH)
    fc.assert(
      fc.property(text, places, (sample, cuts) => {
        // RE2 does not look into what a text stands for.
        fc.pre(!isFoldable(sample) && !hasBase64(sample))
        const expected = reference(re2, sample)
        expect(masked([sample])).toBe(expected)
        expect(masked(split(sample, cuts))).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })
}

test.each([
  ['[a-z]+', 'unbounded'],
  ['a{2,}', 'unbounded'],
  ['(?:ab)*c', 'unbounded'],
  ['a?', 'empty'],
  ['\\b', 'empty'],
  ['[0-9]{65}', 'max_length'],
  ['.{33}', 'max_length'],
  ['^a$', 'anchors'],
  ['(a', 'syntax'],
  ['(?=a)b', 'syntax'],
  ['[ab]{1,20}a[ab]{20}c', 'states'],
])('the pattern %s is refused: %s', (pattern, why) => {
  expect(() => compileCustom({ name: 'x', pattern, max_length: 64 })).toThrow(new RegExp(why))
})

test('a pattern that makes back-tracking engines explode takes linear time', () => {
  const matcher = compileCustom({ name: 'x', pattern: '(?:(?:a?){20}){20}b', max_length: 500 })
  expect(matcher.match('a'.repeat(600), 0, true, 0)).toBe(-1)
})
