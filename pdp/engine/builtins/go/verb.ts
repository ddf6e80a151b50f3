import { goFloat } from './float.ts'
import { canBackquote, goQuote } from './quote.ts'

/** What `sprintf` gives to Go's `fmt`. */
export type GoArgument =
  | { readonly type: 'int64'; readonly value: bigint }
  | { readonly type: '*big.Int'; readonly value: bigint; readonly digits: number }
  | { readonly type: 'float64'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }

/** The flags of one verb; `width` and `precision` only where they were given. */
export type Flags = {
  sharp: boolean
  zero: boolean
  plus: boolean
  minus: boolean
  space: boolean
  width?: number | undefined
  precision?: number | undefined
}

/** One argument under one verb, as Go's `fmt` prints it. */
export function printArgument(argument: GoArgument, verb: string, flags: Flags): string {
  if (verb === 'T') return pad(argument.type, flags)
  const printed = printKnown(argument, verb === 'v' ? plain(flags) : flags, verb)
  if (printed !== undefined) return printed
  if (argument.type === '*big.Int') return `%!${verb}(big.Int=${argument.value})`
  return `%!${verb}(${argument.type}=${printArgument(argument, 'v', flags)})`
}

/** Of the flags of `%v`, plus and sharp mean other things and only to structures. */
const plain = (flags: Flags): Flags => ({ ...flags, plus: false, sharp: false })

function printKnown(argument: GoArgument, flags: Flags, verb: string): string | undefined {
  switch (argument.type) {
    case 'int64':
      return printInteger(argument.value, verb, flags)
    case '*big.Int':
      return printBig(argument.value, verb, flags)
    case 'float64':
      return printFloat(argument.value, verb, flags)
    case 'string':
      return printText(argument.value, verb, flags)
    default:
      return argument satisfies never
  }
}

const bases: Readonly<Record<string, number>> = { b: 2, o: 8, O: 8, d: 10, v: 10, x: 16, X: 16 }

function printInteger(value: bigint, verb: string, flags: Flags): string | undefined {
  if (verb === 'c') return pad(character(value), flags)
  if (verb === 'q') return pad(goQuote(character(value), flags.plus, "'"), flags)
  if (verb === 'U') return pad(unicode(value, flags), { ...flags, zero: false })
  const base = bases[verb]
  if (base === undefined) return undefined
  const { precision, width = 0, zero, minus, plus, space } = flags
  const unpadded = { ...flags, zero: false }
  if (precision === 0 && value === 0n) return pad('', unpadded)
  const signed = value < 0n || plus || space
  const least = precision ?? (zero && !minus ? width - (signed ? 1 : 0) : 0)
  let digits = magnitude(value, base, verb).padStart(least, '0')
  if (flags.sharp) digits = sharpPrefix(verb, digits) + digits
  if (verb === 'O') digits = `0o${digits}`
  return pad(sign(value < 0n, flags) + digits, unpadded)
}

/** `big.Int` prints itself, and counts its prefix into the width. */
function printBig(value: bigint, verb: string, flags: Flags): string | undefined {
  const base = verb === 's' ? 10 : bases[verb]
  if (base === undefined) return undefined
  const { precision, width = 0, zero, minus } = flags
  const digits = magnitude(value, base, verb)
  const prefix = verb === 'O' ? '0o' : flags.sharp ? sharpPrefix(verb, '') : ''
  const lead = sign(value < 0n, flags) + prefix
  const least = precision ?? (zero && !minus ? width - lead.length : 0)
  return pad(lead + digits.padStart(least, '0'), { ...flags, zero: false })
}

function magnitude(value: bigint, base: number, verb: string): string {
  const digits = (value < 0n ? -value : value).toString(base)
  return verb === 'X' ? digits.toUpperCase() : digits
}

const sign = (negative: boolean, { plus, space }: Flags): string =>
  negative ? '-' : plus ? '+' : space ? ' ' : ''

function sharpPrefix(verb: string, digits: string): string {
  if (verb === 'b') return '0b'
  if (verb === 'x' || verb === 'X') return `0${verb}`
  return (verb === 'o' || verb === 'O') && !digits.startsWith('0') ? '0' : ''
}

const character = (value: bigint): string =>
  value < 0n || value > 0x10_ffffn || (value >= 0xd800n && value <= 0xdfffn)
    ? '\ufffd'
    : String.fromCodePoint(Number(value))

function unicode(value: bigint, flags: Flags): string {
  const least = Math.max(flags.precision ?? 4, 4)
  const digits = BigInt.asUintN(64, value).toString(16).toUpperCase().padStart(least, '0')
  const shown = flags.sharp && value >= 0n && value <= 0x10_ffffn
  const quoted = shown ? goQuote(character(value), false, "'") : undefined
  return `U+${digits}${quoted === undefined || quoted.startsWith("'\\") ? '' : ` ${quoted}`}`
}

function printFloat(value: number, verb: string, flags: Flags): string | undefined {
  const kind = verb === 'v' ? 'g' : verb
  if (!['e', 'E', 'f', 'F', 'g', 'G'].includes(kind)) {
    // Binary and hexadecimal floats: no answer is better than a wrong one.
    if (['b', 'x', 'X'].includes(kind)) throw new Error(`%${verb} of a float is not supported`)
    return undefined
  }
  const precision = flags.precision ?? (kind === 'g' || kind === 'G' ? -1 : 6)
  const written = goFloat(value, kind as 'g', precision)
  const negative = written.startsWith('-')
  let digits = negative ? written.slice(1) : written
  if (flags.sharp) digits = keepPoint(digits, kind, precision)
  const lead = sign(negative, flags)
  const { width = 0, zero, minus } = flags
  if (lead !== '' && zero && !minus) return lead + digits.padStart(width - lead.length, '0')
  return pad(lead + digits, flags)
}

/** `#` keeps the decimal point, and for `%g` the zeros up to the precision. */
function keepPoint(written: string, verb: string, precision: number): string {
  const [number = '', exponent] = written.split(/(?=[eE])/)
  const significant = number.replace('.', '').replace(/^0+/, '').length
  const general = verb === 'g' || verb === 'G'
  const missing = general ? (precision < 0 ? 6 : precision) - significant : 0
  const zeros = number === '0' ? missing - 1 : missing
  const pointed = number.includes('.') ? number : `${number}.`
  return pointed + '0'.repeat(Math.max(zeros, 0)) + (exponent ?? '')
}

function printText(value: string, verb: string, flags: Flags): string | undefined {
  const { precision } = flags
  const cut = precision === undefined ? value : [...value].slice(0, precision).join('')
  switch (verb) {
    case 'v':
    case 's':
      return pad(cut, flags)
    case 'q':
      if (flags.sharp && canBackquote(cut)) return pad(`\`${cut}\``, flags)
      return pad(goQuote(cut, flags.plus), flags)
    case 'x':
    case 'X':
      return pad(hexText(value, verb, flags), flags)
    default:
      return undefined
  }
}

function hexText(value: string, verb: 'x' | 'X', { precision, sharp, space }: Flags): string {
  const bytes = [...Buffer.from(value).subarray(0, precision)]
  const digits = bytes.map((byte) => byte.toString(16).padStart(2, '0'))
  const cased = verb === 'X' ? digits.map((pair) => pair.toUpperCase()) : digits
  if (cased.length === 0) return ''
  const prefix = sharp ? `0${verb}` : ''
  return space ? cased.map((pair) => prefix + pair).join(' ') : prefix + cased.join('')
}

/** Widths count characters, not UTF-16 units. */
function pad(text: string, { width = 0, minus, zero }: Flags): string {
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (minus) return text + ' '.repeat(missing)
  return (zero ? '0' : ' ').repeat(missing) + text
}
