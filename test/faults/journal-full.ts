import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openJournal } from '../../pep/journal/journal.ts'
import { readJournal } from '../../pep/journal/read.ts'
import { testSealer } from '../../sealing/testing.ts'
import { eventually, intent, outcome } from '../../pep/journal/testing.ts'

/**
 * Run as a process on a file system or under a limit that runs out: fills the journal until it fails, makes room,
 * waits until it takes records again. Says on stdout, as JSON, what was accepted, refused, and is on disk.
 *
 * With `ballast` as second argument it is a file that takes room until it is removed.
 */
const [folder = '', ballast] = process.argv.slice(2)
if (ballast) await writeFile(ballast, Buffer.alloc(3 * 1024 * 1024))

const events: string[] = []
const journal = await openJournal({
  folder: join(folder, 'journal'),
  pep: 'pep-test',
  max_backlog_bytes: 1e9,
  seal: await testSealer(),
  retry_ms: 20,
  log: (_level, event) => events.push(event),
  now: Date.now,
})
const accepted: string[] = []
const refused: string[] = []
const codes = new Set<string>()

async function tryIntent(id: string): Promise<void> {
  try {
    await journal.append(intent(id, Buffer.alloc(20_000, id)))
    accepted.push(id)
  } catch (error) {
    refused.push(id)
    codes.add((error as { code: string }).code)
  }
}

await tryIntent('under-way')
for (let n = 0; journal.accepting; n += 5) {
  await Promise.all([0, 1, 2, 3, 4].map((more) => tryIntent(`op-${n + more}`)))
}
// Before anything else happens: refused at once, and the one under way cannot be ended properly.
await tryIntent('while-full')
const ended = await journal.append(outcome('under-way')).then(
  () => 'written',
  () => 'refused',
)
let stayedFull = true
if (ballast) {
  await new Promise((resolve) => setTimeout(resolve, 300))
  stayedFull = !journal.accepting && journal.status().failed !== undefined
  await rm(ballast)
}
await eventually(() => journal.accepting, 'accepting again')
await tryIntent('after')
await journal.close()

const onDisk: string[] = []
const findings: string[] = []
for await (const entry of readJournal(join(folder, 'journal'))) {
  if (entry.kind === 'finding') findings.push(entry.finding.kind)
  if (entry.kind !== 'record') continue
  const record = entry.record.step
  if (record.kind === 'event') onDisk.push(`event ${record.name}`)
  else onDisk.push(`${record.kind} ${record.operation_id}`)
  if (record.kind === 'outcome') onDisk.push(`${record.operation_id} ${record.result}`)
}
const report = { accepted, refused, codes: [...codes], ended, stayedFull, onDisk, findings, events }
process.stdout.write(JSON.stringify(report))
