import { sql } from 'drizzle-orm'
import type { Transaction } from '../connection.ts'
import type { IndexedFrame, RecordAppend } from '../store.ts'
import { columnText } from '../text.ts'

/** Most bytes of one statement: its text is about twice that. */
const MAX_BYTES = 8 * 1024 * 1024

/** A row, and where its bytes are in the one parameter that has all of them. */
type Row = {
  readonly bytes: Uint8Array
  readonly columns: Readonly<Record<string, string | number>>
}

/**
 * Keeps keys and sealed content of frames. What is sealed under a key that was erased meanwhile is not kept: nobody could
 * ever read it.
 */
export async function insertSealed(
  transaction: Transaction,
  { pep, epoch, keys }: RecordAppend,
  frames: readonly IndexedFrame[],
): Promise<void> {
  for (const { bytes, rows } of packed(keys.map(keyRow)))
    await transaction.execute(sql`
      insert into countersign.session_keys (id, session_id, connection, wrapped, created_ms)
      select id, session_id, connection, substring(b.bytes from k.at for k.size), created_ms
      from (select ${bytes}::bytea as bytes) as b, json_to_recordset(${JSON.stringify(rows)}::text::json) as k(
        at integer, size integer, id text, session_id text, connection text, created_ms bigint)
      on conflict do nothing`)
  for (const { bytes, rows } of packed(frames.flatMap(recordRow)))
    await transaction.execute(sql`
      insert into countersign.sealed_records (pep, epoch, seq, key_id, sealed)
      select ${pep}, ${epoch}, r.seq, r.key_id, substring(b.bytes from r.at for r.size)
      from (select ${bytes}::bytea as bytes) as b, json_to_recordset(${JSON.stringify(rows)}::text::json) as r(
        at integer, size integer, seq bigint, key_id text)
      where not exists (select from countersign.session_keys k where k.id = r.key_id and k.wrapped is null)
      on conflict do nothing`)
  for (const { bytes, rows } of packed(frames.flatMap(blockRows)))
    await transaction.execute(sql`
      insert into countersign.sealed_blocks (key_id, block_id, sealed)
      select r.key_id, r.block_id, substring(b.bytes from r.at for r.size)
      from (select ${bytes}::bytea as bytes) as b, json_to_recordset(${JSON.stringify(rows)}::text::json) as r(
        at integer, size integer, key_id text, block_id text)
      where not exists (select from countersign.session_keys k where k.id = r.key_id and k.wrapped is null)
      order by r.key_id, r.block_id
      on conflict do nothing`)
}

const keyRow = ({
  wrapped,
  id,
  session_id,
  connection,
  created_ms,
}: RecordAppend['keys'][number]): Row => ({
  bytes: wrapped,
  columns: {
    id: columnText(id),
    session_id: columnText(session_id),
    connection: columnText(connection),
    created_ms,
  },
})

const recordRow = ({ seq, content }: IndexedFrame): readonly Row[] =>
  content
    ? [
        {
          bytes: content.sealed,
          columns: { seq, key_id: columnText(content.key) },
        },
      ]
    : []

const blockRows = ({ content }: IndexedFrame): readonly Row[] =>
  (content?.blocks ?? []).map(({ id, sealed }) => ({
    bytes: sealed,
    columns: { key_id: columnText(content?.key ?? ''), block_id: columnText(id) },
  }))

function* packed(
  rows: readonly Row[],
): Generator<{ readonly bytes: Uint8Array; readonly rows: readonly Row['columns'][] }> {
  let start = 0
  let size = 0
  for (const [at, { bytes }] of rows.entries()) {
    if (at > start && size + bytes.length > MAX_BYTES) {
      yield pack(rows.slice(start, at))
      start = at
      size = 0
    }
    size += bytes.length
  }
  if (start < rows.length) yield pack(rows.slice(start))
}

function pack(rows: readonly Row[]) {
  // SQL counts from 1.
  let at = 1
  const placed = rows.map(({ bytes, columns }) => {
    const row = { ...columns, at, size: bytes.length }
    at += bytes.length
    return row
  })
  return { bytes: Buffer.concat(rows.map(({ bytes }) => bytes)), rows: placed }
}
