import { isArray, Num, num } from '../value.ts'
import { failed, smallInteger, text } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import type { Builtins, Host } from './builtin.ts'
import { formatTime } from './go/format-time.ts'
import { parseTime } from './go/parse-time.ts'

/** Times are nanoseconds since 1970 in 64 bits, or `[nanoseconds, zone]` with a name of the IANA database. */
export const time: Builtins = {
  'time.now_ns': (_, host) => num(requestTime(host)),
  'time.parse_rfc3339_ns': (args) => num(parseRfc3339(text(args, 0))),
  'time.parse_duration_ns': (args) => num(parseDuration(text(args, 0))),
  'time.date': (args, { spend }) => {
    spend(STEPS_A_ZONE)
    const { year, month, day } = zoned(args, 0)
    return [year, month, day].map(num)
  },
  'time.clock': (args, { spend }) => {
    spend(STEPS_A_ZONE)
    const { hour, minute, second } = zoned(args, 0)
    return [hour, minute, second].map(num)
  },
  'time.weekday': (args, { spend }) => {
    spend(STEPS_A_ZONE)
    return WEEKDAYS[zoned(args, 0).dayOfWeek - 1]
  },
  'time.add_date': (args, { spend }) => {
    spend(2 * STEPS_A_ZONE)
    return num(
      addDate(zoned(args, 0), smallInteger(args, 1), smallInteger(args, 2), smallInteger(args, 3)),
    )
  },
  'time.format': (args, { spend }) => {
    spend(STEPS_A_ZONE)
    const [given] = args
    const layout =
      given !== undefined && isArray(given) && given.length > 2 ? text(given, 2) : 'RFC3339Nano'
    return formatTime(zoned(args, 0), layout, spend)
  },
  'time.parse_ns': (args, { spend }) =>
    num(within64(parseTime(text(args, 0), text(args, 1), spend))),
  'time.diff': (args, { spend }) => {
    spend(2 * STEPS_A_ZONE)
    return difference(zoned(args, 0), zoned(args, 1)).map(num)
  },
}

/** Finding a time in a zone. */
const STEPS_A_ZONE = 500

const WEEKDAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(' ')
const NS = 1_000_000_000n
const MOST = 2n ** 63n - 1n

/**
 * The time of the request, so that a decision can be replayed.
 * @throws {Error} without one: a rule on time that was undefined could leave a denial out.
 */
export function requestTime({ input, time_ms }: Host): bigint {
  const { context } = (input() ?? {}) as { context?: { time_ms?: unknown } | null }
  const milliseconds = context?.time_ms ?? time_ms
  if (typeof milliseconds !== 'number' || !Number.isSafeInteger(milliseconds))
    throw new Error('time.now_ns: the input has no context.time_ms in whole milliseconds')
  return BigInt(milliseconds) * 1_000_000n
}

function within64(nanoseconds: bigint): bigint {
  if (nanoseconds < -MOST - 1n || nanoseconds > MOST) throw failed('time outside of valid range')
  return nanoseconds
}

function zoned(args: Arguments, position: number): Temporal.ZonedDateTime {
  const value = args[position]
  const [time, zone = 'UTC'] = value !== undefined && isArray(value) ? value : [value]
  if (!(time instanceof Num) || typeof zone !== 'string')
    throw failed('operand must be either number (ns) or [number (ns), string (tz)]')
  return new Temporal.ZonedDateTime(nanoseconds(time), zoneName(zone))
}

/** A whole number of 64 bits, also as `1e18` or `1.0`. */
function nanoseconds({ literal }: Num): bigint {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? []
  const shift = Number(exponent) - fraction.length
  if (/^0*$/.test(whole) && /^0*$/.test(fraction)) return 0n
  if (Math.abs(shift) > 400 || whole.length > 800) throw failed('timestamp too big')
  const digits = BigInt(`${whole}${fraction}`)
  const scale = 10n ** BigInt(Math.abs(shift))
  if (shift < 0 && digits % scale !== 0n) throw failed('timestamp too big')
  const value = shift < 0 ? digits / scale : digits * scale
  const signed = sign === '-' ? -value : value
  if (BigInt.asIntN(64, signed) !== signed) throw failed('timestamp too big')
  return signed
}

function zoneName(zone: string): string {
  if (zone === '' || zone === 'UTC') return 'UTC'
  // The zone of the machine: the same request would be decided in two ways.
  if (zone === 'Local') throw new Error('the time zone Local is not supported')
  try {
    const { timeZoneId } = new Temporal.ZonedDateTime(0n, zone)
    // Names are exact, as files are, and offsets are no names.
    if (timeZoneId === zone && !/^[+-]/.test(zone)) return zone
  } catch {
    // Said below.
  }
  throw failed(`unknown time zone ${zone}`)
}

/** Go's `AddDate`: February 30 is March 1 or 2. */
function addDate(
  time: Temporal.ZonedDateTime,
  years: number,
  months: number,
  days: number,
): bigint {
  const midnight = new Date(0)
  midnight.setUTCFullYear(time.year + years, time.month - 1 + months, time.day + days)
  if (Number.isNaN(midnight.getTime())) throw failed('time outside of valid range')
  const clock = time.toPlainTime().since(new Temporal.PlainTime())
  const local = BigInt(midnight.getTime()) * 1_000_000n + durationNs(clock)
  // The offset that is valid then, found as Go does.
  const offset = offsetAt(local - offsetAt(local, time.timeZoneId), time.timeZoneId)
  return within64(local - offset)
}

const durationNs = (clock: Temporal.Duration): bigint =>
  BigInt(clock.total('seconds') < 0 ? 0 : Math.trunc(clock.total('seconds'))) * NS +
  BigInt(clock.milliseconds * 1_000_000 + clock.microseconds * 1000 + clock.nanoseconds)

const offsetAt = (epoch: bigint, zone: string): bigint =>
  BigInt(new Temporal.ZonedDateTime(within64(epoch), zone).offsetNanoseconds)

/** Years, months, days, hours, minutes and seconds between two times, in the zone of the first. */
function difference(a: Temporal.ZonedDateTime, b: Temporal.ZonedDateTime): number[] {
  const other = b.withTimeZone(a.timeZoneId)
  const [from, to] = Temporal.ZonedDateTime.compare(a, other) > 0 ? [other, a] : [a, other]
  let year = to.year - from.year
  let month = to.month - from.month
  let day = to.day - from.day
  let hour = to.hour - from.hour
  let minute = to.minute - from.minute
  let second = to.second - from.second
  if (second < 0) [second, minute] = [second + 60, minute - 1]
  if (minute < 0) [minute, hour] = [minute + 60, hour - 1]
  if (hour < 0) [hour, day] = [hour + 24, day - 1]
  if (day < 0) [day, month] = [day + from.daysInMonth, month - 1]
  if (month < 0) [month, year] = [month + 12, year - 1]
  return [year, month, day, hour, minute, second]
}

const RFC3339 =
  /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|([+-])([01]\d|2[0-4]):([0-5]\d|60))$/

function parseRfc3339(written: string): bigint {
  const [, date, clock, fraction = '', , sign, hours, minutes] = RFC3339.exec(written) ?? []
  if (date === undefined || clock === undefined) throw failed('not a time as in RFC 3339')
  const seconds = Date.parse(`${date}T${clock}Z`) / 1000
  // `Date` takes February 30 and 24:00:00.
  const same =
    !Number.isNaN(seconds) && new Date(seconds * 1000).toISOString().startsWith(`${date}T${clock}`)
  if (!same) throw failed('not a time as in RFC 3339')
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 * (sign === '-' ? -1 : 1)
  return within64(BigInt(seconds - offset) * NS + BigInt(fraction.slice(0, 9).padEnd(9, '0')))
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  '\u00b5s': 1000n,
  '\u03bcs': 1000n,
  ms: 1_000_000n,
  s: NS,
  m: 60n * NS,
  h: 3600n * NS,
  d: 86_400n * NS,
  w: 7n * 86_400n * NS,
  y: 365n * 86_400n * NS,
}

/** Sticky, and with one way to match: tried at every place of a long number it would take the square of its length. */
const PART = /(?:(\d+)(?:\.(\d*))?|\.(\d+))(ns|us|\u00b5s|\u03bcs|ms|[smhdwy])/y

/** Go's `time.ParseDuration`, `-1h2.5m`, with days, weeks and years of fixed length. */
function parseDuration(written: string): bigint {
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(written) ?? []
  if (rest === '0') return 0n
  let total = 0n
  PART.lastIndex = 0
  do {
    const part = PART.exec(rest)
    if (!part) throw failed(`invalid duration ${JSON.stringify(written)}`)
    total += partNs(part)
  } while (PART.lastIndex < rest.length)
  if (total > (sign === '-' ? MOST + 1n : MOST)) throw failed('duration out of range')
  return sign === '-' ? -total : total
}

function partNs([, digits = '0', after, alone = '', unit = '']: RegExpExecArray): bigint {
  const scale = UNITS[unit] ?? 0n
  const whole = digits.replace(/^0+(?=\d)/, '')
  if (whole.length > 20) throw failed('duration out of range')
  return BigInt(whole) * scale + fractionNs(after ?? alone, Number(scale))
}

/** Go's `leadingFraction`: as many digits as 63 bits have, by way of floats. */
function fractionNs(digits: string, scale: number): bigint {
  let [value, places] = [0n, 0]
  while (places < digits.length && value <= MOST / 10n) {
    value = value * 10n + BigInt(digits.charAt(places))
    places += 1
  }
  return BigInt(Math.trunc(Number(value) * (scale / 10 ** places)))
}
