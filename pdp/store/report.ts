import type { TransactionSql } from 'postgres'
import type { Use } from './connection.ts'
import { access } from './report/access.ts'
import {
  type Cell,
  type ColumnType,
  type Figure,
  MAX_ROWS,
  type Period,
  type Question,
  type Report,
  type ReportStore,
} from './report/figure.ts'
import { administration, approvals, keys, policyChanges } from './report/people.ts'
import { recorders, totals } from './report/recorders.ts'
import { StoreError } from './store.ts'

/** Longest a report takes, milliseconds, without the wait for others. */
const REPORT_MS = 180_000
/** Longest that one figure takes. */
const FIGURE_MS = 60_000
/** Most characters of a figure's rows; the next row is as one too many. */
const MAX_CHARACTERS = 4_000_000

const sections: readonly { readonly title: string; readonly questions: readonly Question[] }[] = [
  { title: 'Access', questions: access },
  { title: 'Approvals', questions: [approvals] },
  { title: 'Unmaskings and other acts on the evidence', questions: administration },
  { title: 'Policy', questions: [policyChanges] },
  { title: 'Gaps', questions: recorders },
  { title: 'The log', questions: [totals, keys] },
]

/** Reports over the log. Every figure is one query, given with its answer, so that anybody can run it again. */
export function createReportStore(use: Use): ReportStore {
  let turn: Promise<unknown> = Promise.resolve()
  return {
    make(period, made_ms) {
      const made = turn.then(() =>
        // Above its own limit, so that nothing runs on when this gives up.
        use(
          ({ sql }) =>
            sql.begin('isolation level repeatable read read only', (transaction) =>
              make(transaction, period, made_ms),
            ),
          REPORT_MS + 5_000,
        ),
      )
      turn = made.catch(() => undefined)
      return made
    },
  }
}

async function make(sql: TransactionSql, period: Period, made_ms: number): Promise<Report> {
  const began_ms = performance.now()
  const ask = async (question: Question): Promise<Figure> => {
    const left_ms = REPORT_MS - (performance.now() - began_ms)
    if (left_ms <= 0)
      throw new StoreError('STORE_UNAVAILABLE', 'the report takes too long; ask for a shorter time')
    const timeout = String(Math.ceil(Math.min(left_ms, FIGURE_MS)))
    // Of what stands in JSON, the server does not know how much there is: it would join thousands with thousands one by
    // one, and compile queries for longer than they run.
    await sql`select set_config('statement_timeout', ${timeout}, true),
      set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)`
    return answer(sql, question, period)
  }
  const log = await readLog(sql)
  const answered: { title: string; figures: Figure[] }[] = []
  for (const { title, questions } of sections) {
    const figures: Figure[] = []
    for (const question of questions) figures.push(await ask(question))
    answered.push({ title, figures })
  }
  return { v: 1, made_ms, period, log, sections: answered }
}

async function answer(
  sql: TransactionSql,
  { columns, ...question }: Question,
  { from_ms, to_ms }: Period,
): Promise<Figure> {
  const found = await sql.unsafe<Record<string, unknown>[]>(question.sql, [from_ms, to_ms])
  const rows: Cell[][] = []
  let characters = 0
  for (const row of found) {
    const cells = Object.entries(columns).map(([name, type]) => cell(row[name], type))
    characters += cells.reduce<number>((sum, one) => sum + lengthOf(one), 0)
    if (rows.length === MAX_ROWS || characters > MAX_CHARACTERS) break
    rows.push(cells)
  }
  return {
    ...question,
    parameters: [from_ms, to_ms],
    columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
    rows,
    truncated: rows.length < found.length,
  }
}

/** @throws {StoreError} for what is not of the type: a figure that looks right and is not would be worse than none. */
function cell(value: unknown, column: ColumnType): Cell {
  if (value === null) return null
  switch (column) {
    case 'number':
    case 'time':
    case 'duration': {
      const number = Number(value)
      if (Number.isFinite(number)) return number
      break
    }
    case 'boolean':
      if (typeof value === 'boolean') return value
      break
    case 'list':
      if (Array.isArray(value)) return value.map(String)
      break
    case 'text':
      if (typeof value === 'string') return value
      break
    default:
      column satisfies never
  }
  throw new StoreError('STORE_BROKEN', `a figure of the report is no ${column}`)
}

function lengthOf(cell: Cell): number {
  if (typeof cell === 'string') return cell.length
  if (typeof cell !== 'object' || cell === null) return 8
  return cell.reduce((sum, one) => sum + one.length, 0)
}

async function readLog(sql: TransactionSql): Promise<Report['log']> {
  const [head] = await sql<{ size: string; logged_ms: string }[]>`
    select size, logged_ms from countersign.log_head`
  if (!head) throw new StoreError('STORE_BROKEN', 'the log has no head')
  const [newest] = await sql<{ size: string; root: string; note: string; at_ms: string }[]>`
    select c.size, encode(c.root, 'hex') as root, c.at_ms, c.note || coalesce((
      select string_agg(s.line || e'\n', '' order by s.line) from countersign.cosignatures s where s.size = c.size), '') as note
    from countersign.checkpoints c order by c.size desc limit 1`
  return {
    size: Number(head.size),
    logged_ms: Number(head.logged_ms),
    ...(newest && {
      checkpoint: {
        size: Number(newest.size),
        root: newest.root,
        note: newest.note,
        at_ms: Number(newest.at_ms),
      },
    }),
  }
}
