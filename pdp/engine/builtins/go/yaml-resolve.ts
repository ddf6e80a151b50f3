import { BuiltinError } from '../../errors.ts'
import { goFloat } from './float.ts'
import { parseTime } from './parse-time.ts'

/** What go-yaml reads unquoted text as, under YAML 1.1. */
type Kind = 'text' | 'int' | 'float' | 'other'

const WORDS = new Set([
  '',
  '~',
  ...['null', 'yes', 'true', 'on', 'no', 'false', 'off', 'y', 'n'].flatMap(cases),
  ...['.inf', '+.inf', '-.inf'].flatMap((word) => [
    word,
    word.replace('i', 'I'),
    word.toUpperCase(),
  ]),
  '.nan',
  '.NaN',
  '.NAN',
])

function cases(word: string): string[] {
  return [word, `${word.charAt(0).toUpperCase()}${word.slice(1)}`, word.toUpperCase()]
}

/** Numbers in parts of 60, which readers of YAML 1.1 take for numbers though go-yaml does not. */
const BASE_60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/

/** Whether text may stand unquoted and still be read as that text. */
export const readsAsText = (text: string): boolean =>
  resolve(text) === 'text' && !BASE_60.test(text)

/** A JSON number as go-yaml writes what it read. One past all floats was read as text. */
export function yamlNumber(literal: string): string {
  const kind = resolve(literal)
  if (kind === 'int') return String(BigInt(literal))
  return kind === 'float' ? goFloat(Number(literal), 'g', -1) : literal
}

function resolve(text: string): Kind {
  if (WORDS.has(text)) return 'other'
  const [first = ''] = text
  if (first === '.') return /^\.\d+(?:[eE][-+]?\d+)?$/.test(text) && finite(text) ? 'float' : 'text'
  if (!/[-+\d]/.test(first)) return 'text'
  if (isTime(text)) return 'other'
  const plain = text.replaceAll('_', '')
  if (isInt(plain)) return 'int'
  const float = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(plain)
  return float && finite(plain) ? 'float' : 'text'
}

const finite = (text: string): boolean => Number.isFinite(Number(text))

/** Go's integers of any base, of 64 bits: unsigned ones without a sign. */
function isInt(text: string): boolean {
  const [, sign, digits] =
    /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/.exec(text) ?? []
  if (digits === undefined) return false
  const octal = /^0[oO]?([0-7]+)$/.exec(digits)?.[1]
  // 64 bits have no more digits in any base; to read a long integer takes long.
  if (digits.replace(/^0[xXbBoO]?0*/, '').length > 64) return false
  const value = BigInt(octal === undefined ? digits : `0o${octal}`)
  if (sign === '-') return value <= 2n ** 63n
  return value < (sign === '+' ? 2n ** 63n : 2n ** 64n)
}

const TIMES = [
  '2006-1-2T15:4:5.999999999Z07:00',
  '2006-1-2t15:4:5.999999999Z07:00',
  '2006-1-2 15:4:5.999999999',
  '2006-1-2',
]

function isTime(text: string): boolean {
  if (!/^\d{4}-/.test(text)) return false
  return TIMES.some((layout) => {
    try {
      // The layouts are short.
      parseTime(layout, text, () => {})
      return true
    } catch (error) {
      if (error instanceof BuiltinError) return false
      throw error
    }
  })
}
