import type { Cell, ColumnType, Figure, Report } from '../../pdp/store/report/figure.ts'

/** A report for tests, as the decision service gives it, with one text wherever others write. */

const DAY_MS = 86_400_000
const FROM_MS = Date.UTC(2026, 10, 1)

const figure = (
  name: string,
  columns: Readonly<Record<string, ColumnType>>,
  rows: readonly (readonly Cell[])[],
  truncated = false,
): Figure => ({
  name,
  title: `Title of ${name}`,
  about: 'What it counts.',
  sql: `select v.idx\nfrom countersign.leaves v\nwhere v.time_ms >= $1::bigint and '<' <> '&' limit 10001`,
  parameters: [FROM_MS, FROM_MS + 30 * DAY_MS],
  columns: Object.entries(columns).map(([column, type]) => ({ name: column, type })),
  rows,
  truncated,
})

/** @param text what agents, people and enforcement points wrote. */
export function exampleReport(text: string): Report {
  const at = FROM_MS + 3 * DAY_MS
  return {
    v: 1,
    made_ms: FROM_MS + 31 * DAY_MS,
    period: { from_ms: FROM_MS, to_ms: FROM_MS + 30 * DAY_MS },
    log: {
      size: 1234,
      logged_ms: at,
      checkpoint: { size: 1200, root: 'ab'.repeat(32), note: `${text}\n1200\n`, at_ms: at },
    },
    sections: [
      {
        title: 'Access',
        figures: [
          figure(
            'days',
            {
              day: 'text',
              forwarded: 'number',
              released: 'number',
              refused: 'number',
              denied: 'number',
            },
            [['2026-11-04', 1000, 20, 7, 5]],
          ),
          figure('connections', { connection: 'text', operations: 'number', refused: 'number' }, [
            [text, 1027, 7],
            [null, 3, 0],
          ]),
          figure(
            'denials',
            { subject: 'text', rules: 'list', count: 'number', last_ms: 'time' },
            [
              [text, [text, text], 5, at],
              ['agent', [], 1, null],
            ],
            true,
          ),
          figure('accesses', { subject: 'text' }, []),
          figure('masked', { detector: 'text', masked: 'number' }, [[text, 12]]),
        ],
      },
      {
        title: 'Gaps',
        figures: [
          figure(
            'gaps',
            {
              enforcement_point: 'text',
              since_ms: 'time',
              until_ms: 'time',
              silent_ms: 'duration',
              ended_in_order: 'boolean',
            },
            [
              [text, at, at + DAY_MS, DAY_MS, false],
              [text, at + 2 * DAY_MS, null, 25 * DAY_MS, true],
            ],
          ),
          figure('unmaskings', { at_ms: 'time', allowed: 'boolean', reason: 'text' }, [
            [at, true, text],
          ]),
        ],
      },
    ],
  }
}
