import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Anchor } from './anchors/anchor.ts'
import { openCheckpoint, readCheckpoint } from './checkpoint.ts'
import { type Checkpointer, type CheckpointerOptions, createCheckpointer } from './checkpointer.ts'
import type { SignedCheckpoint } from './log-store.ts'
import { leafHash } from './merkle/hash.ts'
import { growRange } from './merkle/range.ts'
import type { Signer } from './signer.ts'
import { createMemoryStore, type MemoryStore, testKey, testLeaf } from './testing.ts'

const origin = 'example.com/log'
const key = testKey(origin)
let folder = ''
let running: Checkpointer[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpointer-'))
})
afterEach(async () => {
  await Promise.all(running.map((one) => one.close()))
  running = []
  await rm(folder, { recursive: true })
})

type Told = { level: string; event: string; detail: unknown }
function started(
  store: MemoryStore,
  more: Partial<CheckpointerOptions> = {},
): Checkpointer & { told: Told[]; offered: SignedCheckpoint[] } {
  const told: Told[] = []
  const offered: SignedCheckpoint[] = []
  const anchor: Anchor = {
    name: 'test',
    offer: (checkpoint) => void offered.push(checkpoint),
    status: () => ({ name: 'test', kind: 'file', delivered: 0, failed: 0 }),
    close: () => Promise.resolve(),
  }
  const checkpointer = createCheckpointer({
    store,
    signers: [key],
    origin,
    anchors: [anchor],
    folder,
    log: (level, event, detail) => told.push({ level, event, detail }),
    every_ms: 3_600_000,
    ...more,
  })
  running.push(checkpointer)
  return { ...checkpointer, told, offered }
}

let seq = 0
const grow = (store: MemoryStore, count = 3): Promise<unknown> =>
  store.append(Array.from({ length: count }, () => testLeaf(seq++)))
const rootAt = (store: MemoryStore, size: number): Uint8Array => {
  const range = growRange()
  for (const { hash } of store.rows.leaves.slice(0, size)) range.append(hash)
  return range.root()
}
const kinds = (store: MemoryStore): string[] =>
  store.rows.leaves.map(({ leaf }) => (JSON.parse(leaf) as { kind: string }).kind)

describe('what the head says is signed', () => {
  test('with the key that a leaf names, kept on disk, in the store, and offered to anchors', async () => {
    const store = createMemoryStore()
    await grow(store)
    const { flush, offered, status } = started(store)
    const signed = await flush()
    expect(kinds(store)).toEqual(['event', 'event', 'event', 'key'])
    expect(openCheckpoint(signed!.note, [key.key], origin)).toMatchObject({
      ok: true,
      value: { size: 4, root: rootAt(store, 4) },
    })
    expect(await readFile(join(folder, 'last-checkpoint'), 'utf8')).toBe(signed!.note)
    expect(await readdir(folder)).toEqual(['last-checkpoint'])
    expect(store.rows.checkpoints).toEqual([signed])
    expect(offered).toEqual([signed])
    expect(status()).toMatchObject({ state: 'ok', size: 4 })
    await flush()
    expect(offered).toHaveLength(1)
  })

  test('by itself while the log grows', async () => {
    const store = createMemoryStore()
    const { offered } = started(store, { every_ms: 5 })
    await grow(store)
    await vi.waitFor(() => expect(offered.at(-1)?.size).toBe(4), { timeout: 10_000 })
    await grow(store)
    await vi.waitFor(() => expect(offered.at(-1)?.size).toBe(7), { timeout: 10_000 })
  })

  test('every checkpoint extends the one before, also over restarts and borders of stored subtrees', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ count: fc.integer({ min: 0, max: 300 }), restart: fc.boolean() }), {
          maxLength: 8,
        }),
        async (steps) => {
          const store = createMemoryStore()
          await rm(folder, { recursive: true })
          let one = started(store)
          for (const { count, restart } of steps) {
            await grow(store, count)
            if (restart) {
              await one.close()
              one = started(store)
            }
            await one.flush()
            expect(one.status().state).toBe('ok')
          }
          for (const { size, root } of store.rows.checkpoints)
            expect(Buffer.compare(root, rootAt(store, size))).toBe(0)
          expect(store.rows.checkpoints.at(-1)?.size).toBe(
            steps.length === 0 ? undefined : store.rows.head.size,
          )
          expect(kinds(store).filter((kind) => kind === 'key').length).toBeLessThanOrEqual(1)
          await one.close()
        },
      ),
      { numRuns: 15 },
    )
  })

  test('by two processes at once with the same key, without an alarm', async () => {
    const store = createMemoryStore()
    const one = started(store, { every_ms: 1, folder: join(folder, 'one') })
    const two = started(store, { every_ms: 1, folder: join(folder, 'two') })
    for (let n = 0; n < 60; n += 1) {
      await grow(store, 7)
      await sleep(1)
    }
    await Promise.all([one.flush(), two.flush()])
    expect([one.status().state, two.status().state]).toEqual(['ok', 'ok'])
    expect(one.status().size).toBe(store.rows.head.size)
    expect(two.status().size).toBe(store.rows.head.size)
  })

  test('what another process signed is taken over, unless it is not under a key of ours', async () => {
    const store = createMemoryStore()
    const one = started(store, { folder: join(folder, 'one') })
    const two = started(store, { folder: join(folder, 'two') })
    await grow(store)
    const signed = await one.flush()
    expect(await two.flush()).toEqual(signed)
    expect(two.offered).toEqual([signed])
    await grow(store)
    const [newest] = [await one.flush()]
    store.rows.checkpoints = [{ ...newest!, note: newest!.note.replace('— ', '— not-') }]
    expect((await two.flush())?.note).toBe(newest!.note)
  })

  test('again when the process ended between its disk and the store', async () => {
    const store = createMemoryStore()
    await grow(store)
    const one = started(store)
    const signed = await one.flush()
    await one.close()
    store.rows.checkpoints = []
    expect((await started(store).flush())?.note).toBe(signed!.note)
    expect(store.rows.checkpoints).toHaveLength(1)
  })

  test('by the old and the new key while keys rotate, and the rotation is a leaf', async () => {
    const store = createMemoryStore()
    await grow(store)
    const first = started(store)
    await first.flush()
    await first.close()
    const next = testKey(origin, 1, 'the next key')
    const second = started(store, { signers: [next, key] })
    const signed = await second.flush()
    const newest = JSON.parse((await store.newestKeyLeaf())!) as unknown
    expect(newest).toMatchObject({
      event: 'rotated',
      vkey: next.key.vkey,
      also: [key.key.vkey],
      before: key.key.vkey,
    })
    expect(openCheckpoint(signed!.note, [key.key]).ok).toBe(true)
    expect(openCheckpoint(signed!.note, [next.key]).ok).toBe(true)
    expect(second.status().state).toBe('ok')
  })
})

/** A database that was restored from a backup, or that somebody rewrote, with a process that goes on or a new one. */
describe.each(['the same process', 'a new process', 'a new process with a new folder'])(
  'what does not extend the last checkpoint is not signed, by %s',
  (who) => {
    async function tampered(
      tamper: (store: MemoryStore, backup: MemoryStore) => void | Promise<void>,
    ): Promise<{ one: ReturnType<typeof started>; store: MemoryStore; before: SignedCheckpoint }> {
      const store = createMemoryStore()
      await grow(store, 300)
      let one = started(store)
      await one.flush()
      const backup = store.copy()
      await grow(store, 20)
      const before = await one.flush()
      if (who !== 'the same process') await one.close()
      await tamper(store, backup)
      if (who !== 'the same process')
        one = started(store, who.endsWith('folder') ? { folder: join(folder, 'new') } : {})
      return { one, store, before: before! }
    }

    test('an older copy', async () => {
      const { one, store, before } = await tampered((store, backup) => {
        Object.assign(store.rows, backup.rows)
      })
      const after = await one.flush()
      // With the folder gone and no anchor outside nothing can show it: that is what anchors are for.
      if (who.endsWith('folder')) return expect(after?.size).toBe(301)
      expect(after).toBeUndefined()
      expect(one.status()).toMatchObject({
        state: 'rolled_back',
        alarm: { known: { size: before.size }, found: { size: 301 } },
      })
      expect(one.told.filter(({ event }) => event === 'evidence.rolled_back')).toHaveLength(1)
      await grow(store, 50)
      expect(await one.flush()).toBeUndefined()
      expect(store.rows.checkpoints.at(-1)?.size).toBe(301)
      return undefined
    })

    test('an older copy that has grown past it', async () => {
      const { one, store } = await tampered(async (store, backup) => {
        Object.assign(store.rows, backup.rows)
        await grow(store, 100)
      })
      const after = await one.flush()
      if (who.endsWith('folder')) return expect(after?.size).toBe(401)
      expect(after).toBeUndefined()
      expect(one.status()).toMatchObject({ state: 'forked' })
      expect(store.rows.checkpoints.at(-1)?.size).toBe(301)
      return undefined
    })

    test('a leaf that was rewritten together with every hash above it', async () => {
      const { one } = await tampered(async (store) => {
        const other = createMemoryStore()
        await other.append(
          store.rows.leaves.map(({ leaf }, n) => ({
            ...testLeaf(0),
            ...(JSON.parse(leaf) as object),
            ...(n === 5 && { name: 'x' }),
          })),
        )
        store.rows.leaves = other.rows.leaves
        store.rows.hashes = other.rows.hashes
        store.rows.head = other.rows.head
      })
      expect(await one.flush()).toBeUndefined()
      expect(one.status()).toMatchObject({ state: 'forked' })
    })

    test('a stored hash that was changed, once a proof needs it', async () => {
      const { one, store } = await tampered((store) => {
        store.rows.hashes.get(0)![320] = leafHash('another')
      })
      await grow(store, 5)
      expect(await one.flush()).toBeUndefined()
      expect(one.status()).toMatchObject({ state: 'forked' })
    })
  },
)

describe('a person ends an alarm', () => {
  test('on record, and then the log is signed on; a restart does not raise it again', async () => {
    const store = createMemoryStore()
    await grow(store, 10)
    let one = started(store)
    await one.flush()
    const backup = store.copy()
    await grow(store, 10)
    await one.flush()
    Object.assign(store.rows, backup.rows)
    await one.flush()
    expect(one.status().state).toBe('rolled_back')
    const alarm = one.status().alarm!
    const other = { ...alarm, known: { ...alarm.known, size: 20 } }
    expect(await one.resume({ alarm: other, by: 'x', reason: 'y' })).toBe(false)
    expect(await one.resume({ alarm, by: { id: 'alice' }, reason: 'the disk died' })).toBe(true)
    expect(one.status()).toMatchObject({ state: 'ok', size: 12 })
    expect(JSON.parse(store.rows.leaves[11]!.leaf)).toMatchObject({
      kind: 'event',
      name: 'log.resumed',
      detail: { known_size: 21, found_size: 11, by: { id: 'alice' }, reason: 'the disk died' },
    })
    await one.close()
    one = started(store)
    await grow(store, 30)
    expect((await one.flush())?.size).toBe(42)
    expect(await one.resume({ alarm, by: 'x', reason: 'y' })).toBe(false)
  })

  test('but a leaf alone does not: whoever owns the database can write one', async () => {
    const store = createMemoryStore()
    await grow(store, 10)
    const one = started(store)
    await one.flush()
    const backup = store.copy()
    await grow(store, 10)
    await one.flush()
    Object.assign(store.rows, backup.rows)
    await store.append([testLeaf(0, { name: 'log.resumed', detail: { known_size: 21 } })])
    expect(await one.flush()).toBeUndefined()
    expect(one.status().state).toBe('rolled_back')
  })
})

describe('while it cannot be known whether the log may be signed, it is not', () => {
  test('what is kept on disk says nothing', async () => {
    const store = createMemoryStore()
    await grow(store)
    await writeFile(join(folder, 'last-checkpoint'), 'torn')
    const one = started(store)
    expect(await one.flush()).toBeUndefined()
    expect(one.status()).toMatchObject({ state: 'failing' })
    expect(one.status().problem).toContain('cannot be read')
    expect(store.rows.checkpoints).toEqual([])
  })

  test('what is kept on disk is of another log', async () => {
    const store = createMemoryStore()
    await grow(store)
    const note = (await started(store).flush())!.note
    expect(readCheckpoint(note).ok).toBe(true)
    const other = testKey('example.com/other')
    const one = started(createMemoryStore(), { origin: 'example.com/other', signers: [other] })
    expect(await one.flush()).toBeUndefined()
    expect(one.status().problem).toContain('is of the log')
  })

  test('the store is away, and later is not', async () => {
    const store = createMemoryStore()
    await grow(store)
    let away = true
    const one = started(store, {
      store: { ...store, head: () => (away ? Promise.reject(new Error('away')) : store.head()) },
    })
    expect(await one.flush()).toBeUndefined()
    expect(one.status()).toMatchObject({ state: 'failing', problem: 'away' })
    away = false
    expect((await one.flush())?.size).toBe(4)
    expect(one.status()).toMatchObject({ state: 'ok' })
    expect(one.status().problem).toBeUndefined()
  })

  test('the head row does not fit itself', async () => {
    const store = createMemoryStore()
    await grow(store)
    store.rows.head = { ...store.rows.head, size: 4 }
    const one = started(store)
    expect(await one.flush()).toBeUndefined()
    expect(one.status().problem).toContain('the head row says 4 leaves')
  })

  test('hashes are gone from the store', async () => {
    const store = createMemoryStore()
    await grow(store)
    const one = started(store)
    await one.flush()
    await grow(store)
    store.rows.hashes.get(0)!.pop()
    expect(await one.flush()).toBeUndefined()
    expect(one.status()).toMatchObject({ state: 'failing' })
  })

  test('one of the keys does not sign', async () => {
    const store = createMemoryStore()
    await grow(store)
    const broken: Signer = {
      ...testKey(origin, 1, 'broken'),
      sign: () => Promise.reject(new Error('no')),
    }
    const one = started(store, { signers: [key, broken] })
    expect(await one.flush()).toBeUndefined()
    expect(one.status()).toMatchObject({ state: 'failing', problem: 'no' })
    expect(store.rows.checkpoints).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })
})
