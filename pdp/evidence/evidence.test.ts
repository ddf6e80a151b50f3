import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deletion, startTestPdp, type TestPdp } from '../testing.ts'

type Delivery = { readonly leaves: readonly { readonly index: number; readonly leaf: unknown }[] }

let server: Server
let it: TestPdp
const came: Delivery['leaves'][number][] = []
beforeAll(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) => {
      came.push(...(JSON.parse(body) as Delivery).leaves)
      response.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/leaves`
  it = await startTestPdp({
    evidence: { sinks: [{ name: 'siem', url, secret: 'a-secret-of-this-test', batch: 10 }] },
  })
})
afterAll(async () => {
  await it.close()
  server.close()
})

test('a sink gets every leaf in order, also those that the service itself makes, with nothing else to tell', async () => {
  const { request, action } = deletion(it.pdp.revision())
  const demanded = await it.pdp.client.demandApproval(
    { request, action, operation_id: randomUUID() },
    { signal: AbortSignal.timeout(20_000), deadline_ms: 20_000 },
  )
  expect(demanded.ok).toBe(true)
  const size = await it.store.log.size()
  await expect.poll(() => came.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(size)
  expect(came.map(({ index }) => index)).toEqual(came.map((_, index) => index))
  expect(JSON.stringify(came)).toContain('demanded')
  // How far it came is kept, so that another service goes on from there.
  await expect.poll(() => it.store.sinks.read('siem')).toBeGreaterThanOrEqual(size)
})
