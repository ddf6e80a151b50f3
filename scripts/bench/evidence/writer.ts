import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import type { PdpClient } from '../../../pdp/contract/client.ts'
import { sealedRecord } from '../../../pdp/contract/record.ts'
import { assertNever } from '../../../pdp/contract/result.ts'
import { decodePayload } from '../../../pep/journal/frame.ts'
import { type LocalJournal, openJournal } from '../../../pep/journal/journal.ts'
import { createHttpPdpClient } from '../../../pep/pdp-client.ts'
import { openMasterKey } from '../../../sealing/master-key.ts'
import { createSealer } from '../../../sealing/sealer.ts'
import { createWrapper } from '../../../sealing/wrapper.ts'
import { recordsOf } from './records.ts'
import type { Job, ToParent, Written } from './writers.ts'

/** One enforcement point's journal in a process of its own; see `writers.ts`, which starts it. */

/** Resolves when it is on its way: a process that ends before takes it along. */
const tell = (message: ToParent): Promise<void> =>
  new Promise((done) => process.send?.(message, undefined, undefined, () => done()))

const told = (): Promise<void> => new Promise((done) => process.once('message', () => done()))

/** A journal on disk, and a client that notes each batch as it is acknowledged. */
async function openWriter({ pep, url, token }: Extract<Job, { url: string }>, written: Written) {
  const master = await openMasterKey({ env: 'BENCH_MASTER_KEY' }, process.env)
  if (!master.ok) throw new Error(master.error)
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const journal = await openJournal({
    folder,
    pep,
    max_backlog_bytes: 8e9,
    seal: createSealer({ wrapper: await createWrapper(master.value), now: Date.now }),
    log: (level, event, detail) => {
      if (level === 'error') console.error(pep, event, detail)
    },
    now: Date.now,
  })
  const client = createHttpPdpClient({ url: new URL(url), token: process.env[token] ?? '' })
  const noting: PdpClient = {
    ...client,
    async append(batch, call) {
      const started = performance.now()
      const answer = await client.append(batch, call)
      if (!answer.ok) {
        written.errors.push(`${answer.error.code}: ${answer.error.message}`)
        return answer
      }
      written.batches_ms.push(performance.now() - started)
      written.frames += batch.frames.length
      written.ended_ms = Date.now()
      return answer
    },
  }
  return {
    journal,
    noting,
    async close() {
      await journal.close()
      await client.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const nothing = (): Written => ({
  frames: 0,
  started_ms: 0,
  ended_ms: 0,
  batches_ms: [],
  step_to_ack_ms: [],
  errors: [],
})

/** Journals all of it, and then ships it as fast as it is taken. */
async function ship(job: Extract<Job, { kind: 'ship' }>): Promise<Written> {
  const written = nothing()
  const writer = await openWriter(job, written)
  const records = recordsOf(job.pep, Date.now)
  for (let at = 0; at < job.steps; at += GROUP)
    await Promise.all(
      Array.from({ length: Math.min(GROUP, job.steps - at) }, () =>
        writer.journal.append(records.next().value),
      ),
    )
  await tell({ kind: 'ready' })
  await told()
  written.started_ms = Date.now()
  await drained(writer.journal, writer.noting)
  await writer.close()
  return written
}

const GROUP = 1000
const PATIENCE_MS = 120_000

async function drained(journal: LocalJournal, client: PdpClient): Promise<void> {
  const shipper = journal.ship(client)
  if (!(await shipper.drained(AbortSignal.timeout(PATIENCE_MS))))
    throw new Error('the journal was not taken in time')
}

/** Journals steps as they are due, and ships them meanwhile. */
async function pace(job: Extract<Job, { kind: 'pace' }>): Promise<Written> {
  const written = nothing()
  const writer = await openWriter(job, written)
  const records = recordsOf(job.pep, Date.now)
  const noting: PdpClient = {
    ...writer.noting,
    async append(batch, call) {
      const answer = await writer.noting.append(batch, call)
      const acknowledged_ms = Date.now()
      if (answer.ok)
        for (const { payload } of batch.frames) {
          const { step } = sealedRecord.parse(decodePayload(payload))
          // Its first seconds are those of a process that has just begun.
          if (step.kind !== 'event' && step.time_ms >= written.started_ms + job.warm_up_s * 1000)
            written.step_to_ack_ms.push(acknowledged_ms - step.time_ms)
        }
      return answer
    },
  }
  await tell({ kind: 'ready' })
  await told()
  const shipper = writer.journal.ship(noting)
  written.started_ms = Date.now()
  const began = performance.now()
  const seconds = job.warm_up_s + job.seconds
  const appended: Promise<void>[] = []
  for (;;) {
    const elapsed_s = (performance.now() - began) / 1000
    const due = Math.min(elapsed_s, seconds) * job.steps_per_s
    while (appended.length < due) appended.push(writer.journal.append(records.next().value))
    if (elapsed_s >= seconds) break
    await sleep(TICK_MS)
  }
  await Promise.all(appended)
  if (!(await shipper.drained(AbortSignal.timeout(PATIENCE_MS))))
    throw new Error('the journal was not taken in time')
  await writer.close()
  return written
}

const TICK_MS = 5

/** The same records, in the open, into a table that is nothing but a table. */
async function plain(job: Extract<Job, { kind: 'plain' }>): Promise<Written> {
  const written = nothing()
  const sql = postgres(job.database, { max: 1 })
  const records = recordsOf(job.pep, Date.now)
  const rows = Array.from({ length: job.steps }, (_, seq) => {
    const record = records.next().value
    const session_id =
      'request' in record
        ? record.request.context.session.id
        : 'session_id' in record
          ? record.session_id
          : null
    const operation_id = 'operation_id' in record ? record.operation_id : null
    const { kind, time_ms } = record
    return { seq, kind, time_ms, session_id, operation_id, record: JSON.stringify(record, asText) }
  })
  await sql`select 1`
  await tell({ kind: 'ready' })
  await told()
  written.started_ms = Date.now()
  for (let at = 0; at < rows.length; at += GROUP) {
    const started = performance.now()
    const some = rows.slice(at, at + GROUP)
    await sql`
      insert into plain_records (pep, seq, kind, time_ms, session_id, operation_id, record)
      select ${job.pep}, seq, kind, time_ms, session_id, operation_id, record
      from json_to_recordset(${JSON.stringify(some)}::text::json) as r(
        seq bigint, kind text, time_ms bigint, session_id text, operation_id text, record text)`
    written.batches_ms.push(performance.now() - started)
    written.frames += some.length
  }
  written.ended_ms = Date.now()
  await sql.end()
  return written
}

/** Bodies of the bench are text. `this` has the value before its own `toJSON`. */
function asText(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const before = this[name]
  return Buffer.isBuffer(before) ? before.toString() : value
}

function run(job: Job): Promise<Written> {
  switch (job.kind) {
    case 'ship':
      return ship(job)
    case 'pace':
      return pace(job)
    case 'plain':
      return plain(job)
    default:
      return assertNever(job)
  }
}

// What a journal waits with holds no process up.
const alive = setInterval(() => undefined, 1000)
await tell({ kind: 'done', written: await run(JSON.parse(process.argv[2] ?? '') as Job) })
clearInterval(alive)
process.disconnect?.()
