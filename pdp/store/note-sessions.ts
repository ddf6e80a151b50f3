import { sql } from 'drizzle-orm'
import type { LeafBody } from '../evidence/log-store.ts'
import type { Connection, Transaction } from './connection.ts'
import { columnText } from './text.ts'

type Seen = {
  readonly id: string
  subject_id: string
  issuer: string
  first_ms: number
  last_ms: number
  /** By what and name, as JSON. */
  readonly counts: Map<string, number>
}

/**
 * Keeps the list of sessions up to date with new records, in the same transaction, so each is counted once. Rows are
 * taken in order, so that two appends that meet cannot block each other for good.
 */
export async function noteSessions(
  transaction: Transaction,
  leaves: readonly LeafBody[],
): Promise<void> {
  const seen = collect(leaves)
  if (seen.length === 0) return
  await transaction.execute(sql`
    insert into countersign.sessions as known (id, subject_id, issuer, first_ms, last_ms)
    select id, subject_id, issuer, first_ms, last_ms
    from json_to_recordset(${JSON.stringify(seen)}::text::json)
      as s(id text, subject_id text, issuer text, first_ms bigint, last_ms bigint)
    order by id
    on conflict (id) do update set
      -- An end may come before its beginning, of a journal that is shipped later. Whose a session is never changes.
      subject_id = case when known.subject_id = '' then excluded.subject_id else known.subject_id end,
      issuer = case when known.subject_id = '' then excluded.issuer else known.issuer end,
      first_ms = least(known.first_ms, excluded.first_ms), last_ms = greatest(known.last_ms, excluded.last_ms)`)
  await noteCounts(transaction, seen)
}

async function noteCounts(transaction: Transaction, seen: readonly Seen[]): Promise<void> {
  const rows = seen.flatMap(({ id, counts }) =>
    [...counts].map(([key, count]) => {
      const [what, name] = JSON.parse(key) as [string, string]
      return { id, what, name, count }
    }),
  )
  if (rows.length === 0) return
  await transaction.execute(sql`
    insert into countersign.session_counts as known (session_id, what, name, count)
    select id, what, name, count
    from json_to_recordset(${JSON.stringify(rows)}::text::json) as c(id text, what text, name text, count bigint)
    order by id, what, name
    on conflict (session_id, what, name) do update set count = known.count + excluded.count`)
}

/**
 * What the client calls a session. It is content, so it stands apart and goes when the session's keys go; where they went
 * while it was opened, it is not noted. A key is locked, so that an erasure that begins now comes after it, and takes it.
 */
export async function noteLabel(
  { db }: Connection,
  session_id: string,
  label: string,
): Promise<void> {
  await db.execute(sql`
    insert into countersign.session_labels (session_id, label)
    select ${columnText(session_id)}, ${columnText(label)}
    from (
      select from countersign.session_keys
      where session_id = ${columnText(session_id)} and wrapped is not null limit 1 for share
    ) as kept
    on conflict do nothing`)
}

function collect(leaves: readonly LeafBody[]): readonly Seen[] {
  const sessions = new Map<string, Seen>()
  for (const leaf of leaves) {
    const session = text(leaf['session_id'])
    if (session === '') continue
    const subject = object(leaf['subject'])
    const seen = sessions.get(session) ?? begin(session, leaf.time_ms)
    sessions.set(session, seen)
    seen.subject_id ||= text(subject['id'])
    seen.issuer ||= text(subject['issuer'])
    seen.first_ms = Math.min(seen.first_ms, leaf.time_ms)
    seen.last_ms = Math.max(seen.last_ms, leaf.time_ms)
    for (const [what, name] of counted(leaf)) {
      const key = JSON.stringify([what, name])
      seen.counts.set(key, (seen.counts.get(key) ?? 0) + 1)
    }
  }
  return [...sessions.values()]
}

const begin = (id: string, time_ms: number): Seen => ({
  id,
  subject_id: '',
  issuer: '',
  first_ms: time_ms,
  last_ms: time_ms,
  counts: new Map(),
})

/** An operation is decided by one record, an intent or a decision, and ends with one. */
function counted(leaf: LeafBody): readonly (readonly [what: string, name: string])[] {
  if (leaf.kind === 'outcome') return [['result', text(leaf['result']) || 'unknown']]
  if (leaf.kind !== 'intent' && leaf.kind !== 'decision') return []
  const decision = object(leaf['decision'])
  const effect = text(decision['effect']) || 'unknown'
  return [
    ['effect', effect],
    ['action', text(leaf['action']) || 'unknown'],
    // One that a person approved is decided again then, and that is what is on record.
    ...(decision['approval_id'] === undefined ? [] : ([['approval', effect]] as const)),
  ]
}

const text = (value: unknown): string => (typeof value === 'string' ? columnText(value) : '')

const object = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {}
