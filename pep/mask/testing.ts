import * as fc from 'fast-check'
import { detectors } from './detectors/catalogue.ts'
import type { Example } from './detectors/matcher.ts'

/** Material for the property tests of this folder. */

export const testKeys = { hash: new Uint8Array(32).fill(7), token: new Uint8Array(32).fill(9) }

/** An example as text: what it needs around it, or blanks. */
export function inText(example: Example): { before: string; value: string; after: string } {
  return typeof example === 'string' ? { before: ' ', value: example, after: ' ' } : example
}

const all = Object.values(detectors)
export const examples = all.flatMap((detector) =>
  detector.examples.map((example) => ({ detector, ...inText(example) })),
)
const whole = examples.map(({ before, value, after }) => before.trim() + value + after.trim())
const near = all.flatMap((detector) => detector.counterExamples)

/** Words, values, near misses, pieces of values and glue, in any order: texts in which candidates meet and overlap. */
export const noisyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...whole),
      fc.constantFrom(...near),
      fc
        .tuple(fc.constantFrom(...whole, ...near), fc.nat(60), fc.nat(60))
        .map(([text, from, length]) => text.slice(from, from + length)),
      fc.constantFrom(
        ' ',
        ' ',
        '',
        '.',
        ',',
        '@',
        '-',
        '--',
        ':',
        '://',
        '/',
        '_',
        '+',
        '(',
        '"',
        '\n',
        '1',
        '42',
        'a',
        'Z',
        'é',
        '漢字',
        '\u{1F600}',
        '\u00a0',
        'secret: ',
        'key',
        'sk-',
        'eyJ',
        'AK',
        'the quick ',
        '4111',
        '\\n',
        '[',
        ']',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

/** Cuts a text into pieces at the given places, taken modulo its length. */
export function split(text: string, places: readonly number[]): string[] {
  const cuts = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b)
  return [...cuts, text.length].map((cut, k) => text.slice(k === 0 ? 0 : cuts[k - 1], cut))
}

export const places = fc.array(fc.nat(2000), { maxLength: 8 })
