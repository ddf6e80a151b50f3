import { failed } from '../arguments.ts'
import type { Spend } from '../../steps.ts'
import { layoutOf, MONTHS, parseLayout, type Part, WEEKDAYS } from './layout.ts'

type Fields = {
  year: number
  month?: number
  day?: number
  yearDay?: number
  hour: number
  minute: number
  second: number
  nanosecond: bigint
  pm?: boolean
  /** Seconds east of Greenwich. */
  offset: number
}

/**
 * Reads a time as Go's `time.Parse` does.
 * @returns nanoseconds since 1970, of any size.
 * @throws {BuiltinError}
 */
export function parseTime(layout: string, value: string, spend: Spend): bigint {
  const fail = (why = 'cannot parse') => failed(`parsing time ${JSON.stringify(value)}: ${why}`)
  const fields: Fields = { year: 0, hour: 0, minute: 0, second: 0, nanosecond: 0n, offset: 0 }
  const parts = parseLayout(layoutOf(layout), spend)
  let rest = value
  for (const [at, part] of parts.entries()) {
    spend(STEPS_A_PART)
    if ('text' in part) {
      rest = skipText(rest, part.text, fail)
      continue
    }
    const read = readElement(part.element, rest, fields, fail)
    rest = rest.slice(read)
    // A fraction may follow the seconds also where the layout has none.
    if (/^0?5$/.test(part.element) && !isFraction(parts[at + 1])) {
      const extra = /^[.,]\d+/.exec(rest)?.[0]
      if (extra !== undefined) {
        fields.nanosecond = nanoseconds(extra)
        rest = rest.slice(extra.length)
      }
    }
  }
  if (rest !== '') throw fail(`extra text: ${JSON.stringify(rest)}`)
  return instant(fields, fail)
}

const STEPS_A_PART = 100

type Fail = (why?: string) => Error

const isFraction = (part: Part | undefined): boolean =>
  part !== undefined && 'element' in part && /^[.,]/.test(part.element)

const nanoseconds = (fraction: string): bigint => BigInt(fraction.slice(1, 10).padEnd(9, '0'))

/** A run of spaces stands for any number of them. */
function skipText(value: string, text: string, fail: Fail): string {
  const pattern = text
    .split(/( +)/)
    .map((part) => (part.startsWith(' ') ? ' +' : part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')))
    .join('')
  const found = new RegExp(`^${pattern}`).exec(value)?.[0]
  if (found === undefined)
    throw fail(`cannot parse ${JSON.stringify(value)} as ${JSON.stringify(text)}`)
  return value.slice(found.length)
}

/** @returns how many characters were read. */
function readElement(name: string, value: string, fields: Fields, fail: Fail): number {
  const cannot = (): Error =>
    fail(`cannot parse ${JSON.stringify(value)} as ${JSON.stringify(name)}`)
  const digits = (pattern: RegExp, set: (value: number) => void): number => {
    const found = pattern.exec(value)
    if (!found) throw cannot()
    set(Number(found[0]))
    return found[0].length
  }
  const word = (
    words: readonly string[],
    length: number | undefined,
    set: (at: number) => void,
  ): number => {
    const at = words.findIndex((one) => {
      const wanted = one.slice(0, length)
      return value.slice(0, wanted.length).toLowerCase() === wanted.toLowerCase()
    })
    if (at === -1) throw cannot()
    set(at)
    return length ?? words[at]?.length ?? 0
  }
  if (/^[.,]/.test(name)) {
    const wanted = name[1] === '0' ? new RegExp(`^[.,]\\d{${name.length - 1}}`) : /^(?:[.,]\d+)?/
    const found = wanted.exec(value)
    if (!found) throw cannot()
    if (found[0] !== '') fields.nanosecond = nanoseconds(found[0])
    return found[0].length
  }
  if (/^[Z-]/.test(name)) return readOffset(name, value, fields, cannot)
  switch (name) {
    case '2006':
      return digits(/^\d{4}/, (n) => (fields.year = n))
    case '06':
      return digits(/^\d{2}/, (n) => (fields.year = n >= 69 ? 1900 + n : 2000 + n))
    case 'January':
      return word(MONTHS, undefined, (at) => (fields.month = at + 1))
    case 'Jan':
      return word(MONTHS, 3, (at) => (fields.month = at + 1))
    case 'Monday':
      return word(WEEKDAYS, undefined, () => {})
    case 'Mon':
      return word(WEEKDAYS, 3, () => {})
    case '01':
      return digits(/^\d{2}/, (n) => (fields.month = n))
    case '1':
      return digits(/^\d{1,2}/, (n) => (fields.month = n))
    case '02':
      return digits(/^\d{2}/, (n) => (fields.day = n))
    case '2':
    case '_2':
      return digits(/^ ?\d{1,2}/, (n) => (fields.day = n))
    case '002':
      return digits(/^\d{3}/, (n) => (fields.yearDay = n))
    case '__2':
      return digits(/^ {0,2}\d{1,3}/, (n) => (fields.yearDay = n))
    case '15':
    case '03':
      return digits(/^\d{2}/, (n) => (fields.hour = n))
    case '3':
      return digits(/^\d{1,2}/, (n) => (fields.hour = n))
    case '04':
      return digits(/^\d{2}/, (n) => (fields.minute = n))
    case '4':
      return digits(/^\d{1,2}/, (n) => (fields.minute = n))
    case '05':
      return digits(/^\d{2}/, (n) => (fields.second = n))
    case '5':
      return digits(/^\d{1,2}/, (n) => (fields.second = n))
    case 'PM':
    case 'pm': {
      const [mark] = (name === 'PM' ? /^[AP]M/ : /^[ap]m/).exec(value) ?? []
      if (mark === undefined) throw cannot()
      fields.pm = mark.toUpperCase() === 'PM'
      return 2
    }
    case 'MST': {
      // The offset of an abbreviation is not known: Go takes it as 0, except for `GMT+3`.
      const [zone, , hours] =
        /^(?:(GMT|UTC|[A-Z]{3,4}T?|ChST|MeST|WITA)([+-]\d{1,2})?|[+-]\d{2,4})/.exec(value) ?? []
      if (zone === undefined) throw cannot()
      if (zone.startsWith('GMT') && hours !== undefined) fields.offset = Number(hours) * 3600
      return zone.startsWith('GMT') || hours === undefined
        ? zone.length
        : zone.length - hours.length
    }
    default:
      throw cannot()
  }
}

function readOffset(name: string, value: string, fields: Fields, cannot: () => Error): number {
  if (name.startsWith('Z') && value.startsWith('Z')) return 1
  const mark = name.includes(':') ? ':' : ''
  const digits = name.replace(/[^0-9]/g, '').length
  const parts = [
    '([+-])(\\d{2})',
    ...(digits > 2 ? ['(\\d{2})'] : []),
    ...(digits > 4 ? ['(\\d{2})'] : []),
  ]
  const found = new RegExp(`^${parts.join(mark)}`).exec(value)
  if (!found) throw cannot()
  const [whole, sign, hours = '0', minutes = '0', seconds = '0'] = found
  if (Number(hours) > 24 || Number(minutes) > 60 || Number(seconds) > 60) throw cannot()
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  fields.offset = sign === '-' ? -size : size
  return whole.length
}

function instant(fields: Fields, fail: Fail): bigint {
  const { year, yearDay, minute, second, nanosecond, pm, offset } = fields
  const hour = pm === undefined ? fields.hour : (fields.hour % 12) + (pm ? 12 : 0)
  if (fields.hour > (pm === undefined ? 23 : 12)) throw fail('hour out of range')
  if (minute > 59) throw fail('minute out of range')
  if (second > 59) throw fail('second out of range')
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  if (yearDay !== undefined && (yearDay < 1 || yearDay > (leap ? 366 : 365)))
    throw fail('day-of-year out of range')
  const month = yearDay === undefined ? (fields.month ?? 1) : 1
  const day = yearDay ?? fields.day ?? 1
  if (month < 1 || month > 12) throw fail('month out of range')
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (yearDay === undefined && (day < 1 || date.getUTCMonth() !== month - 1))
    throw fail('day out of range')
  const seconds =
    BigInt(date.getTime()) / 1000n + BigInt(hour * 3600 + minute * 60 + second - offset)
  return seconds * 1_000_000_000n + nanosecond
}
