import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Period } from '../../pdp/store/report/figure.ts'

const DAY_MS = 86_400_000
const DAYS = 30

/**
 * The time that `--from` and `--to` mean. Days are days in UTC, and the last one is part of it; ISO times name a moment.
 * @returns the last 30 days without both; else what is wrong.
 */
export function readPeriod(
  from: string | undefined,
  to: string | undefined,
  now_ms: number,
): Result<Period, string> {
  const end = to === undefined ? ok(now_ms) : readTime('--to', to, DAY_MS)
  if (!end.ok) return end
  const begin = from === undefined ? ok(end.value - DAYS * DAY_MS) : readTime('--from', from, 0)
  if (!begin.ok) return begin
  const period = { from_ms: Math.max(begin.value, 0), to_ms: end.value }
  if (period.from_ms >= period.to_ms) return err('--from must be before --to')
  if (period.from_ms >= now_ms) return err('--from is in the future')
  return ok(period)
}

const DAY = /^\d{4}-\d{2}-\d{2}$/
/** With its zone: without one it would mean another moment on every machine. */
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** @param day_ms what a whole day adds. */
function readTime(option: string, text: string, day_ms: number): Result<number, string> {
  const isDay = DAY.test(text)
  const ms = isDay || MOMENT.test(text) ? Date.parse(text) : Number.NaN
  // The 30th of February is no day, though JavaScript makes one of it.
  const real = isDay ? !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text) : true
  return Number.isNaN(ms) || !real
    ? err(`${option} takes a day such as 2026-11-30, or a time such as 2026-11-30T12:00:00Z`)
    : ok(ms + (isDay ? day_ms : 0))
}
