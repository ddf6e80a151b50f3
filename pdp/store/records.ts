import { sql } from 'drizzle-orm'
import { APPEND_DEADLINE_MS, type Transaction, type Use } from './connection.ts'
import { type AppendLeaves, readHead } from './log/append.ts'
import { noteSessions } from './note-sessions.ts'
import { insertSealed } from './sealed/insert.ts'
import { eraseLate } from './sealed/late-keys.ts'
import type { AppendResult, IndexedFrame, RecordAppend, RecordStore } from './store.ts'

/** `prev` of the first frame of an epoch. */
const GENESIS = Buffer.alloc(32)

/** What the next frame of an epoch continues. */
type Last = { readonly next: number; readonly digest: Uint8Array }

export function createRecordStore(use: Use, appendLeaves: AppendLeaves): RecordStore {
  return {
    append: (batch) =>
      use(
        ({ repeating }) =>
          repeating.transaction((transaction) => append(transaction, appendLeaves, batch)),
        APPEND_DEADLINE_MS,
      ),
    alarms: () =>
      use(async ({ db }) => {
        const [row] = await db.execute<{ count: string }>(
          sql`select count(*) from countersign.record_alarms`,
        )
        return Number(row?.count ?? 0)
      }),
  }
}

async function append(
  transaction: Transaction,
  appendLeaves: AppendLeaves,
  batch: RecordAppend,
): Promise<AppendResult> {
  // Every lookup here has an index; a table that just grew has no statistics that would say so.
  await transaction.execute(sql`select set_config('enable_seqscan', 'off', true),
    set_config('statement_timeout', ${String(APPEND_DEADLINE_MS - 5_000)}, true),
    pg_advisory_xact_lock(hashtextextended(${JSON.stringify([batch.pep, batch.epoch])}, 0))`)
  const last = await readLast(transaction, batch)
  const [first] = batch.frames
  if (!first) {
    await takeKeys(transaction, batch)
    return { ok: true, seq: last.next - 1, fresh: 0 }
  }
  if (first.seq > last.next) return { ok: false, expected: last.next }
  const broken = brokenLink(batch.frames)
  if (broken !== undefined) return { ok: false, expected: broken }

  const known = batch.frames.filter((frame) => frame.seq < last.next)
  const fresh = batch.frames.slice(known.length)
  const conflict = (await differing(transaction, batch, known)) ?? forked(last, fresh[0])
  if (conflict) {
    await raiseAlarm(transaction, batch, conflict)
    return { ok: false, conflict: conflict.seq }
  }
  if (fresh.length === 0) {
    await takeKeys(transaction, batch)
    return { ok: true, seq: last.next - 1, fresh: 0 }
  }
  await insertSealed(transaction, batch, fresh)
  await appendLeaves(
    transaction,
    fresh.map(({ leaf, digest }) => ({ body: leaf, digest })),
  )
  await noteSessions(
    transaction,
    fresh.map(({ leaf }) => leaf),
  )
  await eraseLate(transaction, { keys: batch.keys, frames: fresh })
  return { ok: true, seq: last.next + fresh.length - 1, fresh: fresh.length }
}

/** Keys alone: whoever sent them deletes them once we have said that we have the batch, whatever else was in it. */
async function takeKeys(transaction: Transaction, batch: RecordAppend): Promise<void> {
  if (batch.keys.length === 0) return
  await insertSealed(transaction, batch, [])
  await readHead(transaction, sql`for update`)
  await eraseLate(transaction, { keys: batch.keys, frames: [] })
}

async function readLast(transaction: Transaction, { pep, epoch }: RecordAppend): Promise<Last> {
  const [last] = await transaction.execute<{ seq: string; digest: Uint8Array }>(sql`
    select seq, digest from countersign.leaves
    where pep = ${pep} and epoch = ${epoch} order by seq desc limit 1`)
  return last ? { next: Number(last.seq) + 1, digest: last.digest } : { next: 0, digest: GENESIS }
}

/** The number of the first frame that does not continue the one before it in the batch. */
function brokenLink(frames: readonly IndexedFrame[]): number | undefined {
  return frames.find((frame, at) => {
    const before = frames[at - 1]
    return before && (frame.seq !== before.seq + 1 || !same(frame.prev, before.digest))
  })?.seq
}

type Conflict = { readonly seq: number; readonly stored: Uint8Array; readonly offered: Uint8Array }

/** The first frame that is on record with another digest. */
async function differing(
  transaction: Transaction,
  { pep, epoch }: RecordAppend,
  known: readonly IndexedFrame[],
): Promise<Conflict | undefined> {
  const from = known[0]?.seq
  const to = known.at(-1)?.seq
  if (from === undefined || to === undefined) return undefined
  const stored = await transaction.execute<{ digest: Uint8Array }>(sql`
    select digest from countersign.leaves
    where pep = ${pep} and epoch = ${epoch} and seq between ${from} and ${to} order by seq`)
  for (const [at, frame] of known.entries()) {
    // Fail closed: a frame that should be there and is not differs as well.
    const digest = stored[at]?.digest ?? GENESIS
    if (!same(digest, frame.digest))
      return { seq: frame.seq, stored: digest, offered: frame.digest }
  }
  return undefined
}

/** A next frame whose `prev` is not our last digest names another last frame: the same number, another digest. */
function forked(last: Last, next: IndexedFrame | undefined): Conflict | undefined {
  if (!next || same(next.prev, last.digest)) return undefined
  return { seq: Math.max(last.next - 1, 0), stored: last.digest, offered: next.prev }
}

/** The only thing that this transaction keeps. A journal that is shipped again and again is one alarm. */
async function raiseAlarm(
  transaction: Transaction,
  { pep, epoch, received_ms }: RecordAppend,
  { seq, stored, offered }: Conflict,
): Promise<void> {
  await transaction.execute(sql`
    insert into countersign.record_alarms (pep, epoch, seq, digest, offered, received_ms)
    values (${pep}, ${epoch}, ${seq}, ${stored}, ${offered}, ${received_ms})
    on conflict do nothing`)
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
