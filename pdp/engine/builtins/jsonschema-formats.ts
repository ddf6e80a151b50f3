import { isIP, isIPv4, isIPv6 } from 'node:net'
import { RE2JS } from 're2js'

/** Formats that gojsonschema checks; others are taken. */
const formats: Readonly<Record<string, (text: string) => boolean>> = {
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
  'uri-template': (text) => /^([^{]*(\{[^}]*\})?)*$/.test(text) && !text.includes('\\'),
  uuid: (text) =>
    /^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$/.test(text),
  regex: (text) => {
    try {
      RE2JS.compile(text)
      return true
    } catch {
      return false
    }
  },
  'json-pointer': (text) => /^(?:\/(?:[^~/]|~[01])*)*$/.test(text),
  'relative-json-pointer': (text) => /^(?:0|[1-9][0-9]*)(?:#|(?:\/(?:[^~/]|~[01])*)*)$/.test(text),
}

export const hasFormat = (name: string, text: string): boolean =>
  !Object.hasOwn(formats, name) || formats[name]?.(text) !== false

function isDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`)
  return (
    /^\d{4}-\d\d-\d\d$/.test(text) &&
    !Number.isNaN(date.getTime()) &&
    date.toISOString().startsWith(text)
  )
}

function parses(text: string): boolean {
  try {
    decodeURI(text)
    return true
  } catch {
    return false
  }
}
