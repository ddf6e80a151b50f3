import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PepMaskError } from './errors.ts'
import { compileMask } from './mask.ts'
import { noisyText, testKeys } from './testing.ts'
import { builtinNames } from './types.ts'

const mask = compileMask([{ detectors: [...builtinNames], style: 'redact' }], { keys: testKeys })

test('UTF-8 text split inside characters is masked as if it had not been split', () => {
  fc.assert(
    fc.property(noisyText, (text) => {
      const whole = mask.text()
      const expected = whole.push(text) + whole.end()
      const bytes = mask.utf8()
      const out = Array.from(Buffer.from(text), (byte) => bytes.push(Uint8Array.of(byte)))
      expect(Buffer.concat([...out, bytes.end()]).toString()).toBe(expected)
    }),
    { numRuns: 300 },
  )
})

test('text that is not UTF-8, or ends inside a character, is an error', () => {
  expect(() => mask.utf8().push(Uint8Array.of(0x61, 0xff))).toThrow(PepMaskError)
  const half = mask.utf8()
  half.push(Uint8Array.of(0xc3))
  expect(() => half.end()).toThrow(PepMaskError)
})

test('a byte-order mark and clean text pass byte by byte', () => {
  const bytes = mask.utf8()
  const text = Buffer.from('\uFEFFplain – text, 漢字 and 😀.')
  expect(Buffer.concat([bytes.push(text), bytes.end()]).equals(text)).toBe(true)
})
