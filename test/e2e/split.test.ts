import { afterAll, beforeAll, expect, test } from 'vitest'
import { keptPort } from '../../server/testing-port.ts'
import { clear, place, type Place, start, type Started } from './running.ts'

let where: Place
let pdp: Started
let pep: Started
/** Of the decision service, in each of its lives. */
let port: number
const onPort: Parameters<typeof place>[0] = (config) => {
  config.pdp['listen'] = `127.0.0.1:${port}`
}
beforeAll(async () => {
  port = await keptPort()
  where = await place(onPort)
  pdp = await start(where, { args: ['pdp'] })
  pep = await start(where, { args: ['pep', '--pdp', pdp.urls.pdp] })
})
afterAll(async () => {
  await pep.end('SIGTERM')
  await pdp.end('SIGTERM')
  await clear(where)
})

const call = (path: string): Promise<Response> =>
  fetch(pep.urls.pep + path, { headers: { authorization: `Bearer ${pdp.token}` } })

test('two processes decide, mask and record as one does', async () => {
  const response = await call('/customers/customers/c-1')
  expect(response.status).toBe(200)
  expect(await response.text()).toContain('[REDACTED:us_ssn]')
  expect((await call('/customers/admin/export')).status).toBe(403)
  // Every frame is in the store soon.
  await expect
    .poll(
      async () =>
        (await (await fetch(`${pep.urls.pep}/metrics`)).text()).includes(
          'countersign_journal_backlog_bytes 0',
        ),
      { timeout: 15_000 },
    )
    .toBe(true)
})

test('without its decision service nothing is forwarded, and it goes on once that is back', async () => {
  await pdp.end('SIGKILL')
  const refused = await call('/customers/customers/c-1')
  expect(refused.status).toBe(503)
  expect(await refused.text()).toContain('pdp_unavailable')
  const again = await place(onPort)
  // The same folder, so the same tokens and keys; another issuer address, so the token of before stays good.
  pdp = await start({ ...again, folder: where.folder }, { args: ['pdp'] })
  await expect
    .poll(async () => (await call('/customers/customers/c-1')).status, { timeout: 15_000 })
    .not.toBe(503)
  await clear(again)
})
