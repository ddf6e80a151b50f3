import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { administrativeResources, isAdministrative } from './administration.ts'

const named = (name: unknown) => ({ action: { name } })

test.each([
  ...Object.keys(administrativeResources),
  'countersign.anything',
  'Countersign.Sessions.Unmask',
  ' countersign.evidence.erase',
  '\u00a0countersign.evidence.erase',
])('%j is administrative', (name) => {
  expect(isAdministrative(named(name))).toBe(true)
})

test('so is whatever has facts that only the service states', () => {
  for (const admin of [{}, null, { reason: 'x' }, 0])
    expect(isAdministrative({ ...named('http.request'), context: { facts: { admin } } })).toBe(true)
})

test.each(['http.request', 'countersign', 'countersigned.x', 'x.countersign.y', '', 7, null])(
  '%j is not',
  (name) => {
    expect(isAdministrative({ ...named(name), context: { facts: {} } })).toBe(false)
  },
)

test('nothing that a caller can send makes it throw', () => {
  fc.assert(fc.property(fc.anything(), (value) => typeof isAdministrative(value) === 'boolean'))
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (action, context) => {
      isAdministrative({ action, context })
      isAdministrative({ action: { name: action }, context: { facts: context } })
    }),
  )
})
