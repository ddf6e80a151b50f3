import { isArray, isSet, Num, sorted, sortedEntries, type Value } from '../../value.ts'

/** Text as Go writes it, because OPA's answers carry it. */

const escapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
}

const PRINTED = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

/** Go's `strconv.Quote`, `QuoteToASCII` and `QuoteRune`. */
export function goQuote(text: string, ascii = false, mark = '"'): string {
  let out = mark
  for (const character of text) out += quoteCharacter(character, ascii, mark)
  return out + mark
}

function quoteCharacter(character: string, ascii: boolean, mark: string): string {
  if (character === mark) return `\\${mark}`
  const escape = escapes[character]
  if (escape !== undefined) return escape
  const point = character.codePointAt(0) ?? 0
  if ((point < 0x80 || !ascii) && PRINTED.test(character)) return character
  if (point < 0x20 || point === 0x7f) return `\\x${hex(point, 2)}`
  return point < 0x1_0000 ? `\\u${hex(point, 4)}` : `\\U${hex(point, 8)}`
}

const hex = (point: number, width: number): string => point.toString(16).padStart(width, '0')

/** Go's `strconv.CanBackquote`. */
export const canBackquote = (text: string): boolean =>
  // eslint-disable-next-line no-control-regex -- these are what cannot be quoted so
  !/[\u0000-\u0008\u000a-\u001f`\u007f\ufeff\ufffd]/.test(text)

/** A value as Rego writes it: `{"a": [1, {2, 3}]}`. */
export function termText(value: Value): string {
  const out: string[] = []
  const write = (one: Value): void => {
    if (one === null || typeof one === 'boolean') out.push(String(one))
    else if (typeof one === 'string') out.push(goQuote(one))
    else if (one instanceof Num) out.push(one.literal)
    else if (isArray(one)) list('[', one, ']')
    else if (isSet(one)) {
      if (one.size === 0) out.push('set()')
      else list('{', sorted(one), '}')
    } else {
      out.push('{')
      for (const [at, [key, item]] of sortedEntries(one).entries()) {
        if (at > 0) out.push(', ')
        write(key)
        out.push(': ')
        write(item)
      }
      out.push('}')
    }
  }
  const list = (open: string, items: readonly Value[], close: string): void => {
    out.push(open)
    for (const [at, item] of items.entries()) {
      if (at > 0) out.push(', ')
      write(item)
    }
    out.push(close)
  }
  write(value)
  return out.join('')
}
