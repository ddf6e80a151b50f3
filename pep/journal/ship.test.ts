import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PdpClient } from '../../pdp/contract/client.ts'
import { testIntent, testSealer } from '../../sealing/testing.ts'
import { createMemoryStore, eventually, intent, openSmall, outcome, withFolder } from './testing.ts'
import type { Logged, MemoryStore } from './testing.ts'

const fast = { linger_ms: 0, retry_ms: 1, max_retry_ms: 5 }
const soon = () => AbortSignal.timeout(10_000)

function intents(store: MemoryStore): string[] {
  return store.records().flatMap((r) => (r.kind === 'intent' ? [r.operation_id] : []))
}

async function logs(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.log')).sort()
}

test('everything is shipped once and in order, shipped files go, the last one stays', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const journal = await openSmall(folder, { segment_bytes: 5_000 })
    const shipper = journal.ship(store, fast)
    const ids = Array.from({ length: 300 }, (_, n) => `op-${n}`)
    for (let at = 0; at < ids.length; at += 10)
      await Promise.all(ids.slice(at, at + 10).map((id) => journal.append(intent(id))))
    expect(await shipper.drained(soon())).toBe(true)
    expect(intents(store)).toEqual(ids)
    expect(store.received()).toBe(ids.length)
    expect(journal.backlog()).toBe(0)
    await journal.close()
    expect(await logs(folder)).toHaveLength(1)
  })
})

test('answers that are lost, errors and restarts lead to no loss and no second frame', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    let turn = 0
    store.fault = () => {
      turn += 1
      if (turn % 3 === 0) return 'lose'
      return turn % 5 === 0 ? { code: 'PDP_UNAVAILABLE', message: 'down' } : undefined
    }
    const ids: string[] = []
    for (let life = 0; life < 6; life += 1) {
      const journal = await openSmall(folder, { segment_bytes: 2_000 })
      journal.ship(store, fast)
      for (let n = 0; n < 20; n += 1) {
        const id = `op-${life}-${n}`
        ids.push(id)
        await journal.append(intent(id))
        if (n % 2 === 0) await journal.append(outcome(id))
        if (n % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await journal.close() // whatever is shipped by now
    }
    store.fault = undefined
    const last = await openSmall(folder)
    expect(await last.ship(store, fast).drained(soon())).toBe(true)
    await last.close()
    expect(intents(store).sort()).toEqual(ids.sort())
    const outcomes = store.records().flatMap((r) => (r.kind === 'outcome' ? [r.operation_id] : []))
    expect(outcomes.sort()).toEqual(ids)
    expect(store.received()).toBeGreaterThan(store.records().length)
  })
})

test('a large frame is waited for longer, as it takes longer to send', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const waits: { readonly bytes: number; readonly ms: number }[] = []
    const slow: PdpClient = {
      ...store,
      append(batch, call) {
        const bytes = batch.frames.reduce((sum, { payload }) => sum + payload.length, 0)
        waits.push({ bytes, ms: call.deadline_ms })
        return store.append(batch, call)
      },
    }
    const journal = await openSmall(folder)
    const shipper = journal.ship(slow, { ...fast, deadline_ms: 1000 })
    const body = randomBytes(2 * 1024 * 1024)
    await journal.append(
      testIntent({ operation_id: 'large', exchange: { body_bytes: body.length, body } }),
    )
    expect(await shipper.drained(soon())).toBe(true)
    await journal.close()
    const largest = waits.toSorted((a, b) => b.bytes - a.bytes)[0]
    expect(largest?.bytes).toBeGreaterThan(body.length)
    expect(largest?.ms).toBeGreaterThan(1000 + body.length / 256)
  })
})

for (const spoilt of [undefined, '', '{"version":1,"nex', 'null']) {
  const how = spoilt === undefined ? 'lost' : `spoilt (${JSON.stringify(spoilt)})`
  test(`with the cursor ${how}, frames go out again and are taken once`, async () => {
    await withFolder(async (folder) => {
      const store = createMemoryStore()
      const first = await openSmall(folder)
      const shipper = first.ship(store, fast)
      for (const id of ['a', 'b', 'c']) await first.append(intent(id))
      await shipper.drained(soon())
      await first.close()
      const path = join(folder, 'cursor.json')
      expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ version: 1 })
      if (spoilt === undefined) await rm(path)
      else await writeFile(path, spoilt)

      const logged: Logged[] = []
      const second = await openSmall(folder, {}, logged)
      expect(await second.ship(store, fast).drained(soon())).toBe(true)
      expect(second.status().findings).toEqual([])
      await eventually(() => second.status().epochs.length === 1, 'the old epoch is removed')
      await second.close()
      expect(intents(store)).toEqual(['a', 'b', 'c'])
      expect(store.received()).toBeGreaterThan(store.records().length)
      expect(await logs(folder)).toHaveLength(1)
      expect(logged.filter((line) => line.level === 'error')).toEqual([])
    })
  })
}

test('a cursor that was not yet saved, or a file that was not yet removed, changes nothing', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const first = await openSmall(folder, { segment_bytes: 600 })
    for (let n = 0; n < 8; n += 1) await first.append(intent(`op-${n}`))
    await first.close()
    const before = new Map<string, Buffer>()
    for (const name of await logs(folder)) before.set(name, await readFile(join(folder, name)))
    const [epoch = ''] = [...before.keys()].map((name) => name.slice(0, -'-000001.log'.length))

    // Every state a crash can leave between an acknowledgement and the removal of the file.
    for (let next = 0; next <= 8; next += 1) {
      await withFolder(async (copy) => {
        for (const [name, bytes] of before) await writeFile(join(copy, name), bytes)
        await writeFile(
          join(copy, 'cursor.json'),
          JSON.stringify({ version: 1, next: { [epoch]: next } }),
        )
        const journal = await openSmall(copy)
        expect(journal.status().findings).toEqual([])
        const received = store.received()
        expect(await journal.ship(store, fast).drained(soon())).toBe(true)
        // The rest, the event of the recovery, and an end for each intent.
        expect(store.received() - received).toBe(8 - next + 1 + 8)
        await journal.close()
      })
    }
    expect(intents(store)).toHaveLength(8)
  })
})

test('a conflict stops its epoch, keeps its files, is seen, and holds up no other epoch', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const alarms: string[] = []
    const metrics = {
      committed: () => undefined,
      shipped: () => undefined,
      alarm: (alarm: string) => void alarms.push(alarm),
    }
    const first = await openSmall(folder)
    await first.append(intent('a'))
    await first.append(outcome('a'))
    await first.close()
    const [file = ''] = await logs(folder)
    const epoch = file.slice(0, -'-000001.log'.length)
    const forged = (await testSealer()).seal(intent('forged')).record
    const other = { digest: 'another', record: forged }
    store.epochs.set(`pep-test ${epoch}`, new Map([[1, other]]))

    const second = await openSmall(folder, { metrics })
    const shipper = second.ship(store, fast)
    await second.append(intent('b'))
    expect(await shipper.drained(soon())).toBe(true)
    expect(intents(store).sort()).toEqual(['a', 'b', 'forged'])
    expect(shipper.stuck(epoch)).toContain('PDP_RECORD_CONFLICT')
    expect(second.status().epochs[0]).toMatchObject({ epoch, stuck: expect.any(String) })
    expect(second.backlog()).toBeGreaterThan(0)
    expect(alarms).toEqual(['journal.conflict'])
    await second.close()
    expect(await logs(folder)).toContain(file)
  })
})

test('a batch that is refused raises one alarm, is kept, and goes out when the PDP takes it', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const logged: Logged[] = []
    store.fault = () => ({ code: 'PDP_REFUSED', message: 'no' })
    const journal = await openSmall(folder, {}, logged)
    const shipper = journal.ship(store, fast)
    await journal.append(intent('a'))
    await eventually(() => logged.length > 0, 'alarm')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(logged.map((line) => line.event)).toEqual(['journal.refused'])
    store.fault = undefined
    expect(await shipper.drained(soon())).toBe(true)
    expect(intents(store)).toEqual(['a'])
    await journal.close()
  })
})

test('an answer for a part of a batch moves the cursor by that part', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const append = store.append.bind(store)
    const half: MemoryStore = Object.assign(Object.create(store) as MemoryStore, {
      append: (batch: Parameters<typeof append>[0], call: Parameters<typeof append>[1]) =>
        append(
          { ...batch, frames: batch.frames.slice(0, Math.ceil(batch.frames.length / 2)) },
          call,
        ),
    })
    const journal = await openSmall(folder)
    for (let n = 0; n < 9; n += 1) await journal.append(intent(`op-${n}`))
    expect(await journal.ship(half, fast).drained(soon())).toBe(true)
    expect(intents(store)).toHaveLength(9)
    expect(store.received()).toBe(9)
    await journal.close()
  })
})

test('a payload damaged on disk after it was written is passed over with an alarm, the rest is shipped', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    const logged: Logged[] = []
    for (const id of ['a', 'b', 'c']) await first.append(intent(id, Buffer.from(`body of ${id}`)))
    await first.close()
    const second = await openSmall(folder, {}, logged) // finds nothing wrong
    const [name = ''] = await logs(folder)
    const bytes = await readFile(join(folder, name))
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    await writeFile(join(folder, name), bytes)
    const store = createMemoryStore()
    expect(await second.ship(store, fast).drained(soon())).toBe(true)
    expect(intents(store)).toEqual(['a', 'c'])
    expect(logged.map((line) => line.event)).toContain('journal.damaged')
    await second.close()
  })
})

test('a body larger than a batch is shipped whole', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const journal = await openSmall(folder)
    const shipper = journal.ship(store, fast)
    const body = Buffer.alloc(5 * 1024 * 1024, 7)
    await journal.append(intent('small'))
    await journal.append(intent('large', body))
    await journal.append(intent('after'))
    expect(await shipper.drained(soon())).toBe(true)
    expect(intents(store)).toEqual(['small', 'large', 'after'])
    const large = (await store.opened())[1]
    expect(large?.kind === 'intent' && Buffer.compare(large.exchange.body!, body)).toBe(0)
    await journal.close()
  })
})

test('closing while the PDP hangs does not wait for it', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const hanging: MemoryStore = Object.assign(Object.create(store) as MemoryStore, {
      append: (_: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise((resolve) => {
          const gone = { ok: false, error: { code: 'PDP_UNAVAILABLE', message: 'ended' } }
          signal.addEventListener('abort', () => resolve(gone))
        }),
    })
    const journal = await openSmall(folder)
    const shipper = journal.ship(hanging, fast)
    await journal.append(intent('a'))
    const drained = shipper.drained(soon())
    await journal.close()
    expect(await drained).toBe(false)
  })
})
