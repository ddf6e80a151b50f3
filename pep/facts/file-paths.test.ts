import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPathList, normalisePath } from './file-paths.ts'

test.each([
  ['/a/./b/../c', '/a/c'],
  ['/a//b/', '/a/b'],
  ['/../../a', '/a'],
  ['a/../../b', '../b'],
  ['../a', '../a'],
  ['./', '.'],
  ['/', '/'],
  ['~', '~'],
  ['~/a/../.ssh', '~/.ssh'],
  ['~/../b', '~/../b'],
  ['$HOME/.ssh', '~/.ssh'],
  ['${HOME}/.ssh', '~/.ssh'],
  ['$HOMEX/a', '$HOMEX/a'],
  ['$DIR/a', '$DIR/a'],
  ['C:\\Users\\A\\b', 'C:/Users/A/b'],
  ['..\\a', '../a'],
  ['file:///etc/%73hadow', '/etc/shadow'],
  ['FILE://host/a/%2e%2e/b', '/b'],
  ['file:///C:/a', 'C:/a'],
  ['/proc/self/root/etc/x', '/etc/x'],
  ['Ab/C', 'Ab/C'],
])('%s is %s', (text, path) => {
  expect(normalisePath(text)).toBe(path)
})

test.each(['a\0b', 'file:///%', 'file:///a%00b'])('%j is refused', (text) => {
  expect(normalisePath(text)).toBeUndefined()
})

test('a path in its one spelling keeps it', () => {
  const part = fc.constantFrom('a', '..', '.', '', 'b c', '~', '.env')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = normalisePath(parts.join('/')) ?? ''
      expect(normalisePath(path)).toBe(path)
    }),
  )
})

const listed = (...texts: string[]) => {
  const why: string[] = []
  const { add, paths } = createPathList((one) => why.push(one))
  for (const text of texts) add(text, 'read')
  return { paths: paths.map(({ path }) => path), why: [...new Set(why)] }
}

test('a glob that says part of a name stands for well-known files as well', () => {
  expect(listed('~/.s*/id_*').paths).toContain('id_rsa')
  expect(listed('/etc/sh?dow').paths).toContain('/etc/shadow')
  expect(listed('.en[v]').paths).toContain('.env')
  expect(listed('~/.aws/cred{entials,x}').paths).toContain('~/.aws/credentials')
  expect(listed('~/.kub?/*').paths).toContain('~/.kube/config')
  for (const glob of ['*', '*.json', 'src/**', '**/*.ts', 'src/{a,b}/*', '[abc', '{a'])
    expect(listed(glob).paths).toEqual([glob])
})

test('what does not fit, or is no path, is said', () => {
  const many = listed(...Array.from({ length: 300 }, (_, k) => `/a/${k}`))
  expect(many.paths).toHaveLength(256)
  expect(many.why).toEqual(['paths: more than fits'])
  expect(listed('a'.repeat(2000))).toEqual({ paths: [], why: ['paths: more than fits'] })
  expect(listed('a\0')).toEqual({ paths: [], why: ['paths: not a path'] })
  expect(listed('/a', '/a/', '/a/.').paths).toEqual(['/a'])
})
