import type { Sql } from 'postgres'
import type { Use } from './connection.ts'
import { columnText } from './text.ts'
import { noteLabel } from './note-sessions.ts'
import { countsOf, type Counts } from './session-counts.ts'
import type {
  SessionQuery,
  SessionStep,
  SessionSteps,
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
    steps: (session, page) => use(({ sql }) => steps(sql, session, page)),
    decisions: (query) => use(({ sql }) => decisions(sql, query)),
    operation: (query) => use(({ sql }) => operation(sql, query)),
    holder: (session) => use(({ sql }) => holder(sql, session)),
    label: (session, label) => use((connection) => noteLabel(connection, session, label)),
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
  const before = query.before === undefined ? undefined : readCursor(query.before)
  const rows = await sql<SessionRow[]>`
    select s.id, s.subject_id, s.issuer, s.first_ms, s.last_ms, l.labels
    from countersign.sessions s
    left join lateral (
      select array_agg(label) as labels
      from (select label from countersign.session_labels where session_id = s.id order by label limit ${MAX_LABELS}) x
    ) l on true
    where true
      ${before ? sql`and (s.last_ms, s.id) < (${before[0]}, ${before[1]})` : sql``}
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

type StepRow = {
  readonly idx: string
  readonly leaf: string
  readonly sealed: Uint8Array | null
}

async function steps(
  sql: Sql,
  session: string,
  page: { readonly after?: number; readonly limit: number },
): Promise<SessionSteps> {
  const [known] = await sql`select 1 from countersign.sessions where id = ${columnText(session)}`
  if (known) return { ok: true, id: session, steps: await stepsOf(sql, session, page) }
  const namesakes = await list(sql, { label: session, limit: MAX_NAMESAKES })
  const [only, ...others] = namesakes
  if (!only || others.length > 0) return { ok: false, sessions: namesakes }
  return { ok: true, id: only.id, steps: await stepsOf(sql, only.id, page) }
}

/** A leaf with its content. */
const selectSteps = (sql: Sql) => sql`
  select l.idx, l.leaf, s.sealed
  from countersign.leaves l
  left join countersign.sealed_records s on s.pep = l.pep and s.epoch = l.epoch and s.seq = l.seq`

async function stepsOf(
  sql: Sql,
  id: string,
  { after = -1, limit }: { readonly after?: number; readonly limit: number },
): Promise<readonly SessionStep[]> {
  const rows = await sql<StepRow[]>`
    ${selectSteps(sql)} where l.session_id = ${columnText(id)} and l.idx > ${after} order by l.idx limit ${limit}`
  return rows.map(step)
}

async function decision(sql: Sql, id: string): Promise<SessionStep | undefined> {
  const [row] = await sql<StepRow[]>`
    ${selectSteps(sql)} where l.decision_id = ${columnText(id)} order by l.idx limit 1`
  return row && step(row)
}

async function decisions(
  sql: Sql,
  { from, limit, session }: Parameters<SessionStore['decisions']>[0],
): Promise<readonly SessionStep[]> {
  const rows = await sql<StepRow[]>`
    ${selectSteps(sql)}
    where l.idx >= ${from} and l.decision_id is not null
      ${session === undefined ? sql`` : sql`and l.session_id = ${columnText(session)}`}
    order by l.idx limit ${limit}`
  return rows.map(step)
}

async function operation(
  sql: Sql,
  { session, id, limit }: Parameters<SessionStore['operation']>[0],
): Promise<readonly SessionStep[]> {
  const rows = await sql<StepRow[]>`
    ${selectSteps(sql)}
    where l.operation_id = ${columnText(id)} and l.session_id = ${columnText(session)} and l.pep is not null
    order by l.idx limit ${limit}`
  return rows.map(step)
}

async function holder(sql: Sql, session: string): ReturnType<SessionStore['holder']> {
  const [row] = await sql<{ subject_id: string; issuer: string; connections: string[] }[]>`
    select s.subject_id, s.issuer, array(
      select connection from countersign.session_keys k where k.session_id = s.id
      union select connection from countersign.approvals a where a.session_id = s.id
    ) as connections
    from countersign.sessions s where s.id = ${columnText(session)}`
  if (!row) return undefined
  const { issuer, subject_id: id, connections } = row
  return { subject: { issuer, id }, connections: connections.sort() }
}

const step = ({ idx, leaf, sealed }: StepRow): SessionStep => ({
  index: Number(idx),
  leaf,
  ...(sealed && { sealed }),
})

function cursor(...parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** A cursor that is none is the start: it only ever leads through what the caller may see anyway. */
function readCursor(text: string): readonly [last_ms: number, id: string] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (!Array.isArray(parts) || parts.length !== 2) return undefined
    const [last_ms, id] = parts as readonly unknown[]
    return Number.isSafeInteger(last_ms) && typeof id === 'string'
      ? [Number(last_ms), columnText(id)]
      : undefined
  } catch {
    return undefined
  }
}
