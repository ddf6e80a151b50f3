import { isIP, isIPv4, isIPv6 } from 'node:net'
import { BuiltinError } from '../errors.ts'
import type { Host } from './builtin.ts'
import { compilePattern } from './pattern.ts'

/** Formats that gojsonschema checks; others are taken. */
const formats: Readonly<Record<string, (text: string, host: Host) => boolean>> = {
  date: (text) => isDate(text),
  time: (text) => /^\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?$/.test(text),
  'date-time': (text) => {
    const [, date, clock] =
      /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?$/.exec(text) ?? []
    return (
      date !== undefined &&
      clock !== undefined &&
      isDate(date) &&
      !Number.isNaN(Date.parse(`${date}T${clock}Z`))
    )
  },
  hostname: (text) =>
    text.length <= 255 &&
    /^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9])(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]))*$/.test(
      text,
    ),
  email: (text) => /^[^@\s<>]+@[^@\s<>]+$/.test(text),
  'idn-email': (text) => /^[^@\s<>]+@[^@\s<>]+$/.test(text),
  ipv4: (text) => isIPv4(text),
  ipv6: (text) => isIP(text) === 6 && isIPv6(text),
  uri: (text) => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text) && !text.includes('\\') && parses(text),
  'uri-reference': (text) => !text.includes('\\'),
  'uri-template': (text) => !text.includes('\\') && hasClosedBraces(text),
  uuid: (text) =>
    /^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$/.test(text),
  regex: (text, host) => {
    try {
      compilePattern(text, host)
      return true
    } catch (error) {
      if (error instanceof BuiltinError) return false
      throw error
    }
  },
  'json-pointer': (text) => /^(?:\/|$)/.test(text) && !/~(?![01])/.test(text),
  'relative-json-pointer': (text) =>
    /^(?:0|[1-9][0-9]*)(?:#$|\/|$)/.test(text) && !/~(?![01])/.test(text),
}

export const hasFormat = (name: string, text: string, host: Host): boolean =>
  !Object.hasOwn(formats, name) || formats[name]?.(text, host) !== false

/** Every `{` has a `}` behind it. */
function hasClosedBraces(text: string): boolean {
  for (let at = text.indexOf('{'); at !== -1; at = text.indexOf('{', at)) {
    at = text.indexOf('}', at)
    if (at === -1) return false
  }
  return true
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

function parses(text: string): boolean {
  try {
    decodeURI(text)
    return true
  } catch {
    return false
  }
}
