import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileNames, compilePath, pathPattern } from './patterns.ts'

test('a pattern without a star is all prefix', () => {
  expect(compilePath('/a/b')).toEqual({
    prefix: ['', 'a', 'b'],
    rest: { length: 3, open: false, fixed: [], any: [] },
  })
})

test('a pattern of stars has the root as its prefix', () => {
  expect(compilePath('/**')).toEqual({
    prefix: [''],
    rest: { length: 1, open: true, fixed: [], any: [] },
  })
  expect(compilePath('/*').prefix).toEqual([''])
})

/** The meaning of a pattern, told another way. */
function meaning(pattern: string): RegExp {
  const source = pattern
    .split('/')
    .slice(1)
    .map((segment) => (segment === '**' ? '(/.*)?' : segment === '*' ? '/[^/]+' : `/${segment}`))
    .join('')
  return new RegExp(`^${source}$`)
}

function fits(pattern: string, path: string): boolean {
  const { prefix, rest } = compilePath(pattern)
  const rooted = path.split('/')
  return (
    rooted.slice(0, prefix.length).join('/') === prefix.join('/') &&
    (rooted.length === rest.length || (rest.open && rooted.length > rest.length)) &&
    rest.fixed.every(([at, literal]) => rooted[at as number] === literal) &&
    rest.any.every((at) => rooted[at] !== '')
  )
}

test('a compiled pattern matches what the pattern means', () => {
  const segment = fc.constantFrom('a', 'b', '*')
  const pattern = fc
    .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([segments, open]) => `/${[...segments, ...(open ? ['**'] : [])].join('/')}`)
  const path = fc
    .array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 6 })
    .map((segments) => `/${segments.join('/')}`)
  fc.assert(
    fc.property(pattern, path, (pattern, path) => {
      expect(pathPattern.safeParse(pattern).success).toBe(true)
      expect(fits(pattern, path)).toBe(meaning(pattern).test(path))
    }),
    { numRuns: 2000 },
  )
})

test('names are told apart by where their star is', () => {
  expect(compileNames(['a', 'b*', '*.example.com', '*'])).toEqual({
    exact: { a: true },
    starts: ['b', ''],
    ends: ['.example.com'],
  })
})
