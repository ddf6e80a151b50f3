import { expect, test } from 'vitest'
import { clientHeaders } from './return-headers.ts'

const locationFor = (location: string, upstream: string): string | undefined =>
  clientHeaders(['location', location], false, {
    connection: 'shop',
    upstream: new URL(upstream),
  })[0]?.[1]

test.each([
  ['https://a.example/v1/x?y=1', 'https://a.example/v1', '/shop/x?y=1'],
  ['/v1/x', 'https://a.example/v1/', '/shop/x'],
  ['/v1', 'https://a.example/v1', '/shop'],
  ['/x', 'https://a.example', '/shop/x'],
  // Not below the base: led back it would be a path of another connection.
  ['/v1-admin/x', 'https://a.example/v1', '/v1-admin/x'],
  ['https://a.example/v12', 'https://a.example/v1', 'https://a.example/v12'],
  ['https://a.example.org/v1/x', 'https://a.example/v1', 'https://a.example.org/v1/x'],
  ['//b.example/v1/x', 'https://a.example', '//b.example/v1/x'],
  ['x', 'https://a.example/v1', 'x'],
])('a Location %s of %s is %s', (location, upstream, returned) => {
  expect(locationFor(location, upstream)).toBe(returned)
})
