import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseStrict, rewrite } from './json-text.ts'

const spaced = fc
  .json({ maxDepth: 4 })
  .chain((text) => fc.constantFrom(text, JSON.stringify(JSON.parse(text), null, 2), ` ${text}\n`))

test('a text in which nothing is replaced comes back as it was', () => {
  fc.assert(
    fc.property(spaced, (text) => {
      expect(rewrite(text, JSON.parse(text), () => ({}), undefined)).toBe(text)
    }),
  )
})

test('every string can be replaced, and only strings change', () => {
  fc.assert(
    fc.property(spaced, (text) => {
      const changed = rewrite(
        text,
        JSON.parse(text),
        (value) => (typeof value === 'string' ? { replace: () => '"x"' } : {}),
        undefined,
      )
      const expected: unknown = JSON.parse(text, (_key, value: unknown) =>
        typeof value === 'string' ? 'x' : value,
      )
      expect(JSON.parse(changed)).toEqual(expected)
    }),
  )
})

test('a replaced container gets its own text, and what is skipped stays', () => {
  const text = '{ "a": [1, {"b": "s\\"}"}], "c": {"d": "e"} }'
  const seen: string[] = []
  const changed = rewrite(
    text,
    JSON.parse(text),
    (value, key) => {
      if (key === 'a') return { replace: (raw) => (seen.push(raw), '0') }
      if (key === 'c') return { skip: true }
      return typeof value === 'string' ? { replace: () => '"never"' } : {}
    },
    undefined,
  )
  expect(seen).toEqual(['[1, {"b": "s\\"}"}]'])
  expect(changed).toBe('{ "a": 0, "c": {"d": "e"} }')
})

test('a key that occurs twice is refused, however it is written', () => {
  expect(parseStrict('{"a":1,"a":1}')).toEqual({ ok: false, error: 'a key occurs twice' })
  expect(parseStrict('{"a":1,"\\u0061":1}')).toEqual({ ok: false, error: 'a key occurs twice' })
  expect(parseStrict('[{"x":{"__proto__":1,"__proto__":2}}]').ok).toBe(false)
  expect(parseStrict('{"a":{"a":1},"b":{"a":1}}').ok).toBe(true)
  expect(parseStrict('{"__proto__":1,"toString":2}').ok).toBe(true)
})

test('what is not JSON, or too deep, is refused', () => {
  expect(parseStrict('{"a":1').ok).toBe(false)
  expect(parseStrict('\uFEFF{}').ok).toBe(false)
  expect(parseStrict('NaN').ok).toBe(false)
  expect(parseStrict('['.repeat(100) + ']'.repeat(100)).ok).toBe(true)
  expect(parseStrict('['.repeat(129) + ']'.repeat(129)).ok).toBe(false)
  expect(parseStrict('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)).ok).toBe(false)
})
