import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { differ, type Hunk } from './differ.ts'

const before = (hunks: readonly Hunk[]): string =>
  hunks.map((hunk) => ('same' in hunk ? hunk.same : hunk.gone)).join('')
const after = (hunks: readonly Hunk[]): string =>
  hunks.map((hunk) => ('same' in hunk ? hunk.same : hunk.came)).join('')

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(fc.constantFrom('Ada ', 'b', ' ', '.', '@', 'x\n'), { maxLength: 80 })
    .map((all) => all.join('')),
)

test('nothing of either text is lost', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const hunks = differ(a, b)
      expect(before(hunks)).toBe(a)
      expect(after(hunks)).toBe(b)
    }),
    { numRuns: 2000 },
  )
})

test('a masked value is the only difference, from its first word to its last', () => {
  expect(differ('Write to ada@example.com, please.', 'Write to [REDACTED:email], please.')).toEqual(
    [
      { same: 'Write to ' },
      { gone: 'ada@example.com', came: '[REDACTED:email]' },
      { same: ', please.' },
    ],
  )
})

test('texts that have nothing in common are told apart in bounded time', () => {
  const a = Array.from({ length: 50_000 }, (_, at) => `a${at}`).join(' ')
  const b = Array.from({ length: 50_000 }, (_, at) => `b${at}`).join(' ')
  expect(differ(a, b)).toEqual([{ gone: a, came: b }])
})
