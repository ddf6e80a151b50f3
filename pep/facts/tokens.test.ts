import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { estimateTokens } from './tokens.ts'

/** Counts that Claude's published tokenizers and cl100k agree on to within a few tokens. */
const known: readonly (readonly [string, number])[] = [
  ['Hello, world!', 4],
  ['The quick brown fox jumps over the lazy dog.', 10],
  ['function add(a, b) {\n  return a + b\n}\n', 15],
  ['internationalization', 4],
  ['3.14159265358979', 7],
  ['こんにちは世界', 5],
]

test('the estimate is never below known counts, and not wildly above them', () => {
  for (const [text, real] of known) {
    expect(estimateTokens(text), text).toBeGreaterThanOrEqual(real)
    expect(estimateTokens(text), text).toBeLessThanOrEqual(real * 4)
  }
})

test('prose is estimated between a fifth and a half of its characters', () => {
  const text = 'We the People of the United States, in Order to form a more perfect Union, '.repeat(
    50,
  )
  expect(estimateTokens(text) / text.length).toBeGreaterThan(0.2)
  expect(estimateTokens(text) / text.length).toBeLessThan(0.5)
})

test('random base64 is estimated at no less than 0.6 tokens a character', () => {
  const text = Buffer.from(
    Array.from({ length: 3000 }, (_, k) => (k * k * 7 + k * 13) % 251),
  ).toString('base64')
  expect(estimateTokens(text) / text.length).toBeGreaterThan(0.6)
})

test('the estimate never exceeds the bytes of the text and grows when text is added', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
      const tokens = estimateTokens(a)
      expect(tokens).toBeLessThanOrEqual(Buffer.byteLength(a))
      expect(estimateTokens(`${a}. ${b}`)).toBeGreaterThanOrEqual(tokens)
    }),
  )
})
