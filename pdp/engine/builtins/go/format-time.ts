import type { Spend } from '../../steps.ts'
import { layoutOf, MONTHS, parseLayout, WEEKDAYS } from './layout.ts'

const two = (value: number): string => String(value).padStart(2, '0')

/** Writes a time as Go's `Time.Format` does. */
export function formatTime(time: Temporal.ZonedDateTime, layout: string, spend: Spend): string {
  let abbreviation: string | undefined
  const written = (name: string): string => {
    spend(STEPS_AN_ELEMENT)
    if (name !== 'MST') return element(time, name)
    if (abbreviation === undefined) spend(STEPS_AN_ABBREVIATION)
    return (abbreviation ??= zoneAbbreviation(time))
  }
  return parseLayout(layoutOf(layout), spend)
    .map((part) => ('text' in part ? part.text : written(part.element)))
    .join('')
}

const STEPS_AN_ELEMENT = 300
/** Formats of four languages are made for it. */
const STEPS_AN_ABBREVIATION = 100_000

function element(time: Temporal.ZonedDateTime, name: string): string {
  if (/^[.,]/.test(name)) return fraction(time, name)
  if (/^[Z-]/.test(name)) return offset(time.offsetNanoseconds / 1e9, name)
  const { year, month, day, hour, minute, second } = time
  const hour12 = hour % 12 === 0 ? 12 : hour % 12
  const written: Readonly<Record<string, () => string>> = {
    January: () => MONTHS[month - 1] ?? '',
    Jan: () => (MONTHS[month - 1] ?? '').slice(0, 3),
    Monday: () => WEEKDAYS[time.dayOfWeek % 7] ?? '',
    Mon: () => (WEEKDAYS[time.dayOfWeek % 7] ?? '').slice(0, 3),
    PM: () => (hour >= 12 ? 'PM' : 'AM'),
    pm: () => (hour >= 12 ? 'pm' : 'am'),
    '2006': () => String(year).padStart(4, '0'),
    '06': () => two(Math.abs(year) % 100),
    '002': () => String(time.dayOfYear).padStart(3, '0'),
    __2: () => String(time.dayOfYear).padStart(3, ' '),
    '01': () => two(month),
    '1': () => String(month),
    '02': () => two(day),
    _2: () => String(day).padStart(2, ' '),
    '2': () => String(day),
    '15': () => two(hour),
    '03': () => two(hour12),
    '3': () => String(hour12),
    '04': () => two(minute),
    '4': () => String(minute),
    '05': () => two(second),
    '5': () => String(second),
  }
  return written[name]?.() ?? name
}

function fraction(time: Temporal.ZonedDateTime, name: string): string {
  const digits = [time.millisecond, time.microsecond, time.nanosecond]
    .map((part) => String(part).padStart(3, '0'))
    .join('')
    .slice(0, name.length - 1)
    .padEnd(name.length - 1, '0')
  if (name[1] === '0') return `${name[0]}${digits}`
  const bare = digits.replace(/0+$/, '')
  return bare === '' ? '' : `${name[0]}${bare}`
}

function offset(seconds: number, name: string): string {
  if (name.startsWith('Z') && seconds === 0) return 'Z'
  const size = Math.abs(seconds)
  const [hours, minutes, rest] = [Math.trunc(size / 3600), Math.trunc(size / 60) % 60, size % 60]
  const mark = name.includes(':') ? ':' : ''
  const digits = name.replace(/[^0-9]/g, '').length
  const parts = [
    two(hours),
    ...(digits > 2 ? [two(minutes)] : []),
    ...(digits > 4 ? [two(rest)] : []),
  ]
  return `${seconds < 0 ? '-' : '+'}${parts.join(mark)}`
}

/** As the zone's database has it, where the host's library tells; else the offset. */
function zoneAbbreviation(time: Temporal.ZonedDateTime): string {
  if (time.timeZoneId === 'UTC') return 'UTC'
  for (const locale of ['en-US', 'en-GB', 'en-AU', 'en-IN']) {
    const parts = new Intl.DateTimeFormat(locale, {
      timeZone: time.timeZoneId,
      timeZoneName: 'short',
    }).formatToParts(time.epochMilliseconds)
    const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
    if (/^[A-Z]{3,5}$/.test(name)) return name
  }
  return offset(
    time.offsetNanoseconds / 1e9,
    time.offsetNanoseconds % 3.6e12 === 0 ? '-07' : '-0700',
  )
}
