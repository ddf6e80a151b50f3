import type { Cell, Column, Figure, Report } from '../../pdp/store/report/figure.ts'

/** A report as files for spreadsheets and scripts: a CSV a figure, one that says which figures are whole, and the queries. */

/** @returns names and texts of the files. */
export function reportFiles(report: Report): ReadonlyMap<string, string> {
  const figures = report.sections.flatMap((section) => section.figures)
  return new Map([
    ['figures.csv', overview(report, figures)],
    ...figures.map((figure) => [`${figure.name}.csv`, csv(figure)] as const),
    ['queries.sql', queries(report, figures)],
  ])
}

/**
 * RFC 4180. Times are ISO 8601 in UTC, lists are JSON, what is absent is empty, and text that a spreadsheet would take
 * for a formula has an apostrophe before it.
 */
export function csv({ columns, rows }: Figure): string {
  return written([
    columns.map(({ name, type }) => (type === 'time' ? name.replace(/_ms$/, '_utc') : name)),
    ...rows.map((row) => columns.map((column, at) => field(row[at] ?? null, column))),
  ])
}

const written = (lines: readonly (readonly string[])[]): string =>
  lines.map((line) => `${line.map(quoted).join(',')}\r\n`).join('')

const iso = (ms: number): string => new Date(ms).toISOString()

/** What the other files are of, and whether there were more rows than they have. */
function overview({ period, log, made_ms }: Report, figures: readonly Figure[]): string {
  const of = [iso(period.from_ms), iso(period.to_ms), String(log.size), iso(made_ms)]
  return written([
    ['figure', 'title', 'rows', 'truncated', 'from_utc', 'to_utc', 'log_size', 'made_utc'],
    ...figures.map(({ name, title, rows, truncated }) => [
      name,
      title,
      String(rows.length),
      String(truncated),
      ...of,
    ]),
  ])
}

function field(cell: Cell, { type }: Column): string {
  if (cell === null) return ''
  if (typeof cell === 'boolean') return String(cell)
  if (typeof cell === 'number') return type === 'time' ? iso(cell) : String(cell)
  return harmless(typeof cell === 'string' ? cell : JSON.stringify(cell))
}

/** Spreadsheets also know the wide forms, and some drop spaces and what is not seen before they look. */
const harmless = (text: string): string =>
  /^(?:[\t\r\n]|[\p{Z}\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/u.test(text) ? `'${text}` : text

const quoted = (field: string): string =>
  /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field

/** For psql: each query as it was run, with its parameters. */
function queries({ period, log, made_ms }: Report, figures: readonly Figure[]): string {
  const head = `-- Countersign, evidence report of ${iso(period.from_ms)} to ${iso(period.to_ms)}, made ${iso(made_ms)}
-- of a log of ${log.size} leaves. Run it with psql; a figure of a larger log may differ, and 10,001 rows mean that there are more.
begin isolation level repeatable read read only;
set local enable_nestloop = off;
set local jit = off;
`
  const each = figures.map(
    ({ name, title, sql, parameters }) =>
      `\n-- ${title}\nprepare ${name}(bigint, bigint) as\n${sql};\nexecute ${name}(${parameters.join(', ')});\ndeallocate ${name};\n`,
  )
  return `${head}${each.join('')}\ncommit;\n`
}
