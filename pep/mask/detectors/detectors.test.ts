import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileMask } from '../mask.ts'
import { compileFindings } from '../findings.ts'
import { examples, inText, noisyText, testKeys } from '../testing.ts'
import { builtinNames, styleOrder, type BuiltinName } from '../types.ts'
import { detectors } from './catalogue.ts'
import { MORE, NO } from './matcher.ts'

const maskOf = (names: readonly BuiltinName[], style: 'redact' | 'partial' | 'hash' | 'token') =>
  compileMask([{ detectors: names, style }], { keys: testKeys })

function masked(
  names: readonly BuiltinName[],
  text: string,
  style: (typeof styleOrder)[number] = 'redact',
) {
  const masker = maskOf(names, style).text()
  return masker.push(text) + masker.end()
}

test('the catalogue has every built-in detector', () => {
  expect(Object.keys(detectors).sort()).toEqual([...builtinNames].sort())
})

for (const name of builtinNames) {
  const { examples: positives, counterExamples } = detectors[name]

  test(`${name} finds each of its examples whole and leaves what stands around it`, () => {
    expect(positives.length).toBeGreaterThan(0)
    for (const { before, value, after } of positives.map(inText)) {
      expect(masked([name], before + value + after)).toBe(`${before}[REDACTED:${name}]${after}`)
    }
  })

  test(`${name} leaves its counter-examples alone`, () => {
    expect(counterExamples.length).toBeGreaterThan(0)
    for (const text of counterExamples) expect(masked([name], `(${text})`)).toBe(`(${text})`)
  })

  test(`${name} is monotone: an answer does not change when more text comes`, () => {
    fc.assert(
      fc.property(noisyText, fc.nat(), fc.nat(), (text, from, cut) => {
        const i = from % (text.length + 1)
        const seen = text.slice(0, i + (cut % (text.length - i + 1)))
        for (const matcher of detectors[name].matchers) {
          if (i >= seen.length) continue
          const early = matcher.match(seen, i, false, 0)
          const whole = matcher.match(text, i, true, 0)
          if (early !== MORE) expect(early).toBe(matcher.match(text, i, false, 0))
          if (early !== MORE) expect(early).toBe(whole)
          expect(whole).not.toBe(MORE)
          expect(whole === NO || whole > i).toBe(true)
        }
      }),
      { numRuns: 400 },
    )
  })

  test(`${name} is found with letters glued to either side`, () => {
    for (const { before, value, after } of positives.map(inText)) {
      // A value that has its context on one side can be glued to only on the other.
      if (before !== ' ') continue
      const out = masked([name], `x${value}x${after}`)
      const core = value.slice(3, -3)
      expect(out).not.toContain(core)
    }
  })

  test(`${name} never holds back more than its bound`, () => {
    fc.assert(
      fc.property(noisyText, (text) => {
        const masker = maskOf([name], 'redact').text()
        const longest = Math.max(...detectors[name].matchers.map((matcher) => matcher.maxLength))
        // As text, and as base64 in base64, at once.
        const bound = 5 * longest + 64
        for (const unit of text) {
          masker.push(unit)
          expect(masker.held).toBeLessThanOrEqual(bound)
        }
      }),
      { numRuns: 200 },
    )
  })
}

test('no style shows more of a value than it promises, and masked text is not found again', () => {
  for (const { detector, before, value, after } of examples) {
    for (const style of styleOrder) {
      const out = masked([...builtinNames], before + value + after, style)
      expect(out).not.toContain(value)
      expect(masked([...builtinNames], out, style)).toBe(out)
      expect(masked([detector.name as BuiltinName], out)).toBe(out)
    }
  }
})

test('a replacement is never found again, nor taken apart, whatever stands around it', () => {
  const replacements = /\[(?:REDACTED:\w+|\w+:(?:h:[0-9a-f]{12}|t:[a-p]{24}|\*[^\]]*))\]/g
  fc.assert(
    fc.property(noisyText, fc.constantFrom(...styleOrder), (text, style) => {
      const once = masked([...builtinNames], text, style)
      // Prose about private keys becomes a key when what follows it moves nearer.
      fc.pre(!once.includes('-----BEGIN'))
      const first = once.match(replacements) ?? []
      let at = 0
      const twice = masked([...builtinNames], once, style)
      for (const one of first) {
        at = twice.indexOf(one, at)
        expect(at, `${once} became ${twice}`).not.toBe(-1)
        at += one.length
      }
    }),
    { numRuns: 1000 },
  )
})

test('findings are counted by detector without altering anything', () => {
  const findings = compileFindings(['email', 'credit_card'], [])
  expect(findings('a@example.com, b@example.com and 4111 1111 1111 1111')).toEqual({
    email: 2,
    credit_card: 1,
  })
  expect(findings('nothing here')).toEqual({})
})
