import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { APPROVALS_RESOURCE, CLI_CLIENT } from '../../scripts/dev/issuer-provider.ts'
import { signIn } from '../../scripts/dev/sign-in-by-fetch.ts'
import { deviceToken } from '../../scripts/tokens.ts'
import { clear, place, start, type Started } from '../e2e/running.ts'

/** How often the whole is killed; `npm run test:crash` does it more often. */
const LIVES = Number(process.env['COUNTERSIGN_KILLS'] ?? 2)
const CLIENTS = 16

/** An upstream that remembers which requests reached it. */
async function upstream(): Promise<{ url: string; seen: Set<string>; close: () => void }> {
  const seen = new Set<string>()
  const server = createServer((incoming, outgoing) => {
    seen.add(incoming.url ?? '')
    incoming
      .resume()
      .on('end', () => outgoing.setHeader('content-type', 'application/json').end('{"ok":true}'))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Sends requests, each with a name of its own, until the gateway is gone. */
async function load(it: Started, life: number): Promise<void> {
  let gone = false
  const client = async (number: number): Promise<void> => {
    for (let n = 0; !gone; n += 1) {
      try {
        const response = await fetch(`${it.urls.pep}/customers/customers/${life}-${number}-${n}`, {
          headers: { authorization: `Bearer ${it.token}` },
        })
        await response.arrayBuffer()
      } catch {
        gone = true
      }
    }
  }
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number))
  await sleep(1000 + Math.random() * 1000)
  await it.end('SIGKILL')
  await Promise.all(clients)
}

async function auditor(it: Started): Promise<(path: string) => Promise<unknown>> {
  const { token } = await deviceToken({
    issuer: it.urls.issuer,
    client_id: CLI_CLIENT,
    scope: 'openid',
    resource: APPROVALS_RESOURCE,
    onCode: ({ uri }) => void signIn(uri, { name: 'anna', secret: it.operator_secret }),
  })
  return async (path) =>
    (await fetch(it.urls.pdp + path, { headers: { authorization: `Bearer ${token}` } })).json()
}

type Page = {
  records: {
    cursor: string
    record: { kind: string; operation_id: string; exchange?: { target?: string }; result?: string }
  }[]
}

/** Every record of every session. */
async function recorded(get: (path: string) => Promise<unknown>): Promise<Page['records']> {
  const { sessions } = (await get('/v1/sessions?limit=500')) as { sessions: { id: string }[] }
  const all: Page['records'] = []
  for (const { id } of sessions) {
    for (let after = ''; ;) {
      const { records } = (await get(`/v1/sessions/${id}?limit=1000${after}`)) as Page
      all.push(...records)
      if (records.length < 1000) break
      after = `&after=${encodeURIComponent(records.at(-1)?.cursor ?? '')}`
    }
  }
  return all
}

test('after kill -9 under load every request that the upstream received has its intent in the store', async () => {
  const service = await upstream()
  const where = await place((config) => {
    config.connections = {
      customers: {
        kind: 'http',
        upstream: service.url,
        credential: {
          header: 'authorization',
          prefix: 'Bearer ',
          from: { env: 'CUSTOMERS_API_TOKEN' },
        },
      },
    }
  })
  const env = { CUSTOMERS_API_TOKEN: 'credential-of-this-test' }
  for (let life = 0; life < LIVES; life += 1) await load(await start(where, { env }), life)
  const it = await start(where, { env })
  const metrics = async (): Promise<string> => (await fetch(`${it.urls.pep}/metrics`)).text()
  await expect
    .poll(async () => /^countersign_journal_backlog_bytes 0$/m.test(await metrics()), {
      timeout: 30_000,
    })
    .toBe(true)

  const records = await recorded(await auditor(it))
  const intents = new Map<string, string>()
  for (const { record } of records)
    if (record.kind === 'intent') intents.set(record.exchange?.target ?? '', record.operation_id)
  expect(service.seen.size).toBeGreaterThan(LIVES * CLIENTS)
  expect([...service.seen].filter((target) => !intents.has(target))).toEqual([])
  // Every operation has exactly one end: its own, or `unknown`.
  const outcomes = new Map<string, string[]>()
  for (const { record } of records)
    if (record.kind === 'outcome')
      outcomes.set(record.operation_id, [
        ...(outcomes.get(record.operation_id) ?? []),
        record.result ?? '',
      ])
  for (const id of intents.values()) expect(outcomes.get(id)).toHaveLength(1)
  await it.end('SIGTERM')
  service.close()
  await clear(where)
}, 180_000)
