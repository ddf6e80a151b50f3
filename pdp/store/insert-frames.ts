import type { TransactionSql } from 'postgres'
import type { IndexedFrame, RecordAppend, RecordIndex } from './store.ts'
import { storable } from './text.ts'

/** Most of one statement: its text is about twice its payload. */
const MAX_BYTES = 8 * 1024 * 1024
const MAX_FRAMES = 2_000
const DIGEST_BYTES = 32
/** Longest value of a column that can be asked for; an index holds no more than 2,704 bytes. The payload has it whole. */
const MAX_CHARACTERS = 512

/**
 * Inserts frames with few statements of two parameters: all bytes in one, and what says where they are and what
 * they hold as JSON in the other. The server cuts them apart.
 */
export async function insertFrames(
  sql: TransactionSql,
  batch: RecordAppend,
  frames: readonly IndexedFrame[],
): Promise<void> {
  for (const group of groups(frames)) {
    const { bytes, rows } = pack(group)
    await sql`
      insert into countersign.records (
        pep, epoch, received_ms, seq, prev, digest, payload, kind, time_ms, operation_id, parent_id, session_id,
        session_label, connection, action, effect, subject_id, issuer, decision_id, result)
      select ${batch.pep}, ${batch.epoch}, ${batch.received_ms}, f.seq,
        substring(b.bytes from f.at for 32), substring(b.bytes from f.at + 32 for 32),
        substring(b.bytes from f.at + 64 for f.size),
        f.kind, f.time_ms, f.operation_id, f.parent_id, f.session_id, f.session_label, f.connection, f.action,
        f.effect, f.subject_id, f.issuer, f.decision_id, f.result
      from (select ${bytes}::bytea as bytes) as b,
        json_to_recordset(${JSON.stringify(rows)}::text::json) as f(
          seq bigint, at integer, size integer, kind text, time_ms bigint, operation_id text, parent_id text,
          session_id text, session_label text, connection text, action text, effect text, subject_id text,
          issuer text, decision_id text, result text)`
  }
}

function* groups(frames: readonly IndexedFrame[]): Generator<readonly IndexedFrame[]> {
  let start = 0
  let bytes = 0
  for (const [at, frame] of frames.entries()) {
    if (at > start && (at - start >= MAX_FRAMES || bytes + frame.payload.length > MAX_BYTES)) {
      yield frames.slice(start, at)
      start = at
      bytes = 0
    }
    bytes += frame.payload.length
  }
  if (start < frames.length) yield frames.slice(start)
}

function pack(frames: readonly IndexedFrame[]) {
  const parts: Uint8Array[] = []
  const rows: Readonly<Record<string, string | number>>[] = []
  // SQL counts from 1.
  let at = 1
  for (const { seq, prev, digest, payload, index } of frames) {
    parts.push(prev, digest, payload)
    rows.push({ ...columns(index), seq, at, size: payload.length })
    at += 2 * DIGEST_BYTES + payload.length
  }
  return { bytes: Buffer.concat(parts), rows }
}

/** Values as columns hold them. */
export function columns(index: RecordIndex): Readonly<Record<string, string | number>> {
  const held: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(index))
    if (value !== undefined) held[name] = typeof value === 'string' ? columnText(value) : value
  return held
}

export function columnText(text: string): string {
  return storable(text.slice(0, MAX_CHARACTERS))
}
