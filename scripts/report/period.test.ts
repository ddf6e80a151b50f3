import { expect, test } from 'vitest'
import { readPeriod } from './period.ts'

const now = Date.UTC(2026, 11, 24, 15, 30)
const iso = (from?: string, to?: string): string => {
  const period = readPeriod(from, to, now)
  if (!period.ok) return period.error
  const { from_ms, to_ms } = period.value
  return `${new Date(from_ms).toISOString()} ${new Date(to_ms).toISOString()}`
}

test('without dates it is the last 30 days until now', () => {
  expect(iso()).toBe('2026-11-24T15:30:00.000Z 2026-12-24T15:30:00.000Z')
})

test('days are days in UTC, and the last one is part of the period', () => {
  expect(iso('2026-11-01', '2026-11-30')).toBe('2026-11-01T00:00:00.000Z 2026-12-01T00:00:00.000Z')
  expect(iso('2026-11-01', '2026-11-01')).toBe('2026-11-01T00:00:00.000Z 2026-11-02T00:00:00.000Z')
  expect(iso(undefined, '2026-11-30')).toBe('2026-11-01T00:00:00.000Z 2026-12-01T00:00:00.000Z')
})

test('times name a moment, in any zone that they say', () => {
  expect(iso('2026-11-01T02:00+02:00', '2026-11-01T12:00:00.5Z')).toBe(
    '2026-11-01T00:00:00.000Z 2026-11-01T12:00:00.500Z',
  )
})

test('what is no date, or is not a time before another, is told', () => {
  for (const from of ['2026-02-30', '2026-11-01T12:00', 'yesterday', '1793491200000', ''])
    expect(iso(from)).toMatch(/^--from takes a day/)
  expect(iso('2026-11-02', '2026-11-01')).toBe('--from must be before --to')
  expect(iso('2026-12-25', '2026-12-26')).toBe('--from is in the future')
})
