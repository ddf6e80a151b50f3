import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sealedRecord } from '../../pdp/contract/record.ts'
import { testIntent, testSealer } from '../../sealing/testing.ts'
import { decodePayload } from './frame.ts'
import { recordLife } from './life.ts'
import { createMemoryStore, intent, openSmall, outcome, withFolder } from './testing.ts'
import type { Logged } from './testing.ts'

const fast = { linger_ms: 0, retry_ms: 1, max_retry_ms: 5 }
const soon = () => AbortSignal.timeout(60_000)
const keyFiles = (folder: string): Promise<string[]> => readdir(join(folder, 'keys'))

function inSession(session: number) {
  const record = testIntent({ operation_id: `op-${session}`, connection: 'customers' })
  record.request.context.session.id = `s-${session}`
  return record
}

test('a key is on disk with its first frame, for its owner alone, and gone once the PDP has it', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const journal = await openSmall(folder)
    await Promise.all([journal.append(intent('a')), journal.append(outcome('a'))])
    const files = await keyFiles(folder)
    expect(files).toHaveLength(1)
    expect((await stat(join(folder, 'keys', files[0]!))).mode & 0o777).toBe(0o600)
    await journal.append(intent('b'))
    expect(await keyFiles(folder)).toEqual(files)
    expect(await journal.ship(store, fast).drained(soon())).toBe(true)
    expect(await keyFiles(folder)).toEqual([])
    expect(store.keys.size).toBe(1)
    expect((await store.opened()).map(({ kind }) => kind)).toEqual(['intent', 'outcome', 'intent'])
    await journal.close()
  })
})

test('frames that a killed process left are shipped with its keys, and open', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    await first.append(intent('a', Buffer.from('a body')))
    await first.close()
    // As when it was killed between making a key durable and writing the frame.
    await writeFile(join(folder, 'keys', `${'0'.repeat(15)}-${'0'.repeat(32)}.key.new`), 'half')
    const store = createMemoryStore()
    const second = await openSmall(folder)
    expect(await second.ship(store, fast).drained(soon())).toBe(true)
    const [left, , closed] = await store.opened()
    expect(left?.kind === 'intent' && Buffer.from(left.exchange.body!).toString()).toBe('a body')
    expect(closed).toMatchObject({ session_id: 's-1', connection: 'customers', result: 'unknown' })
    expect([store.keys.size, await keyFiles(folder)]).toEqual([2, []])
    await second.close()
  })
})

test('a key is never shipped later than what it sealed, however many wait', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const late: string[] = []
    let lost = 0
    store.fault = ({ keys, frames }) => {
      const known = new Set([...store.keys.keys(), ...keys.map((key) => key.id)])
      for (const { payload } of frames) {
        const { key = '' } = sealedRecord.parse(decodePayload(payload)).content ?? {}
        if (!known.has(key)) late.push(key)
      }
      return (lost += 1) % 2 === 0 ? 'lose' : undefined
    }
    const journal = await openSmall(folder)
    const sessions = Array.from({ length: 1300 }, (_, n) => n)
    await Promise.all(sessions.map((n) => journal.append(inSession(n))))
    expect(await journal.ship(store, fast).drained(soon())).toBe(true)
    expect([late, store.keys.size, await keyFiles(folder)]).toEqual([[], 1300, []])
    await journal.close()
  })
})

test('a key that cannot be read is an alarm; its frames and all other keys are shipped', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    for (const session of [1, 2]) await first.append(inSession(session))
    await first.close()
    const [spoilt = '', whole = ''] = await keyFiles(folder)
    const path = join(folder, 'keys', spoilt)
    await writeFile(path, (await readFile(path)).subarray(0, 60))
    const store = createMemoryStore()
    const logged: Logged[] = []
    const second = await openSmall(folder, {}, logged)
    expect(await second.ship(store, fast).drained(soon())).toBe(true)
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([
      { event: 'journal.key_damaged', detail: { path } },
    ])
    expect(store.records().filter(({ kind }) => kind === 'intent')).toHaveLength(2)
    expect([...store.keys.keys()]).toContain(whole.slice(16, -4))
    expect(await keyFiles(folder)).toEqual([spoilt])
    await second.close()
  })
})

test('when a key cannot be made durable nothing sealed under it is accepted, later or now', async () => {
  await withFolder(async (folder) => {
    const seal = await testSealer()
    const made: string[] = []
    const watched = {
      ...seal,
      seal: (record: Parameters<typeof seal.seal>[0]) => {
        const sealed = seal.seal(record)
        if (sealed.key) made.push(sealed.key.id)
        // A name that no file can have.
        return made.length === 1 && sealed.key
          ? { ...sealed, key: { ...sealed.key, id: 'no/folder' } }
          : sealed
      },
    }
    const store = createMemoryStore()
    const journal = await openSmall(folder, { seal: watched })
    await expect(journal.append(intent('a'))).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
    while (!journal.accepting) await new Promise((resolve) => setTimeout(resolve, 5))
    await journal.append(intent('b'))
    expect(await journal.ship(store, fast).drained(soon())).toBe(true)
    expect([...store.keys.keys()]).toEqual([made[1]])
    expect((await store.opened()).map(({ kind }) => kind)).toEqual(['event', 'intent'])
    await journal.close()
  })
})

test('the record says that the enforcement point started, is there, and ended', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const journal = await openSmall(folder)
    const shipper = journal.ship(store, fast)
    const life = await recordLife(journal, { heartbeat_ms: 5, now: Date.now, log: () => {} })
    await new Promise((resolve) => setTimeout(resolve, 60))
    await life.end()
    expect(await shipper.drained(soon())).toBe(true)
    await journal.close()
    const names = store.records().map((step) => (step.kind === 'event' ? step.name : step.kind))
    expect([names[0], names[1], names.at(-1)]).toEqual(['pep.started', 'pep.alive', 'pep.stopped'])
  })
})
