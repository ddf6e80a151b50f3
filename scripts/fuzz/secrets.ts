import * as fc from 'fast-check'
import { examples } from '../../pep/mask/testing.ts'
import { leaksOf } from '../../pep/adapters/anthropic/testing-places.ts'
import { Broken } from './target.ts'

/** Text with secrets in it, as data: a corpus names a secret, it does not hold one. */
export type Piece =
  | string
  /** `email.0`: the first example of a detector, in one of the forms that a reader takes for it. */
  | { readonly secret: string; readonly form: FormName }
  | { readonly of: string; readonly times: number }

type Parts = { readonly before: string; readonly value: string; readonly after: string }

const known: ReadonlyMap<string, Parts> = new Map(
  Object.entries(Object.groupBy(examples, ({ detector }) => detector.name)).flatMap(([name, all]) =>
    (all ?? []).map((one, k): [string, Parts] => [`${name}.${k}`, one]),
  ),
)

const map =
  (change: (text: string) => string) =>
  ({ before, value, after }: Parts): Parts => ({
    before: change(before),
    value: change(value),
    after: change(after),
  })
const digits = (zero: number) =>
  map((text) => text.replace(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit))))
const between = (mark: string) => map((text) => Array.from(text, (char) => char + mark).join(''))
const percent = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const unicode = (text: string): string =>
  text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Where the value is in base64 of all: the characters that hold any bit of it. */
const base64 =
  (lead: string, encoding: 'base64' | 'base64url', unit: 'utf8' | 'utf16le' = 'utf8') =>
  ({ before, value, after }: Parts): Parts => {
    const head = Buffer.from(`${lead} ${before}`, unit)
    const body = Buffer.from(value, unit)
    const all = Buffer.concat([head, body, Buffer.from(`${after} and so on`, unit)])
    const encoded = all.toString(encoding)
    const from = Math.floor((head.length * 8) / 6)
    const to = Math.ceil(((head.length + body.length) * 8) / 6)
    return {
      before: encoded.slice(0, from),
      value: encoded.slice(from, to),
      after: encoded.slice(to),
    }
  }
const twice = (parts: Parts): Parts => base64('once', 'base64')(base64('twice', 'base64')(parts))

const forms = {
  plain: (parts: Parts) => parts,
  'full-width': map((text) =>
    text.replace(/[!-~]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0)),
  ),
  'arabic-indic': digits(0x660),
  mathematical: digits(0x1d7ce),
  'zero-width': between('\u200b'),
  'soft-hyphen': between('\u00ad'),
  tag: between('\u{e0041}'),
  struck: between('\u0336'),
  percent: map(percent),
  'percent-twice': map((text) => percent(text).replaceAll('%', '%25')),
  'json-escapes': map(unicode),
  html: map((text) => Array.from(text, (char) => `&#${char.codePointAt(0)};`).join('')),
  'html-hex': map((text) =>
    Array.from(text, (char) => `&#x${char.codePointAt(0)?.toString(16)};`).join(''),
  ),
  base64: base64('', 'base64'),
  'base64-one-on': base64('a', 'base64'),
  'base64-two-on': base64('ab', 'base64'),
  base64url: base64('{"v":"', 'base64url'),
  'base64-utf16': base64('say', 'base64', 'utf16le'),
  'base64-twice': twice,
} as const satisfies Readonly<Record<string, (parts: Parts) => Parts>>

export type FormName = keyof typeof forms
export const formNames = Object.keys(forms) as FormName[]

export type Rendered = {
  readonly text: string
  /** What must not be seen, as it stands in the text. */
  readonly values: readonly string[]
}

/** Keeps a secret apart from what stands beside it, which else could be a part of it. */
const GLUE = ' || '

export function render(pieces: readonly Piece[]): Rendered {
  const values: string[] = []
  let text = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') text += piece
    else if ('of' in piece) text += piece.of.repeat(piece.times)
    else {
      const parts = known.get(piece.secret)
      if (parts === undefined) throw new Error(`there is no example ${piece.secret}`)
      const { before, value, after } = forms[piece.form](parts)
      text += GLUE + before + value + after + GLUE
      values.push(value)
    }
  }
  return { text, values }
}

/** What stands around secrets and may stay: the host behind credentials is the end of an address as well. */
const around = [...known.values()]
  .flatMap((parts) => Object.values(forms).map((form) => form(parts)))
  .map(({ before, after }) => `${before}\n${after}`)
  .join('\n')

/** @param seen all that a client can see. @throws {Broken} when it has most of a secret in a row. */
export function expectNone(values: readonly string[], seen: string): void {
  for (const value of values) {
    for (const leaked of leaksOf(value, seen, around)) {
      // Rows of zeros are in texts without a secret as well.
      if (new Set(leaked).size > 2) throw new Broken('a secret is in the output', leaked)
    }
  }
}

const words = fc.constantFrom(
  'the quick ',
  'ünï ',
  '漢字',
  '\u{1F600}',
  ' ',
  '\n',
  '\r\n',
  '\t',
  '**',
  '*',
  '`',
  '#',
  '- ',
  '\\',
  '\\u',
  '\\u00',
  '%',
  '%2',
  '%25',
  '&#',
  '&#6',
  '&',
  '<b>',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  '\u200b',
  '\u2028',
  '\u0000',
  '\ud83d',
  '\ude00',
  '\u{e0041}',
  '\ufeff',
  '://',
  '/',
  '@',
  '.',
  '=',
  '==',
  '+',
  '-',
  '--',
  '_',
  'key: ',
  'password=',
  'eyJ',
  'sk-',
  'AK',
  'gh',
  '42',
  '-----',
  '[REDACTED:',
  '[email:t:',
  'data: ',
  ': ',
  'QUJD',
  'aGVsbG8gd29ybGQsIGhlbGxvIQ',
  '0',
  ',',
  ';',
)

export const noise: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: words },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
)

const planted: fc.Arbitrary<Piece> = fc.record({
  secret: fc.constantFrom(...known.keys()),
  form: fc.oneof(
    { weight: 2, arbitrary: fc.constant<FormName>('plain') },
    { weight: 1, arbitrary: fc.constantFrom(...formNames) },
  ),
})
const repeated: fc.Arbitrary<Piece> = fc.record({ of: noise, times: fc.nat(300) })

export const pieces: fc.Arbitrary<Piece[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: noise },
    { weight: 3, arbitrary: planted },
    { weight: 1, arbitrary: repeated },
  ),
  { maxLength: 8 },
)

export const places = fc.array(fc.nat(5000), { maxLength: 8 })
