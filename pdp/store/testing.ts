import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll } from 'vitest'
import { startEmbedded, type EmbeddedServer } from './embedded/server.ts'
import { openStore } from './open.ts'
import type { Store } from './store.ts'

/** For tests: one real server a test file, ended and removed after it; one database a store. */
let server: Promise<{ readonly running: EmbeddedServer; readonly folder: string }> | undefined

const opened: Store[] = []

async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-store-'))
  return { folder, running: await startEmbedded(folder, () => undefined) }
}

afterAll(async () => {
  await Promise.all(opened.map((store) => store.close()))
  const started = await server?.catch(() => undefined)
  server = undefined
  await started?.running.stop()
  if (started) rmSync(started.folder, { recursive: true, force: true })
})

export type TestStore = {
  readonly store: Store
  /** The database as its owner. */
  readonly url: string
  /** The store's own folder, with `service.password`. */
  readonly folder: string
}

/** An empty store of its own, closed at the end of the file. */
export async function openTestStore(): Promise<TestStore> {
  const { url, folder } = await openTestDatabase()
  const store = await openStore({ url, folder, log: () => undefined })
  opened.push(store)
  return { store, url, folder }
}

/** An empty database, without tables, and a folder to go with it. */
export async function openTestDatabase(): Promise<Omit<TestStore, 'store'>> {
  server ??= start()
  const { running, folder: base } = await server
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const owner = postgres(running.url, { max: 1, onnotice: () => undefined })
  await owner`create database ${owner(name)}`
  await owner.end()
  const folder = join(base, name)
  mkdirSync(folder, { mode: 0o700 })
  const url = new URL(running.url)
  url.pathname = `/${name}`
  return { url: url.href, folder }
}
