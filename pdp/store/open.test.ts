import { connect, createServer, type Socket } from 'node:net'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterEach, describe, expect, test } from 'vitest'
import { openStore } from './open.ts'
import type { Store } from './store.ts'
import { keptPort } from '../../server/testing-port.ts'
import { openTestDatabase, openTestStore } from './testing.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function opened(options: Omit<Parameters<typeof openStore>[0], 'log'>): Promise<Store> {
  const store = await openStore({ ...options, log: () => undefined })
  cleanups.push(() => store.close())
  return store
}

/** A way to the server that can be cut: `down` refuses and drops, `hang` takes connections and says nothing. */
async function openDoor(url: string) {
  const target = new URL(url)
  const port_behind = Number(target.port)
  const sockets = new Set<Socket>()
  let hanging = false
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => undefined)
    if (hanging) return
    const upstream = connect(port_behind, target.hostname)
    sockets.add(upstream)
    upstream.on('error', () => client.destroy())
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    client.pipe(upstream).pipe(client)
  })
  const port = await keptPort()
  const up = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
  await up()
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const down = () => {
    server.close()
    cut()
  }
  cleanups.push(down)
  target.port = String(port)
  const hang = () => {
    hanging = true
    cut()
  }
  return { url: target.href, down, up, hang }
}

describe('a store on a server of its own', () => {
  test('opens while the server is away, says so, and works once it is there', async () => {
    const { url, folder } = await openTestDatabase()
    const door = await openDoor(url)
    door.down()
    const store = await opened({ url: door.url, folder })
    const ready = await store.ready()
    expect(!ready.ok && ready.message).toMatch(/not ready.*ECONNREFUSED/)
    await expect(store.records.alarms()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await door.up()
    await expect.poll(() => store.ready(), { timeout: 10_000 }).toEqual({ ok: true })
    expect(await store.records.alarms()).toBe(0)
  })

  test('refuses while the server is gone, and goes on by itself when it is back, changes included', async () => {
    const { url, folder } = await openTestDatabase()
    const door = await openDoor(url)
    const store = await opened({ url: door.url, folder })
    const beside = await opened({ url, folder })
    const told: string[] = []
    store.approvals.onChange((id) => told.push(id))
    await expect.poll(async () => (await demand(beside), told.length)).toBeGreaterThan(0)
    door.down()
    await expect(store.records.alarms()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(demand(store)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await store.ready()).toMatchObject({ ok: false })
    const missed = await demand(beside)
    await door.up()
    await expect.poll(() => store.ready(), { timeout: 10_000 }).toEqual({ ok: true })
    await expect.poll(() => told, { timeout: 10_000 }).toContain(missed)
    const later = await demand(beside)
    await expect.poll(() => told).toContain(later)
  })

  test('refuses within its deadline when the server takes connections and says nothing', async () => {
    const { url, folder } = await openTestDatabase()
    const door = await openDoor(url)
    const store = await opened({ url: door.url, folder })
    expect(await store.ready()).toEqual({ ok: true })
    door.hang()
    const ready = await store.ready()
    expect(ready.ok).toBe(false)
    await expect(store.records.alarms()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  test('goes on after an administrator ends its connections', async () => {
    const { store, url } = await openTestStore()
    const owner = postgres(url, { max: 1 })
    await store.records.alarms()
    await owner`select pg_terminate_backend(pid) from pg_stat_activity
      where pid <> pg_backend_pid() and datname = current_database()`
    await owner.end()
    await expect.poll(() => store.ready(), { timeout: 10_000 }).toEqual({ ok: true })
    expect(await store.records.alarms()).toBe(0)
  })

  test('is migrated once by several that start at once', async () => {
    const { url, folder } = await openTestDatabase()
    const stores = await Promise.all(
      ['a', 'b', 'c'].map((name) => {
        mkdirSync(join(folder, name))
        return opened({ url, folder: join(folder, name) })
      }),
    )
    for (const store of stores) expect(await store.ready()).toEqual({ ok: true })
    expect(await stores[0]!.records.alarms()).toBe(0)
  })

  test('that has no tables yet and may not make them says what to do', async () => {
    const { url, folder } = await openTestDatabase()
    const store = await opened({ folder, service_url: url, migrate: false })
    const ready = await store.ready()
    expect(!ready.ok && ready.message).toContain("start once with the owner's URL")
    await expect(openStore({ folder, url, migrate: false, log: () => undefined })).rejects.toThrow(
      'service_url',
    )
  })
})

let asked = 0
async function demand(store: Store): Promise<string> {
  asked += 1
  const { row } = await store.approvals.demand(
    {
      id: crypto.randomUUID(),
      requester: { issuer: 'https://login.example.com', type: 'agent', id: `agent-${asked}` },
      session_id: 's',
      connection: 'claude',
      action_name: 'anthropic.tool_use',
      action_digest: 'd'.repeat(64),
      content: {
        sealed: Buffer.from('sealed'),
        wrapped_key: Buffer.from('key'),
        commitment: Buffer.alloc(32),
      },
      approvers: ['security'],
      count: 1,
      valid_s: 60,
      operation_id: 'o',
      demand: { decision_id: 'd', revision: 'r' },
    },
    Date.now(),
  )
  return row.id
}
