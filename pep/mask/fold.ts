/**
 * Text as its readers take it. People and models read `４１１１`, `4\u200b111`, `ada%40example.com`, `ada&#64;example.com`
 * and `ada\_l@example.com` as what they stand for, so detectors are shown that.
 *
 * Folded: decimal digits of every script, full-width, small and mathematical forms of ASCII (Unicode NFKC); percent
 * escapes (RFC 3986 §2.1, also escaped up to three times), `\u0040` and `\x40`, character references of HTML by number and
 * those by name that values are written with, backslash escapes of Markdown. Left out: default-ignorable code points (UAX #44), NUL, marks that strike through or
 * frame what stands before them, the `**` of Markdown and the `<wbr>` of HTML.
 */
export type FoldedSink = {
  /** Text that stands for itself. */
  readonly same: (text: string) => void
  /** What is read as something else; as nothing, when `reading` is empty. */
  readonly reads: (reading: string, original: string) => void
}

/** NFKC, where it gives one ASCII character, of forms made to look like ASCII. Not of `²` and `①`, which are read as marks. */
const looksLikeAscii: readonly (readonly [number, number])[] = [
  [0xfe50, 0xfe6b],
  [0xff01, 0xff5e],
  [0x1d400, 0x1d7ff],
]
/** The last of the scripts' digits. */
const LAST_DIGIT = 0x1fbf9

function asciiForms(): Map<number, string> {
  const forms = new Map<number, string>()
  for (const [first, last] of looksLikeAscii) {
    for (let code = first; code <= last; code++) {
      const form = String.fromCodePoint(code).normalize('NFKC')
      if (form.length === 1 && form > ' ' && form < '\u007f') forms.set(code, form)
    }
  }
  // Decimal digits stand in tens, zero first (Unicode, Nd).
  for (let code = 0x80, zero = 0x80; code <= LAST_DIGIT; code++) {
    if (!/\p{Nd}/u.test(String.fromCodePoint(code))) zero = code + 1
    else if (!forms.has(code)) forms.set(code, String((code - zero) % 10))
  }
  return forms
}

const forms = asciiForms()

function ignoredCodes(): number[] {
  const isIgnored = /\p{DI}|\0|\u0305|[\u0332-\u0338]|[\u20dd-\u20e3]/u
  const codes: number[] = []
  for (const [first, last] of [
    [0, 0xffff],
    [0x1bca0, 0x1bca3],
    [0x1d173, 0x1d17a],
    [0xe0000, 0xe0fff],
  ] as const)
    for (let code = first; code <= last; code++)
      if (isIgnored.test(String.fromCodePoint(code))) codes.push(code)
  return codes
}

/** A pattern of single characters, by code units: without the `u` flag it is several times as fast. */
function anyOf(codes: Iterable<number>): string {
  const byLead = Map.groupBy(codes, (code) => (code > 0xffff ? (code - 0x10000) >> 10 : -1))
  return [...byLead]
    .map(([lead, group]) =>
      lead === -1
        ? `[${ranges(group)}]`
        : `${hex(0xd800 + lead)}[${ranges(group.map((code) => 0xdc00 + (code & 0x3ff)))}]`,
    )
    .join('|')
}

const firstUnit = (code: number): number => String.fromCodePoint(code).charCodeAt(0)

const hex = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`

function ranges(units: readonly number[]): string {
  const merged: [number, number][] = []
  for (const unit of units.toSorted((a, b) => a - b)) {
    const last = merged.at(-1)
    if (last && last[1] === unit - 1) last[1] = unit
    else merged.push([unit, unit])
  }
  return merged.map(([first, last]) => `${hex(first)}-${hex(last)}`).join('')
}

/** Named character references (HTML, §13.5) of what stands in values. */
const entities: Readonly<Record<string, string>> = {
  nbsp: ' ',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
  commat: '@',
  period: '.',
  plus: '+',
  colon: ':',
  sol: '/',
  lowbar: '_',
  equals: '=',
  hyphen: '-',
  dash: '-',
  ndash: '-',
  mdash: '-',
  shy: '',
  zwj: '',
  zwnj: '',
}

const ignored = anyOf(ignoredCodes())
const source = [
  '%(?:25){0,3}(?<percent>[0-7][0-9a-fA-F])',
  '\\\\u(?<unit>[0-9a-fA-F]{4})',
  '\\\\x(?<byte>[0-7][0-9a-fA-F])',
  '&#[xX](?<hex>[0-9a-fA-F]{1,6});',
  '&#(?<decimal>[0-9]{1,7});',
  `&(?<entity>${Object.keys(entities).join('|')});`,
  '\\\\(?<mark>[_*.+@-])',
  `(?<ignored>${ignored}|(?<![*\\\\])\\*\\*(?!\\*)|<wbr ?/?>)`,
  `(?<form>${anyOf(forms.keys())})`,
].join('|')
const every = new RegExp(source, 'g')
const wholeIgnored = new RegExp(`^(?:${ignored})$`)

/** What every sequence begins with: single units, since a pattern of these is the fastest. */
const beginnings = new RegExp(
  `%[0-7]|\\\\[ux_*.+@-]|&[#a-z]|\\*\\*|<wbr|[${ranges([
    ...new Set([...ignoredCodes(), ...forms.keys()].map((code) => firstUnit(code))),
  ])}]`,
)

/** Whether readers may take something in a text for something else; without need for some emoji. */
export const isFoldable = (text: string): boolean => beginnings.test(text)

/** What may be the beginning of a sequence, at the end of a text. */
const unfinished =
  /(?:%(?:25){0,3}2?[0-7]?|\\(?:u[0-9a-fA-F]{0,3}|x[0-7]?)?|&(?:#(?:[xX][0-9a-fA-F]{0,6}|[0-9]{0,7})|[a-z]{0,6})|<(?:w(?:br? ?\/?)?)?|(?<![*\\])\*{1,2}|[\ud800-\udbff])$/
/** Such a beginning has so many units at most: of `&#x10FFFF;` and `%25252540` all but the last. */
const MOST_UNFINISHED = 9

/**
 * @param before the character in front of the text, if any.
 * @returns the index from which on a text must be seen together with what follows.
 */
export function unfinishedFrom(text: string, before: string): number {
  const from = Math.max(0, text.length - MOST_UNFINISHED)
  const lead = from === 0 ? before : text.charAt(from - 1)
  const found = unfinished.exec(lead + text.slice(from))
  return found === null ? text.length : Math.max(from, from + found.index - lead.length)
}

/**
 * Says how a text is read, in order; nothing of it is missing.
 * @param before the character in front of it, if any.
 */
export function fold(text: string, before: string, sink: FoldedSink): void {
  const all = before + text
  let from = before.length
  every.lastIndex = from
  for (let match = every.exec(all); match !== null; match = every.exec(all)) {
    const [found] = match
    if (match.index > from) sink.same(all.slice(from, match.index))
    const reading = readingOf(found, match.groups ?? {})
    if (reading === found) sink.same(found)
    else sink.reads(reading, found)
    from = match.index + found.length
  }
  if (from < all.length) sink.same(from === 0 ? all : all.slice(from))
}

/** What a sequence stands for; empty for what is left out. */
function readingOf(
  found: string,
  {
    percent,
    unit,
    byte,
    hex,
    decimal,
    entity,
    mark,
    ignored,
  }: Readonly<Record<string, string | undefined>>,
): string {
  if (ignored !== undefined) return ''
  if (mark !== undefined) return mark
  if (entity !== undefined) return entities[entity] ?? found
  const written = percent ?? unit ?? byte ?? hex
  const code =
    written !== undefined
      ? Number.parseInt(written, 16)
      : decimal !== undefined
        ? Number(decimal)
        : (found.codePointAt(0) ?? 0)
  if (code > 0x10ffff) return found
  const char = String.fromCodePoint(code)
  return forms.get(code) ?? (wholeIgnored.test(char) ? '' : char)
}
