import { writeSync } from 'node:fs'
import { openJournal } from '../../pep/journal/journal.ts'
import { testSealer } from '../../sealing/testing.ts'
import { intent, outcome } from '../../pep/journal/testing.ts'
import { storeClient } from './store-over-http.ts'

/**
 * Run as a process, to be killed: journals operations as fast as it can and ships them, and says `i <id>` and
 * `o <id>` on stdout once an intent or outcome is on disk.
 */
const [folder = '', url = '', life = ''] = process.argv.slice(2)
const journal = await openJournal({
  folder,
  pep: 'pep-test',
  max_backlog_bytes: 1e9,
  seal: await testSealer(),
  segment_bytes: 100_000,
  log: () => undefined,
  now: Date.now,
})
journal.ship(storeClient(url), { linger_ms: 1 })

async function work(worker: number): Promise<void> {
  for (let n = 0; ; n += 1) {
    const id = `op-${life}-${worker}-${n}`
    await journal.append(intent(id, new Uint8Array(n % 2000)))
    writeSync(1, `i ${id}\n`)
    if (worker === 0 && n % 3 === 0) continue // some never end
    await journal.append(outcome(id))
    writeSync(1, `o ${id}\n`)
  }
}
await Promise.all(Array.from({ length: 16 }, (_, worker) => work(worker)))
