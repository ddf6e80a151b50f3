import type { Sql } from 'postgres'
import type { Use } from './connection.ts'
import { columnText } from './insert-frames.ts'
import { countsOf, type Counts } from './session-counts.ts'
import type {
  SessionQuery,
  SessionRecord,
  SessionRecords,
  SessionStore,
  SessionSummary,
} from './store.ts'

/** Most labels told of one session. */
const MAX_LABELS = 20
/** Most sessions told when a label names several. */
const MAX_NAMESAKES = 20

export function createSessionStore(use: Use): SessionStore {
  return {
    list: (query) => use(({ sql }) => list(sql, query)),
    records: (session, page) => use(({ sql }) => records(sql, session, page)),
    decision: (id) => use(({ sql }) => decision(sql, id)),
  }
}

type SessionRow = {
  readonly id: string
  readonly subject_id: string
  readonly issuer: string
  readonly first_ms: string
  readonly last_ms: string
  readonly labels: readonly string[] | null
}

async function list(sql: Sql, query: SessionQuery): Promise<readonly SessionSummary[]> {
  const before = query.before === undefined ? undefined : readCursor(query.before, 2)
  const rows = await sql<SessionRow[]>`
    select s.id, s.subject_id, s.issuer, s.first_ms, s.last_ms, l.labels
    from countersign.sessions s
    left join lateral (
      select array_agg(label) as labels
      from (select label from countersign.session_labels where session_id = s.id order by label limit ${MAX_LABELS}) x
    ) l on true
    where true
      ${before ? sql`and (s.last_ms, s.id) < (${Number(before[0])}, ${String(before[1])})` : sql``}
      ${query.subject === undefined ? sql`` : sql`and s.subject_id = ${columnText(query.subject)}`}
      ${query.since_ms === undefined ? sql`` : sql`and s.last_ms >= ${query.since_ms}`}
      ${
        query.label === undefined
          ? sql``
          : sql`and exists (
              select from countersign.session_labels n
              where n.session_id = s.id and n.label = ${columnText(query.label)})`
      }
    order by s.last_ms desc, s.id desc
    limit ${query.limit}`
  const counts = await countsOf(
    sql,
    rows.map((row) => row.id),
  )
  return rows.map((row) => summary(row, counts(row.id)))
}

function summary(row: SessionRow, counts: Counts): SessionSummary {
  const last_ms = Number(row.last_ms)
  return {
    id: row.id,
    cursor: cursor(last_ms, row.id),
    labels: row.labels ?? [],
    subject_id: row.subject_id,
    issuer: row.issuer,
    first_ms: Number(row.first_ms),
    last_ms,
    counts,
  }
}

type RecordRow = Omit<SessionRecord, 'cursor' | 'seq' | 'time_ms'> & {
  readonly seq: string
  readonly time_ms: string
}

async function records(
  sql: Sql,
  session: string,
  page: { readonly after?: string; readonly limit: number },
): Promise<SessionRecords> {
  const [known] = await sql`select 1 from countersign.sessions where id = ${columnText(session)}`
  if (known) return { ok: true, id: session, records: await recordsOf(sql, session, page) }
  const namesakes = await list(sql, { label: session, limit: MAX_NAMESAKES })
  const [only, ...others] = namesakes
  if (!only || others.length > 0) return { ok: false, sessions: namesakes }
  return { ok: true, id: only.id, records: await recordsOf(sql, only.id, page) }
}

async function recordsOf(
  sql: Sql,
  id: string,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<readonly SessionRecord[]> {
  const from = after === undefined ? undefined : readCursor(after, 4)
  const rows = await sql<RecordRow[]>`
    select r.pep, r.epoch, r.seq, r.time_ms, r.kind, r.payload
    from countersign.records r
    where r.session_id = ${columnText(id)}
      ${
        from
          ? sql`and (r.time_ms, r.pep, r.epoch, r.seq)
              > (${Number(from[0])}, ${String(from[1])}, ${String(from[2])}, ${Number(from[3])})`
          : sql``
      }
    order by r.time_ms, r.pep, r.epoch, r.seq
    limit ${limit}`
  return rows.map(sessionRecord)
}

async function decision(sql: Sql, id: string): Promise<SessionRecord | undefined> {
  const [row] = await sql<RecordRow[]>`
    select r.pep, r.epoch, r.seq, r.time_ms, r.kind, r.payload
    from countersign.records r
    where r.decision_id = ${columnText(id)}
    order by r.time_ms
    limit 1`
  return row && sessionRecord(row)
}

function sessionRecord(row: RecordRow): SessionRecord {
  const seq = Number(row.seq)
  const time_ms = Number(row.time_ms)
  return { ...row, seq, time_ms, cursor: cursor(time_ms, row.pep, row.epoch, seq) }
}

function cursor(...parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** A cursor that is none is the start: it only ever leads through what the caller may see anyway. */
function readCursor(text: string, length: number): readonly unknown[] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return Array.isArray(parts) && parts.length === length ? parts : undefined
  } catch {
    return undefined
  }
}
