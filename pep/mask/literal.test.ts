import { joined } from './detectors/example.ts'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { literalForms } from './literal.ts'
import { compileMask } from './mask.ts'
import { places, split, testKeys } from './testing.ts'

const secret = fc
  .string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' })
  .filter((text) => !/^(.)\1*$/.test(text))

test('a literal is found in every encoding, at any split, in text and in bytes', () => {
  fc.assert(
    fc.property(secret, fc.nat(2), places, (literal, offset, cuts) => {
      const mask = compileMask([], { keys: testKeys, literals: [literal] })
      const around = Buffer.from('xyz'.slice(0, offset) + literal + 'tail')
      const sample = [
        literal,
        encodeURIComponent(literal),
        JSON.stringify(literal),
        Buffer.from(literal).toString('hex'),
        around.toString('base64'),
        around.toString('base64url'),
      ].join('\n')
      const text = mask.text()
      const masked =
        split(sample, cuts)
          .map((piece) => text.push(piece))
          .join('') + text.end()
      expect(masked.split('[REDACTED:credential]').length).toBeGreaterThanOrEqual(7)
      for (const form of literalForms(literal, 'utf16')) expect(masked).not.toContain(form)
      const bytes = mask.literalBytes()
      const out = split(sample, cuts)
        .map((piece) => bytes.push(Buffer.from(piece)).toString('latin1'))
        .join('')
      expect(out + bytes.end().toString('latin1')).toBe(masked)
    }),
    { numRuns: 300 },
  )
})

test('opaque bytes pass unchanged where no literal is in them', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 }), (pieces) => {
      const bytes = compileMask([], { keys: testKeys, literals: ['not-in-there'] }).literalBytes()
      const out = [...pieces.map((piece) => bytes.push(piece)), bytes.end()]
      expect(Buffer.concat(out).equals(Buffer.concat(pieces))).toBe(true)
    }),
  )
})

test('a literal of less than four bytes is refused', () => {
  expect(() => compileMask([], { keys: testKeys, literals: ['abc'] })).toThrow(/fewer than 4/)
})

test('a value that holds a literal is never shown in part', () => {
  const mask = compileMask([{ detectors: ['anthropic_key'], style: 'partial' }], {
    keys: testKeys,
    literals: [joined('sk-', 'ant', '-upstream-0001')],
  })
  const masker = mask.text()
  const out =
    masker.push(joined('sk-', 'ant', '-upstream-0001 sk-', 'ant', '-another-key-1234567')) +
    masker.end()
  expect(out).toBe('[REDACTED:credential] [anthropic_key:*4567]')
})
