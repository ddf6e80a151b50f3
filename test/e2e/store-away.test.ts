import { expect, test } from 'vitest'
import { clear, place, start } from './running.ts'

test('without its store at the start it says so, records in the journal, and refuses what needs approval', async () => {
  const where = await place()
  const env = { DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:1/none' }
  const it = await start(where, { env })
  const call = (path: string, method: string, body?: object): Promise<Response> =>
    fetch(it.urls.pep + path, {
      method,
      headers: {
        authorization: `Bearer ${it.token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
  expect((await fetch(`${it.urls.pdp}/health?ready`)).status).toBe(503)
  expect(
    (await call('/customers/customers', 'POST', { name: 'Ada Example', email: 'ada@example.com' }))
      .status,
  ).toBe(201)
  // Nobody would remember that the session has read customers.
  const read = await call('/customers/customers/c-1', 'GET')
  expect(read.status).toBe(403)
  expect(await read.text()).toContain('cannot be kept')
  const refused = await call('/customers/customers/c-1', 'DELETE')
  expect(refused.status).toBe(403)
  expect(await refused.text()).toContain('approvals cannot be looked up')
  const metrics = await (await fetch(`${it.urls.pep}/metrics`)).text()
  const backlog = /^countersign_journal_backlog_bytes (\d+)$/m.exec(metrics)?.[1]
  expect(Number(backlog)).toBeGreaterThan(0)
  expect(await it.end('SIGTERM')).toBe(0)

  // The same folder with a store: what was kept is shipped.
  const again = await start(where)
  await expect
    .poll(
      async () =>
        (await (await fetch(`${again.urls.pep}/metrics`)).text()).includes(
          'countersign_journal_backlog_bytes 0',
        ),
      { timeout: 20_000 },
    )
    .toBe(true)
  await again.end('SIGTERM')
  await clear(where)
})
