import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Header } from '../../core/headers.ts'
import { createMasks, Findings, type Masking } from '../../core/masks.ts'
import { clientHeaders, maskHeaders } from './return-headers.ts'

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

describe('headers of answers', () => {
  const ADDRESS = ['ada', 'example.com'].join('@')
  const CREDENTIAL = 'upstream-credential-1'
  const masking = (detectors: readonly string[], masks = createMasks(Buffer.alloc(32, 1))) =>
    masks.of([{ kind: 'mask', where: 'response', detectors: [...detectors], style: 'redact' }], {
      customs: [],
      literals: [CREDENTIAL],
      session: 's',
    })
  const masked = (headers: readonly Header[], by: Masking) => {
    const findings = new Findings()
    return { headers: maskHeaders(headers, by, findings), found: findings.masked }
  }
  const header = fc.tuple(
    fc.constantFrom('x-a', 'X-B', 'set-cookie', ADDRESS, `x-${CREDENTIAL}`),
    fc.constantFrom(
      '1',
      ADDRESS,
      `a=${CREDENTIAL}; b`,
      'x'.repeat(80),
      `${'y '.repeat(40)}${ADDRESS}`,
    ),
  )

  test('are masked the same however often they came before, and beside whatever others', () => {
    const kept = masking(['email'])
    fc.assert(
      fc.property(fc.array(header, { maxLength: 5 }), (headers) => {
        const result = masked(headers, kept)
        expect(result).toEqual(masked(headers, masking(['email'])))
        expect(JSON.stringify(result.headers)).not.toMatch(/ada@|credential-1/)
      }),
    )
  })

  test('that one mask lets pass are looked at anew by another', () => {
    const masks = createMasks(Buffer.alloc(32, 1))
    const headers: Header[] = [['x-who', ADDRESS]]
    expect(masked(headers, masking(['us_ssn'], masks)).headers).toEqual(headers)
    expect(masked(headers, masking(['email'], masks)).headers).toEqual([
      ['x-who', '[REDACTED:email]'],
    ])
  })
})
