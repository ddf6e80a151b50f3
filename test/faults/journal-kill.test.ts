import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSmall, withFolder } from '../../pep/journal/testing.ts'
import { serveStore } from './store-over-http.ts'

const LIVES = 6

/** Runs a journal under load, kills it with SIGKILL after a random time. @returns what it said was on disk. */
async function liveAndDie(
  folder: string,
  url: string,
  life: number,
  during = async () => {},
): Promise<string[]> {
  const script = join(import.meta.dirname, 'journal-load.ts')
  const child = spawn(process.execPath, [script, folder, url, String(life)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  await during()
  await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 250))
  child.kill('SIGKILL')
  const [, signal] = (await closed) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  const lines = Buffer.concat(chunks).toString().split('\n')
  return lines.slice(0, -1) // a line that was cut off says nothing
}

test('after kill -9 under load every record that was reported as written is in the store, once', async () => {
  await withFolder(async (folder) => {
    const { store, url, close } = await serveStore()
    const said: string[] = []
    for (let life = 0; life < LIVES; life += 1) said.push(...(await liveAndDie(folder, url, life)))
    const journal = await openSmall(folder)
    const shipper = journal.ship(store, { linger_ms: 0 })
    expect(await shipper.drained(AbortSignal.timeout(20_000))).toBe(true)
    expect(journal.status().findings.filter((finding) => finding.kind !== 'torn')).toEqual([])
    await journal.close()
    await close()

    const intents = new Map<string, number>()
    const outcomes = new Map<string, string[]>()
    for (const record of store.records()) {
      if (record.kind === 'intent')
        intents.set(record.operation_id, (intents.get(record.operation_id) ?? 0) + 1)
      if (record.kind === 'outcome')
        outcomes.set(record.operation_id, [
          ...(outcomes.get(record.operation_id) ?? []),
          record.result,
        ])
    }
    expect(said.length).toBeGreaterThan(LIVES * 20)
    for (const line of said) {
      const [kind, id = ''] = line.split(' ')
      if (kind === 'i' && intents.get(id) !== 1) expect.fail(`${id}: ${intents.get(id)} intents`)
      if (kind === 'o' && outcomes.get(id)?.join() !== 'completed')
        expect.fail(`${id}: ${outcomes.get(id)?.join()}`)
    }
    for (const id of intents.keys()) {
      expect(intents.get(id)).toBe(1)
      expect(outcomes.get(id)).toHaveLength(1)
    }
    const unknown = [...outcomes.values()].filter(([result]) => result === 'unknown')
    expect(unknown.length).toBeGreaterThan(0)
    // Whatever was shipped came with its key, and whole.
    expect(await store.opened()).toHaveLength(store.records().length)
    for (const epoch of store.epochs.values()) {
      const seqs = [...epoch.keys()].sort((a, b) => a - b)
      expect(seqs).toEqual(seqs.map((_, n) => n))
    }
  })
}, 60_000)

test('the folder of a running process is refused, that of a killed one is free at once', async () => {
  await withFolder(async (folder) => {
    const { url, close } = await serveStore()
    await liveAndDie(folder, url, 0, async () => {
      await expect(openSmall(folder)).rejects.toThrow('in use by another process (process ')
    })
    const journal = await openSmall(folder)
    await journal.close()
    await close()
  })
})
