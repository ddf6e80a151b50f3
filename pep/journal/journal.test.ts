import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PepError } from '../core/errors.ts'
import { readJournal, type JournalEntry } from './read.ts'
import {
  chunk,
  createMemoryStore,
  eventually,
  intent,
  openSmall,
  outcome,
  withFolder,
} from './testing.ts'
import type { Logged } from './testing.ts'

async function readAll(folder: string): Promise<JournalEntry[]> {
  return Array.fromAsync(readJournal(folder))
}

/** `intent:a`, `outcome:a:unknown`, `event:journal.recovered`, … */
function brief(entries: readonly JournalEntry[]): string[] {
  return entries.map((entry) => {
    if (entry.kind !== 'record') return entry.kind
    const record = entry.record.step
    if (record.kind === 'event') return `event:${record.name}`
    const result = record.kind === 'outcome' ? `:${record.result}` : ''
    return `${record.kind}:${record.operation_id}${result}`
  })
}

async function logs(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.log')).sort()
}

test('an append is on disk when it resolves, in files that only the owner may read', async () => {
  await withFolder(async (folder) => {
    const journal = await openSmall(join(folder, 'deep', 'journal'))
    await Promise.all([journal.append(intent('a')), journal.append(intent('b'))])
    await journal.append(outcome('a'))
    const inner = join(folder, 'deep', 'journal')
    expect(brief(await readAll(inner))).toEqual(['intent:a', 'intent:b', 'outcome:a:completed'])
    expect((await stat(inner)).mode & 0o777).toBe(0o700)
    for (const name of await logs(inner))
      expect((await stat(join(inner, name))).mode & 0o777).toBe(0o600)
    expect(journal.backlog()).toBeGreaterThan(0)
    await journal.close()
    await expect(journal.append(intent('c'))).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
  })
})

test('intents left open are closed as unknown in a new epoch, once, and the record says so', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    for (const id of ['a', 'b', 'c']) await first.append(intent(id))
    await first.append(outcome('b'))
    await first.close()
    const second = await openSmall(folder)
    expect(second.status().open_operations).toBe(0)
    await second.close()
    const third = await openSmall(folder)
    await third.close()

    const entries = await readAll(folder)
    expect(brief(entries)).toEqual([
      'intent:a',
      'intent:b',
      'intent:c',
      'outcome:b:completed',
      'event:journal.recovered',
      'outcome:a:unknown',
      'outcome:c:unknown',
      'event:journal.recovered',
    ])
    const event = entries[4]
    const detail =
      event?.kind === 'record' && event.record.step.kind === 'event' && event.record.step.detail
    expect(detail).toMatchObject({ closed: 2, epochs: [{ frames: 4, next_seq: 4 }], findings: [] })
  })
})

test('a tool decision needs no outcome', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    await first.append({ ...intent('tool'), kind: 'decision' } as never)
    await first.close()
    const second = await openSmall(folder)
    await second.close()
    expect(brief(await readAll(folder))).toEqual(['decision:tool', 'event:journal.recovered'])
  })
})

test('a file cut at any byte loses only the frames it no longer holds, and opens again', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    for (const id of ['a', 'b', 'c']) await first.append(intent(id))
    await first.close()
    const [name = ''] = await logs(folder)
    const path = join(folder, name)
    const bytes = await readFile(path)
    const before = (await readAll(folder)).length
    expect(before).toBe(3)
    const opened = new Map<number, number>()
    for (let size = bytes.length; size >= 0; size -= 7) {
      await truncate(path, size)
      const entries = await readAll(folder)
      const whole = entries.filter((entry) => entry.kind === 'record').length
      const findings = entries.flatMap((e) => (e.kind === 'finding' ? [e.finding.kind] : []))
      expect(findings.every((kind) => kind === 'torn')).toBe(true)
      opened.set(whole, size)
    }
    expect([...opened.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    for (const [whole, size] of opened) {
      await withFolder(async (copy) => {
        await writeFile(join(copy, name), bytes.subarray(0, size))
        const journal = await openSmall(copy)
        await journal.append(intent('later'))
        await journal.close()
        const ids = ['a', 'b', 'c'].slice(0, whole)
        const expected = [
          ...ids.map((id) => `intent:${id}`),
          'event:journal.recovered',
          ...ids.map((id) => `outcome:${id}:unknown`),
          'intent:later',
        ]
        const read = await readAll(copy)
        expect(brief(read).filter((line) => line !== 'finding')).toEqual(expected)
      })
    }
  })
})

test('damage in the middle is named in the log and the record, and what is whole around it is kept', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    for (const id of ['a', 'b', 'c']) await first.append(intent(id))
    await first.close()
    const [name = ''] = await logs(folder)
    const bytes = await readFile(join(folder, name))
    bytes[Math.floor(bytes.length * 0.6)]! ^= 4
    await writeFile(join(folder, name), bytes)

    const logged: Logged[] = []
    const second = await openSmall(folder, {}, logged)
    expect(logged.map((line) => `${line.level} ${line.event}`)).toEqual([
      'error journal.damaged',
      'error journal.missing',
    ])
    expect(second.status().findings.map((finding) => finding.kind)).toEqual(['damaged', 'missing'])
    await second.close()
    expect(brief(await readAll(folder))).toEqual([
      'intent:a',
      'finding',
      'finding',
      'intent:c',
      'event:journal.recovered',
      'outcome:a:unknown',
      'outcome:c:unknown',
    ])
  })
})

test('a segment that was being begun when all before it had been shipped and removed is no alarm', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder, { segment_bytes: 1 })
    for (const id of ['a', 'b', 'c']) await first.append(intent(id))
    const shipper = first.ship(createMemoryStore(), { linger_ms: 0 })
    expect(await shipper.drained(AbortSignal.timeout(20_000))).toBe(true)
    await first.close()
    const [last = '', ...others] = (await logs(folder)).toReversed()
    expect(others).toEqual([])
    await truncate(join(folder, last), 20)
    const logged: Logged[] = []
    const second = await openSmall(folder, {}, logged)
    expect(second.status().findings.map((finding) => finding.kind)).toEqual(['torn'])
    expect(logged.filter(({ level }) => level === 'error')).toEqual([])
    await second.close()
  })
})

test('segments that are exchanged, repeated or taken away are noticed', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder, { segment_bytes: 1 })
    for (const id of ['a', 'b', 'c', 'd']) await first.append(intent(id))
    await first.close()
    const names = await logs(folder)
    expect(names.length).toBeGreaterThanOrEqual(4)
    const contents = await Promise.all(names.map((name) => readFile(join(folder, name))))
    const findings = async (order: readonly (number | undefined)[]) => {
      let kinds: string[] = []
      await withFolder(async (copy) => {
        for (const [at, from] of order.entries())
          if (from !== undefined) await writeFile(join(copy, names[at]!), contents[from]!)
        kinds = (await readAll(copy)).flatMap((e) => (e.kind === 'finding' ? [e.finding.kind] : []))
      })
      return kinds
    }
    expect(await findings([0, 1, 2, 3])).toEqual([])
    expect(await findings([0, undefined, 2, 3])).toEqual(['missing', 'missing'])
    expect(await findings([0, 1, 1, 3])).toContain('broken_chain')
    expect(await findings([0, 2, 1, 3])).toContain('broken_chain')
  })
})

test('random operations over small segments, cut anywhere and restarted, are each closed exactly once', async () => {
  const steps = fc.array(fc.tuple(fc.nat({ max: 6 }), fc.boolean()), { maxLength: 25 })
  const property = fc.asyncProperty(steps, fc.nat(), fc.integer({ min: 1, max: 900 }), run)
  await fc.assert(property, { numRuns: 25 })

  async function run(list: [number, boolean][], cut: number, segment_bytes: number): Promise<void> {
    await withFolder(async (folder) => {
      const journal = await openSmall(folder, { segment_bytes })
      const begun = new Set<string>()
      for (const [n, ends] of list) {
        const id = `op-${n}`
        if (ends ? !begun.has(id) : begun.has(id)) continue
        await journal.append(ends ? outcome(id) : intent(id))
        if (!ends) begun.add(id)
        else begun.delete(id)
      }
      await journal.close()
      const last = (await logs(folder)).at(-1)
      const path = join(folder, last!)
      const { size } = await stat(path)
      await truncate(path, size - (cut % size))

      for (let start = 0; start < 2; start += 1) await (await openSmall(folder)).close()
      const open = new Map<string, number>()
      for (const entry of await readAll(folder)) {
        if (entry.kind !== 'record' || entry.record.step.kind === 'event') continue
        const { kind, operation_id } = entry.record.step
        open.set(operation_id, (open.get(operation_id) ?? 0) + (kind === 'intent' ? 1 : -1))
      }
      expect([...open.values()].every((count) => count === 0)).toBe(true)
    })
  }
})

test('an operation that outlives its shipped and removed segment is still closed after a crash', async () => {
  await withFolder(async (folder) => {
    const store = createMemoryStore()
    const first = await openSmall(folder, { segment_bytes: 400 })
    const shipper = first.ship(store, { linger_ms: 0 })
    await first.append(intent('long'))
    for (let n = 0; n < 20; n += 1) {
      await first.append(intent(`short-${n}`))
      await first.append(outcome(`short-${n}`))
    }
    expect(await shipper.drained(AbortSignal.timeout(10_000))).toBe(true)
    await eventually(() => first.backlog() === 0, 'all shipped')
    await first.close()
    expect(brief(await readAll(folder))).not.toContain('intent:long')

    const second = await openSmall(folder)
    await second.close()
    expect(brief(await readAll(folder)).filter((line) => line.startsWith('outcome:long'))).toEqual([
      'outcome:long:unknown',
    ])
  })
})

test('past the bound nothing new is taken, what runs may end, and below 90 % it goes on', async () => {
  await withFolder(async (folder) => {
    const max_backlog_bytes = 20_000
    const journal = await openSmall(folder, { max_backlog_bytes, segment_bytes: 4_000 })
    let n = 0
    while (journal.accepting) await journal.append(intent(`op-${(n += 1)}`, new Uint8Array(500)))
    expect(journal.backlog()).toBeGreaterThanOrEqual(max_backlog_bytes)
    await expect(journal.append(intent('late'))).rejects.toThrow(PepError)
    await expect(journal.append(chunk('op-1', new Uint8Array(1)))).rejects.toThrow('bound')
    await journal.append(outcome('op-1'))

    const store = createMemoryStore()
    let allowed = 1
    store.fault = () =>
      (allowed -= 1) < 0 ? { code: 'PDP_UNAVAILABLE', message: 'later' } : undefined
    journal.ship(store, { linger_ms: 0, retry_ms: 1, max_retry_ms: 5 })
    await eventually(() => journal.accepting, 'accepting again')
    expect(journal.backlog()).toBeLessThan(max_backlog_bytes * 0.9)
    await journal.append(intent('again'))
    await journal.close()
  })
})

test('a second journal on the same folder is refused with the process that has it', async () => {
  await withFolder(async (folder) => {
    const first = await openSmall(folder)
    await expect(openSmall(folder)).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
    await expect(openSmall(folder)).rejects.toThrow(`process ${process.pid}`)
    await first.append(intent('a'))
    await first.close()
    const second = await openSmall(folder)
    await second.close()
  })
})

test('a folder that cannot be made is an error that names it', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'file'), '')
    const opened = openSmall(join(folder, 'file', 'journal'))
    await expect(opened).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
  })
})

test('a record that cannot be encoded is refused alone', async () => {
  await withFolder(async (folder) => {
    const journal = await openSmall(folder)
    const cyclic: Record<string, unknown> = {}
    cyclic['self'] = cyclic
    const event = { kind: 'event', time_ms: 1, name: 'x', detail: cyclic } as const
    await expect(journal.append(event)).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
    await journal.append(intent('a'))
    expect(journal.accepting).toBe(true)
    await journal.close()
    expect(brief(await readAll(folder))).toEqual(['intent:a'])
  })
})

test('epochs keep their order when the clock goes back', async () => {
  await withFolder(async (folder) => {
    let time = Date.UTC(2026, 5, 1)
    for (let n = 0; n < 3; n += 1) {
      const journal = await openSmall(folder, { now: () => time })
      await journal.append(intent(`op-${n}`))
      await journal.close()
      time -= 86_400_000
    }
    const intents = brief(await readAll(folder)).filter((line) => line.startsWith('intent'))
    expect(intents).toEqual(['intent:op-0', 'intent:op-1', 'intent:op-2'])
  })
})
