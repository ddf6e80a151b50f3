import type { TransactionSql } from 'postgres'
import { columnText } from './insert-frames.ts'
import type { IndexedFrame, RecordIndex } from './store.ts'

type Seen = {
  readonly id: string
  subject_id: string
  issuer: string
  first_ms: number
  last_ms: number
  readonly labels: Set<string>
  /** By what and name, as JSON. */
  readonly counts: Map<string, number>
}

/**
 * Keeps the list of sessions up to date with new records, in the same transaction, so each is counted once. Rows are
 * taken in order, so that two appends that meet cannot block each other for good.
 */
export async function noteSessions(
  sql: TransactionSql,
  frames: readonly IndexedFrame[],
): Promise<void> {
  const seen = collect(frames)
  if (seen.length === 0) return
  await sql`
    insert into countersign.sessions as known (id, subject_id, issuer, first_ms, last_ms)
    select id, subject_id, issuer, first_ms, last_ms
    from json_to_recordset(${JSON.stringify(seen)}::text::json)
      as s(id text, subject_id text, issuer text, first_ms bigint, last_ms bigint)
    order by id
    on conflict (id) do update set
      first_ms = least(known.first_ms, excluded.first_ms), last_ms = greatest(known.last_ms, excluded.last_ms)`
  await noteCounts(sql, seen)
  await noteLabels(sql, seen)
}

async function noteCounts(sql: TransactionSql, seen: readonly Seen[]): Promise<void> {
  const rows = seen.flatMap(({ id, counts }) =>
    [...counts].map(([key, count]) => {
      const [what, name] = JSON.parse(key) as [string, string]
      return { id, what, name, count }
    }),
  )
  if (rows.length === 0) return
  await sql`
    insert into countersign.session_counts as known (session_id, what, name, count)
    select id, what, name, count
    from json_to_recordset(${JSON.stringify(rows)}::text::json) as c(id text, what text, name text, count bigint)
    order by id, what, name
    on conflict (session_id, what, name) do update set count = known.count + excluded.count`
}

async function noteLabels(sql: TransactionSql, seen: readonly Seen[]): Promise<void> {
  const rows = seen.flatMap(({ id, labels }) => [...labels].map((label) => ({ id, label })))
  if (rows.length === 0) return
  await sql`
    insert into countersign.session_labels (session_id, label)
    select id, label from json_to_recordset(${JSON.stringify(rows)}::text::json) as l(id text, label text)
    order by id, label
    on conflict do nothing`
}

function collect(frames: readonly IndexedFrame[]): readonly Seen[] {
  const sessions = new Map<string, Seen>()
  for (const { index } of frames) {
    if (index.session_id === undefined) continue
    const id = columnText(index.session_id)
    const seen = sessions.get(id) ?? begin(id, index)
    sessions.set(id, seen)
    seen.subject_id ||= columnText(index.subject_id ?? '')
    seen.issuer ||= columnText(index.issuer ?? '')
    seen.first_ms = Math.min(seen.first_ms, index.time_ms)
    seen.last_ms = Math.max(seen.last_ms, index.time_ms)
    if (index.session_label !== undefined) seen.labels.add(columnText(index.session_label))
    for (const [what, name] of counted(index)) {
      const key = JSON.stringify([what, columnText(name)])
      seen.counts.set(key, (seen.counts.get(key) ?? 0) + 1)
    }
  }
  return [...sessions.values()]
}

function begin(id: string, { time_ms }: RecordIndex): Seen {
  return {
    id,
    subject_id: '',
    issuer: '',
    first_ms: time_ms,
    last_ms: time_ms,
    labels: new Set(),
    counts: new Map(),
  }
}

/** An operation is decided by one record, an intent or a decision, and ends with one. */
function counted(index: RecordIndex): readonly (readonly [what: string, name: string])[] {
  if (index.kind === 'outcome') return [['result', index.result ?? 'unknown']]
  if (index.kind !== 'intent' && index.kind !== 'decision') return []
  return [
    ['effect', index.effect ?? 'unknown'],
    ['action', index.action ?? 'unknown'],
  ]
}
