import { afterAll, beforeAll, expect, test } from 'vitest'
import { plantPep } from '../store/testing-report.ts'
import type { Report } from '../store/report/figure.ts'
import { startTestPdp, type TestPdp } from '../testing.ts'

const HOUR = 3_600_000
let it: TestPdp
beforeAll(async () => {
  it = await startTestPdp({ config: { approvals: { auditors: ['auditors'] } } })
})
afterAll(() => it.close())

const ask = (query: string, token?: string) =>
  fetch(`${it.url}/v1/evidence/report${query}`, {
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  })

const auditor = () => it.person('anna', ['auditors'])
const lately = (now_ms = Date.now()) => `?from_ms=${now_ms - HOUR}&to_ms=${now_ms}`

test('is for auditors only', async () => {
  expect((await ask(lately())).status).toBe(401)
  expect((await ask(lately(), it.pepToken)).status).toBe(401)
  for (const groups of [[], ['security'], ['approvers']])
    expect((await ask(lately(), await it.person('olivia', groups))).status).toBe(403)
  expect((await ask(lately(), await auditor())).status).toBe(200)
})

test('has the figures of the period, each with its query', async () => {
  const now_ms = Date.now()
  const pep = plantPep('pep-1')
  await it.store.log.append([
    pep.intent(now_ms - 2 * HOUR, { subject: 'before' }),
    pep.intent(now_ms - HOUR, { subject: 'agent-1' }),
    pep.intent(now_ms, { subject: 'after' }),
  ])
  const response = await ask(lately(now_ms), await auditor())
  expect(response.headers.get('cache-control')).toBe('no-store')
  const report = (await response.json()) as Report
  expect(report).toMatchObject({ v: 1, period: { from_ms: now_ms - HOUR, to_ms: now_ms } })
  const accesses = report.sections
    .flatMap(({ figures }) => figures)
    .find(({ name }) => name === 'accesses')
  expect(accesses?.rows.map(([subject]) => subject)).toEqual(['agent-1'])
  expect(accesses?.parameters).toEqual([now_ms - HOUR, now_ms])
  expect(accesses?.sql).toContain('from countersign.leaves')
})

test('ends now, at the latest', async () => {
  const before_ms = Date.now()
  const response = await ask(`?from_ms=0&to_ms=253402300800000`, await auditor())
  const { period } = (await response.json()) as Report
  expect(period.to_ms).toBeGreaterThanOrEqual(before_ms)
  expect(period.to_ms).toBeLessThanOrEqual(Date.now())
})

test('of no time, or of what is none, is refused', async () => {
  const token = await auditor()
  const queries = [
    '',
    '?from_ms=1',
    '?from_ms=2&to_ms=2',
    '?from_ms=3&to_ms=2',
    '?from_ms=-1&to_ms=2',
    '?from_ms=1.5&to_ms=2',
    '?from_ms=1&to_ms=1e300',
    `?from_ms=${Date.now() + HOUR}&to_ms=${Date.now() + 2 * HOUR}`,
    "?from_ms=1&to_ms=2'",
  ]
  for (const query of queries)
    expect([query, (await ask(query, token)).status]).toEqual([query, 400])
})
