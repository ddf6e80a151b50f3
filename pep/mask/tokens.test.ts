import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileMask } from './mask.ts'
import { createRestorer } from './restore.ts'
import { noisyText, places, split, testKeys } from './testing.ts'
import { sessionTokens } from './tokens.ts'
import { builtinNames } from './types.ts'

const tokens = sessionTokens(new Uint8Array(64).fill(3))
const others = sessionTokens(new Uint8Array(64).fill(4))
const names = [...builtinNames]
const mask = compileMask([{ detectors: names, style: 'token', restore: true }], {
  keys: { ...testKeys, restore: tokens },
})
const all = compileMask([{ detectors: names, style: 'redact' }], { keys: testKeys })

function masked(text: string, with_ = mask): string {
  const masker = with_.text()
  return masker.push(text) + masker.end()
}

function restored(
  pieces: readonly string[],
  with_ = tokens,
  of: readonly string[] = names,
): string {
  const restorer = createRestorer(of, with_)
  return pieces.map((piece) => restorer.push(piece)).join('') + restorer.end()
}

test('a value comes back from its token, at any split', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
      places,
      (text, cuts) => {
        const value = text.toWellFormed()
        const letters = tokens.seal('email', value)
        expect(letters).toMatch(/^[a-zA-F]+$/)
        const told = `see [[email:t:${letters}] and [email:t:`
        expect(restored(split(told, cuts))).toBe(`see [${value} and [email:t:`)
        expect(restored(Array.from(told))).toBe(`see [${value} and [email:t:`)
      },
    ),
  )
})

test('the same value has the same token, and another session, name or letter has no value for it', () => {
  const letters = tokens.seal('email', 'ada@example.com') ?? ''
  expect(tokens.seal('email', 'ada@example.com')).toBe(letters)
  expect(others.seal('email', 'ada@example.com')).not.toBe(letters)
  expect(others.open('email', letters)).toBeUndefined()
  expect(tokens.open('phone', letters)).toBeUndefined()
  for (let at = 0; at < letters.length; at++) {
    const changed = letters.slice(0, at) + (letters[at] === 'b' ? 'c' : 'b') + letters.slice(at + 1)
    expect(tokens.open('email', changed)).toBeUndefined()
  }
  const told = `[email:t:${letters}]`
  expect(restored([told], others)).toBe(told)
  expect(restored([told], tokens, ['phone'])).toBe(told)
})

test('text that was tokenised and restored is the text that was there, and no detector finds a token', () => {
  fc.assert(
    fc.property(noisyText, (text) => {
      // What is read as something else comes back as it is read.
      fc.pre(!/[%\\*&\u00ad\u200b]/.test(text))
      const told = masked(text)
      const tokensIn = told.match(/\[\w+:t:[a-zA-F]+\]/g) ?? []
      // Values that overlap come back one after the other.
      fc.pre(!told.includes(']['))
      // Prose about private keys becomes a key when what follows it moves nearer.
      fc.pre(!told.includes('-----BEGIN') && !told.includes('[REDACTED:'))
      expect(restored([told])).toBe(text)
      for (const one of tokensIn) expect(masked(` ${one} `, all)).toBe(` ${one} `)
    }),
    { numRuns: 500 },
  )
})

test('nothing is held that cannot become a token', () => {
  const restorer = createRestorer(['email'], tokens)
  expect(restorer.push('see [a](b) and [emai')).toBe('see [a](b) and ')
  expect(restorer.held).toBe(5)
  expect(restorer.push('ls] ')).toBe('[emails] ')
  expect(restorer.push(`[email:t:${'a'.repeat(2000)}`)).toBe(`[email:t:${'a'.repeat(2000)}`)
  expect(restorer.held).toBe(0)
})

test('a value too long for a token is redacted, and cannot come back', () => {
  const value = `ghp_${'A1b2C3d4'.repeat(60)}`
  expect(masked(`key ${value} .`)).toBe('key [REDACTED:github_token] .')
})

test('a rule that restores anything but tokens of detectors is refused', () => {
  const keys = { ...testKeys, restore: tokens }
  for (const rule of [
    { detectors: ['email'], style: 'redact', restore: true },
    { fields: ['$.a'], style: 'token', restore: true },
    { detectors: ['email'], style: 'token', restore: true, observe: true },
  ] as const)
    expect(() => compileMask([rule], { keys })).toThrow('restored')
  expect(() =>
    compileMask([{ detectors: ['email'], style: 'token', restore: true }], { keys: testKeys }),
  ).toThrow('restored')
})

test('a detector that one rule wants tokens of for good is not restored', () => {
  const both = compileMask(
    [
      { detectors: ['email'], style: 'token', restore: true },
      { detectors: ['email'], style: 'token' },
    ],
    { keys: { ...testKeys, restore: tokens } },
  )
  const told = masked('to ada@example.com', both)
  expect(told).toMatch(/^to \[email:t:[a-p]{24}\]$/)
  expect(restored([told])).toBe(told)
})
