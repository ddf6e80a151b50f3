/** What a report of the log is made of; docs/report.md tells readers of it. Times are milliseconds since the epoch. */

export type Period = {
  readonly from_ms: number
  /** Not part of it any more. */
  readonly to_ms: number
}

/** `time`: when, `duration`: how long, both in milliseconds; `list`: texts in order. */
export type ColumnType = 'text' | 'number' | 'time' | 'duration' | 'boolean' | 'list'

export type Column = { readonly name: string; readonly type: ColumnType }

/** Others wrote the texts: agents, people, enforcement points. */
export type Cell = string | number | boolean | null | readonly string[]

/** A question to the log and its answer. */
export type Figure = {
  /** `[a-z_]+`; what scripts call it. */
  readonly name: string
  readonly title: string
  /** What is counted, and what is not. */
  readonly about: string
  /** The query that was run, with `$1` and `$2` for the parameters. */
  readonly sql: string
  /** `from_ms` and `to_ms`. */
  readonly parameters: readonly [number, number]
  readonly columns: readonly Column[]
  /** At most `MAX_ROWS`, each with a cell a column. */
  readonly rows: readonly (readonly Cell[])[]
  /** There were more rows. */
  readonly truncated: boolean
}

export type Section = { readonly title: string; readonly figures: readonly Figure[] }

/** Every figure is of the same log, as it was at one moment. */
export type Report = {
  readonly v: 1
  readonly made_ms: number
  readonly period: Period
  readonly log: {
    readonly size: number
    /** When its newest leaf was taken. */
    readonly logged_ms: number
    /** The newest one, with signatures of witnesses. */
    readonly checkpoint?: {
      readonly size: number
      /** Hex. */
      readonly root: string
      readonly note: string
      readonly at_ms: number
    }
  }
  readonly sections: readonly Section[]
}

export type ReportStore = {
  /**
   * Counts what the log says of a period. One at a time: whoever decides shares the connections.
   * @throws {StoreError} STORE_UNAVAILABLE also when it takes longer than three minutes.
   */
  readonly make: (period: Period, made_ms: number) => Promise<Report>
}

/** A figure before it is asked for. */
export type Question = Pick<Figure, 'name' | 'title' | 'about' | 'sql'> & {
  /** In the order of the query's columns. */
  readonly columns: Readonly<Record<string, ColumnType>>
}

/** Most rows of a figure. */
export const MAX_ROWS = 10_000

/** How far apart clocks of enforcement points and of the service may be for the report to miss nothing. */
const MARGIN_MS = 24 * 60 * 60 * 1000

/**
 * The first leaf that is read, as `period.first_idx`. Time has no index, but what was in the log a day before the period
 * began is not of it.
 */
const PERIOD = `-- Leaves that a checkpoint covered a day before the period began are not read: they cannot be of it, unless a clock
-- was a day ahead.
with recursive period as materialized (
  select coalesce((
    select size from countersign.checkpoints
    where at_ms <= $1::bigint - ${MARGIN_MS} order by at_ms desc, size desc limit 1), 0) as first_idx
)`

/** Leaves, as `v`, that are read at all. */
export const READ = `v.idx >= (select first_idx from period)`
/** Leaves, as `v`, of the period. */
export const IN_PERIOD = `${READ} and v.time_ms >= $1::bigint and v.time_ms < $2::bigint`

/** A query over leaves. @param more further common table expressions. */
export function overLeaves(select: string, more: readonly string[] = []): string {
  const lines = `${[PERIOD, ...more].join(',\n')}\n${select.trim()}`
  return limited(lines)
}

/** One row more than is shown says that there are more. */
export const limited = (select: string): string => `${select.trim()}\nlimit ${MAX_ROWS + 1}`

/**
 * Whether the text of a leaf can be read. All that the log ever took can; what somebody changed in the database since
 * then may not be JSON, or hold escapes that PostgreSQL refuses, and would fail every query over it.
 */
export const readable = (leaf: string): string =>
  `(${leaf}.leaf is json object and (strpos(${leaf}.leaf, '\\u') = 0 or ${leaf}.leaf !~ '(^|[^\\\\])(\\\\\\\\)*\\\\u(0000|[dD][89a-fA-F])'))`

/** A leaf as JSON, null when it cannot be read: it then counts, and says nothing of itself. */
export const json = (leaf: string): string =>
  `case when ${readable(leaf)} then ${leaf}.leaf::json end`

/**
 * Members of the leaf `v` as columns of `l`. None is a number or a boolean: what is not of the type would fail the query.
 * @param columns of the types text and json.
 */
export const members = (columns: string): string =>
  `cross join lateral json_to_record(${json('v')}) as l(${columns})`

/** JSON if it is an array, else nothing. */
export const array = (value: string): string =>
  `case json_typeof(${value}) when 'array' then ${value} end`

/** JSON if it is an object, else nothing. */
export const object = (value: string): string =>
  `case json_typeof(${value}) when 'object' then ${value} end`

/** An array of strings in JSON as a list; nothing else is one. */
export const list = (value: string): string =>
  `array(select json_array_elements_text(${array(value)}))`

/** Text as a whole number; null when it is none. */
export const whole = (text: string): string =>
  `case when ${text} ~ '^-?[0-9]{1,18}$' then (${text})::bigint end`
