import type { Sql, TransactionSql } from 'postgres'
import { APPEND_DEADLINE_MS, type Use } from './connection.ts'
import { insertFrames } from './insert-frames.ts'
import { findSessions } from './find-sessions.ts'
import { noteSessions } from './note-sessions.ts'
import type { AppendResult, IndexedFrame, RecordAppend, RecordStore } from './store.ts'

/** `prev` of the first frame of an epoch. */
const GENESIS = Buffer.alloc(32)

/** What the next frame of an epoch continues. */
type Head = { readonly next: number; readonly digest: Uint8Array }

export function createRecordStore(use: Use): RecordStore {
  return {
    append: (batch) =>
      use(({ sql }) => sql.begin((transaction) => append(transaction, batch)), APPEND_DEADLINE_MS),
    alarms: () => use(({ sql }) => countAlarms(sql)),
  }
}

async function append(sql: TransactionSql, batch: RecordAppend): Promise<AppendResult> {
  // Every lookup here has an index; a table that just grew has no statistics that would say so.
  await sql`select set_config('enable_seqscan', 'off', true),
    set_config('statement_timeout', ${String(APPEND_DEADLINE_MS - 5_000)}, true),
    pg_advisory_xact_lock(hashtextextended(${JSON.stringify([batch.pep, batch.epoch])}, 0))`
  const head = await readHead(sql, batch)
  const [first] = batch.frames
  if (!first) return { ok: true, seq: head.next - 1 }
  if (first.seq > head.next) return { ok: false, expected: head.next }
  const broken = brokenLink(batch.frames)
  if (broken !== undefined) return { ok: false, expected: broken }

  const known = batch.frames.filter((frame) => frame.seq < head.next)
  const fresh = batch.frames.slice(known.length)
  const conflict = (await differing(sql, batch, known)) ?? forked(head, fresh[0])
  if (conflict) {
    await raiseAlarm(sql, batch, conflict)
    return { ok: false, conflict: conflict.seq }
  }
  const placed = await findSessions(sql, batch.pep, fresh)
  await insertFrames(sql, batch, placed)
  await noteSessions(sql, placed)
  return { ok: true, seq: Math.max(head.next, (fresh.at(-1)?.seq ?? -1) + 1) - 1 }
}

async function readHead(sql: TransactionSql, { pep, epoch }: RecordAppend): Promise<Head> {
  const [last] = await sql<{ seq: string; digest: Uint8Array }[]>`
    select seq, digest from countersign.records
    where pep = ${pep} and epoch = ${epoch} order by seq desc limit 1`
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
  sql: TransactionSql,
  { pep, epoch }: RecordAppend,
  known: readonly IndexedFrame[],
): Promise<Conflict | undefined> {
  const from = known[0]?.seq
  const to = known.at(-1)?.seq
  if (from === undefined || to === undefined) return undefined
  const stored = await sql<{ digest: Uint8Array }[]>`
    select digest from countersign.records
    where pep = ${pep} and epoch = ${epoch} and seq between ${from} and ${to} order by seq`
  for (const [at, frame] of known.entries()) {
    // Fail closed: a frame that should be there and is not differs as well.
    const digest = stored[at]?.digest ?? GENESIS
    if (!same(digest, frame.digest))
      return { seq: frame.seq, stored: digest, offered: frame.digest }
  }
  return undefined
}

/** A next frame whose `prev` is not our last digest names another last frame: the same number, another digest. */
function forked(head: Head, next: IndexedFrame | undefined): Conflict | undefined {
  if (!next || same(next.prev, head.digest)) return undefined
  return { seq: Math.max(head.next - 1, 0), stored: head.digest, offered: next.prev }
}

/** The only thing that this transaction keeps. A journal that is shipped again and again is one alarm. */
async function raiseAlarm(
  sql: TransactionSql,
  { pep, epoch, received_ms }: RecordAppend,
  { seq, stored, offered }: Conflict,
): Promise<void> {
  await sql`insert into countersign.record_alarms (pep, epoch, seq, digest, offered, received_ms)
    values (${pep}, ${epoch}, ${seq}, ${stored}, ${offered}, ${received_ms})
    on conflict do nothing`
}

async function countAlarms(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: string }[]>`select count(*) from countersign.record_alarms`
  return Number(row?.count ?? 0)
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
