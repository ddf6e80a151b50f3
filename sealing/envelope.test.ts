import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { commitment, contentKey, open, seal, type Use } from './envelope.ts'

const secret = randomBytes(32)
const key = contentKey('0'.repeat(32), secret)
const long = fc
  .uint8Array({ maxLength: 400 })
  .map((bytes) => Buffer.alloc(bytes.length * 40, bytes))

test('what is sealed opens, short or long, for the same use under the same key', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), long), (bytes) => {
      expect(open(key, 'record', seal(key, 'record', bytes))).toEqual({
        ok: true,
        value: Buffer.from(bytes),
      })
    }),
  )
})

test.each([
  ['another use', key, 'block a'],
  ['another block', key, 'block bb'],
  ['another id of the key', contentKey('1'.repeat(32), secret), 'block b'],
  ['another key', contentKey('0'.repeat(32), randomBytes(32)), 'block b'],
] as const)('%s does not open it', (_, other, use: Use) => {
  const sealed = seal(key, 'block b', Buffer.from('text'))
  expect(open(key, 'block b', sealed).ok).toBe(true)
  expect(open(other, use, sealed).ok).toBe(false)
})

test('cut off anywhere it does not open, and says so without throwing', () => {
  const sealed = seal(key, 'record', Buffer.from('text'))
  for (let size = 0; size < sealed.length; size += 1)
    expect(open(key, 'record', sealed.subarray(0, size)).ok).toBe(false)
})

test('text that repeats is made smaller; what cannot be stays as long as it is', () => {
  expect(seal(key, 'record', Buffer.alloc(100_000, 'abc')).length).toBeLessThan(1000)
  expect(seal(key, 'record', randomBytes(100_000)).length).toBe(100_000 + 29)
})

test('a commitment depends on key, label and bytes, and on where the label ends', () => {
  const all = [
    commitment(key, 'record', Buffer.from('a')),
    commitment(contentKey(key.id, randomBytes(32)), 'record', Buffer.from('a')),
    commitment(key, 'block', Buffer.from('a')),
    commitment(key, 'record', Buffer.from('b')),
    commitment(key, 'recor', Buffer.from('da')),
  ]
  expect(new Set(all).size).toBe(all.length)
  expect(commitment(key, 'record', Buffer.from('a'))).toBe(all[0])
})
