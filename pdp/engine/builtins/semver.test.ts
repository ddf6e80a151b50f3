import { expect, test } from 'vitest'
import { num } from '../value.ts'
import { semver } from './semver.ts'

test('two spellings of one number are equal, where OPA would never answer', () => {
  const compare = (a: string, b: string) =>
    semver['semver.compare']!([a, b], { input: () => undefined, strict: false, spend: () => {} })
  expect(compare('1.2.3-01', '1.2.3-1')).toEqual(num(0))
  expect(compare('1.2.3-a.01.b', '1.2.3-a.1.c')).toEqual(num(-1))
  expect(compare('1.2.3-99999999999999999999', '1.2.3-99999999999999999998')).toEqual(num(1))
})
