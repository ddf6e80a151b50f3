import * as fc from 'fast-check'
import { noise, type Piece, pieces, render } from './secrets.ts'

/** JSON documents as data, and what spoils them. */

/** A JSON document as data: strings are pieces, so that secrets can be in values and keys. */
export type Doc =
  | number
  | boolean
  | null
  | { readonly text: readonly Piece[] }
  | { readonly list: readonly Doc[] }
  | { readonly object: readonly (readonly [key: readonly Piece[], value: Doc])[] }

const { doc } = fc.letrec<{ doc: Doc }>((tie) => ({
  doc: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ text: pieces }),
    fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.record({ list: fc.array(tie('doc'), { maxLength: 4 }) }),
    fc.record({
      object: fc.array(fc.tuple(fc.oneof(fc.array(noise, { maxLength: 2 }), pieces), tie('doc')), {
        maxLength: 4,
      }),
    }),
  ),
}))
export const docs: fc.Arbitrary<Doc> = doc

export type Written = {
  readonly json: string
  /** Secrets in it, and those that are in keys. */
  readonly values: readonly string[]
  readonly inKeys: readonly string[]
}

/** @param spread a space here and there, and strings in `\uXXXX`. */
export function write(doc: Doc, spread: boolean): Written {
  const values: string[] = []
  const inKeys: string[] = []
  const gap = spread ? ' \n' : ''
  const string = (pieces: readonly Piece[], suffix = ''): string => {
    const rendered = render(pieces)
    values.push(...rendered.values)
    if (suffix !== '') inKeys.push(...rendered.values)
    const json = JSON.stringify(rendered.text + suffix)
    return spread
      ? json.replace(/[a-z0-9]/g, (unit, at: number) =>
          at % 3 === 0 && json[at - 1] !== '\\' && !/\\u?[0-9a-f]{0,4}$/.test(json.slice(0, at))
            ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
            : unit,
        )
      : json
  }
  const any = (node: Doc): string => {
    if (node === null || typeof node !== 'object') return JSON.stringify(node)
    if ('text' in node) return string(node.text)
    if ('list' in node) return `[${gap}${node.list.map(any).join(`,${gap}`)}]`
    // A number makes each key a key of its own.
    const entries = node.object.map(
      ([key, value], k) => `${string(key, ` #${k}`)}${gap}:${gap}${any(value)}`,
    )
    return `{${entries.join(`,${gap}`)}${gap}}`
  }
  return { json: any(doc), values, inKeys }
}

export type Edit = { readonly at: number; readonly take: number; readonly put: string }
/** Bytes that mean something to a parser, and bytes that mean nothing to anybody. */
export const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    at: fc.nat(5000),
    take: fc.nat(3),
    put: fc.constantFrom(
      '',
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '\0',
      '\n',
      '\r',
      '\x80',
      '\xff',
      '\xef\xbb\xbf',
      '\\u',
      '\\ud83d',
      '""',
      '"a":',
      '1e999',
      '[['.repeat(80),
    ),
  }),
  { minLength: 1, maxLength: 4 },
)

export function edited(bytes: Buffer, changes: readonly Edit[]): Buffer {
  let text = bytes.toString('latin1')
  for (const { at, take, put } of changes) {
    const place = at % (text.length + 1)
    text = text.slice(0, place) + put + text.slice(place + take)
  }
  return Buffer.from(text, 'latin1')
}
