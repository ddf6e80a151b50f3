import type { Sql } from 'postgres'
import type { SessionSummary } from './store.ts'

export type Counts = SessionSummary['counts']

type Row = {
  readonly session_id: string
  readonly what: string
  readonly name: string
  readonly count: string
}

/** Counts for a page of sessions. */
export async function countsOf(sql: Sql, ids: readonly string[]): Promise<(id: string) => Counts> {
  if (ids.length === 0) return () => tally([])
  const rows = await sql<Row[]>`
    select session_id, what, name, count from countersign.session_counts where session_id in ${sql([...ids])}`
  const bySession = Map.groupBy(rows, (row) => row.session_id)
  return (id) => tally(bySession.get(id) ?? [])
}

function tally(rows: readonly Row[]): Counts {
  const by = (what: string) =>
    Object.fromEntries(
      rows.filter((row) => row.what === what).map((row) => [row.name, Number(row.count)]),
    )
  const effects = by('effect')
  return {
    operations: Object.values(effects).reduce((total, count) => total + count, 0),
    allowed: effects['allow'] ?? 0,
    denied: effects['deny'] ?? 0,
    approvals: (effects['approve'] ?? 0) + (by('approval')['allow'] ?? 0),
    actions: by('action'),
    results: by('result'),
  }
}
