import { compareStrings, isArray, isSet, sorted, type Value } from '../value.ts'
import { failed, object, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { goJson } from './go/json.ts'
import { percentDecode } from './go/url.ts'

export const encoding: Builtins = {
  'hex.encode': (args) => Buffer.from(text(args, 0)).toString('hex'),
  'hex.decode': (args) => {
    const digits = text(args, 0)
    if (digits.length % 2 === 1 || /[^0-9a-fA-F]/.test(digits)) throw failed('not hexadecimal')
    return bytesText(Buffer.from(digits, 'hex'))
  },
  'base64url.encode_no_pad': (args) => Buffer.from(text(args, 0)).toString('base64url'),
  'urlquery.encode': (args) => queryEscape(text(args, 0)),
  'urlquery.decode': (args) => queryUnescape(text(args, 0)),
  'urlquery.encode_object': (args) => {
    const pairs = [...object(args, 0)].map(
      ([key, one]) => [queryKey(key), queryValues(one)] as const,
    )
    return pairs
      .toSorted(([a], [b]) => compareStrings(a, b))
      .flatMap(([key, values]) => values.map((one) => `${queryEscape(key)}=${queryEscape(one)}`))
      .join('&')
  },
  'urlquery.decode_object': (args) => {
    const values = new Map<string, string[]>()
    for (const part of text(args, 0).split('&')) {
      if (part.includes(';')) throw failed('invalid semicolon separator in query')
      if (part === '') continue
      const at = part.indexOf('=')
      const key = queryUnescape(at === -1 ? part : part.slice(0, at))
      const value = at === -1 ? '' : queryUnescape(part.slice(at + 1))
      const known = values.get(key)
      if (known) known.push(value)
      else values.set(key, [value])
    }
    return values
  },
}

/** Bytes that are no UTF-8 become U+FFFD, one for each as in Go's conversion to JSON. */
export function bytesText(bytes: Buffer): string {
  return bytes.toString('utf8')
}

const queryKey = (key: Value): string => (typeof key === 'string' ? key : goJson(key))

function queryValues(value: Value): readonly string[] {
  if (typeof value === 'string') return [value]
  const values = isArray(value) ? value : isSet(value) ? sorted(value) : undefined
  if (values?.every((one) => typeof one === 'string')) return values
  throw failed('values must be string, array[string], or set[string]')
}

/** Go's `url.QueryEscape`: all but letters, digits and `-_.~`; a space is `+`. */
const queryEscape = (raw: string): string =>
  encodeURIComponent(raw.toWellFormed())
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')

function queryUnescape(escaped: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(escaped)) throw failed('invalid URL escape')
  return bytesText(percentDecode(escaped.replaceAll('+', ' ')))
}
