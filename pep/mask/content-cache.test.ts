import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { ContentCache } from './content-cache.ts'

test('a short text that spells the hash of a long one is a text of its own', () => {
  const cache = new ContentCache<string>(() => 0, 1024 * 1024)
  const long = 'a secret that is not short. '.repeat(4)
  const made = (text: string) => cache.of(text, 'p', () => `of ${text}`)
  for (const encoding of ['base64', 'base64url', 'hex'] as const)
    expect(made(hash('sha256', long, encoding))).toBe(`of ${hash('sha256', long, encoding)}`)
  expect(made(long)).toBe(`of ${long}`)
})

test('what was made of a text is made once, for each purpose', () => {
  const cache = new ContentCache<number>(() => 0, 1024 * 1024)
  let made = 0
  const ask = (purpose: string, text: string) => cache.of(text, purpose, () => (made += 1))
  expect([ask('a', 'x'), ask('a', 'x'), ask('b', 'x'), ask('a', 'y')]).toEqual([1, 1, 2, 3])
})

test('however much comes, no more than the budget is kept', () => {
  const cache = new ContentCache<number>(() => 1000, 10_000)
  let made = 0
  const ask = (n: number) => cache.of(`text ${n}`, 'p', () => (made += 1))
  for (let n = 0; n < 100; n += 1) ask(n)
  expect(made).toBe(100)
  ask(0)
  expect(made).toBe(101)
})
