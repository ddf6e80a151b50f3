import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readJsonDocument } from './json-document.ts'

const members = (text: string): Record<string, string> => {
  const read = readJsonDocument(text)
  if (!read.ok) throw new Error(read.error)
  return Object.fromEntries(read.value.members)
}

test('members keep their text, whatever number or spacing it has', () => {
  expect(members('{"input" : {"n": 1.50e3, "big": 12345678901234567890} , "b":[1, 2]}')).toEqual({
    input: '{"n": 1.50e3, "big": 12345678901234567890}',
    b: '[1, 2]',
  })
  expect(members('{}')).toEqual({})
  expect(members('[{"a":1},{"a":1}]')).toEqual({})
})

test('every object gives back the members that JSON.parse sees', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
      fc.nat(3),
      (value, indent) => {
        const read = readJsonDocument(JSON.stringify(value, null, indent))
        if (!read.ok) throw new Error(read.error)
        const parsed = [...read.value.members].map(
          ([key, text]) => [key, JSON.parse(text)] as const,
        )
        expect(parsed).toEqual(Object.entries(JSON.parse(JSON.stringify(value)) as object))
      },
    ),
  )
})

test.each([
  ['{"a":1,"a":2}', '/a is there twice'],
  ['{"a":[0,{"b":1,"c":2,"\\u0062":3}]}', '/a/1/b is there twice'],
  ['{"a":1', 'not JSON'],
  [`${'['.repeat(513)}${']'.repeat(513)}`, 'nested more than 512'],
  [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, ''],
  ['', 'not JSON'],
])('%.30s is refused', (text, why) => {
  const read = readJsonDocument(text)
  expect(!read.ok && read.error).toContain(why)
})

test('512 levels are read, and brackets and keys in strings are text', () => {
  expect(readJsonDocument(`${'['.repeat(512)}${']'.repeat(512)}`).ok).toBe(true)
  expect(members('{"a":"{\\"a\\":[\\\\","b":"\\u0000\\ud800"}')).toEqual({
    a: '"{\\"a\\":[\\\\"',
    b: '"\\u0000\\ud800"',
  })
})
