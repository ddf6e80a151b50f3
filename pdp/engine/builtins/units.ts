import { type Spend, stepsOfDigits } from '../steps.ts'
import { Num, num } from '../value.ts'
import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const units: Builtins = {
  'units.parse': (args, { spend }) => {
    const { amount, unit } = split(text(args, 0).replaceAll('"', ''))
    spendOn(amount, spend)
    // Only the first letter tells `m` from `M`.
    const name = unit.slice(0, 1) + unit.slice(1).toLowerCase()
    const scale = Object.hasOwn(si, name) ? si[name] : undefined
    if (!scale) throw failed(`unit ${name} not recognized`)
    return decimal(multiply(rational(amount), scale))
  },
  'units.parse_bytes': (args, { spend }) => {
    const { amount, unit } = split(text(args, 0).toLowerCase().replaceAll('"', ''))
    spendOn(amount, spend)
    const scale = Object.hasOwn(bytes, unit) ? bytes[unit] : undefined
    if (scale === undefined) throw failed(`byte unit ${unit} not recognized`)
    // OPA's floats have 64 bits here, and what is left of the point counts.
    const rounded = round64(rational(amount))
    const total = round64(multiply(rounded, [scale, 1n]))
    return num(total[0] / total[1])
  },
}

/** Read, multiplied, divided and written, and made of an exponent of 10,000 at most. */
function spendOn(amount: string, spend: Spend): void {
  spend(8 * stepsOfDigits(amount.length))
  if (/e/i.test(amount)) spend(MOST_EXPONENT)
}

/** Numerator and denominator; the denominator is positive. */
type Rational = readonly [bigint, bigint]

const whole = (power: number, base: bigint): bigint => base ** BigInt(power)
const kilo = (letters: string, base: bigint, suffix: string): [string, bigint][] =>
  [...letters].map((letter, at) => [letter + suffix, whole(at + 1, base)])

const bytes: Readonly<Record<string, bigint>> = Object.fromEntries([
  ['', 1n],
  ...['', 'b'].flatMap((suffix) => kilo('kmgtpe', 1000n, suffix)),
  ...['i', 'ib'].flatMap((suffix) => kilo('kmgtpe', 1024n, suffix)),
])

const si: Readonly<Record<string, Rational>> = Object.fromEntries(
  [
    ['', 1n] as [string, bigint],
    ...kilo('KMGTPE', 1000n, ''),
    ...kilo('kmgtpe', 1000n, '').filter(([name]) => name !== 'm'),
    ...['KMGTPE', 'kmgtpe'].flatMap((letters) => kilo(letters, 1024n, 'i')),
  ].map(([name, scale]): [string, Rational] => [name, [scale, 1n]]),
)
// OPA's milli is the double nearest to 0.001.
Object.assign(si, { m: [1_152_921_504_606_847n, 2n ** 60n] satisfies Rational })

function split(written: string): { amount: string; unit: string } {
  if (written.includes(' ')) throw failed('spaces not allowed in resource strings')
  const [amount = ''] = /^(?:[\d.+-]|[eE](?=[\d+-])[+-]?)*/.exec(written) ?? []
  if (amount === '') throw failed('no amount provided')
  if (/[eE][+-]?\d{7}/.test(amount)) throw failed('exponent too large')
  return { amount, unit: written.slice(amount.length) }
}

/** Numbers of so many digits take the machine too long. */
const MOST_EXPONENT = 10_000

function rational(amount: string): Rational {
  const [, sign, digits = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(amount) ?? []
  if (digits + fraction === '') throw failed('could not parse amount to a number')
  const shift = Number(exponent) - fraction.length
  if (Math.abs(shift) > MOST_EXPONENT)
    throw new Error('units: an exponent past 10,000 is not supported')
  const value = BigInt(digits + fraction) * (sign === '-' ? -1n : 1n)
  return shift < 0 ? [value, 10n ** BigInt(-shift)] : [value * 10n ** BigInt(shift), 1n]
}

const multiply = ([a, b]: Rational, [c, d]: Rational): Rational => [a * c, b * d]

/** To a mantissa of 64 bits, ties to even, as Go's `big.Float` does. */
function round64([numerator, denominator]: Rational): Rational {
  if (numerator === 0n) return [0n, 1n]
  const negative = numerator < 0n
  const value = negative ? -numerator : numerator
  const bits = (one: bigint): number => one.toString(2).length
  let shift = 64 - (bits(value) - bits(denominator))
  const scaled = (): Rational =>
    shift >= 0 ? [value << BigInt(shift), denominator] : [value, denominator << BigInt(-shift)]
  let [top, bottom] = scaled()
  // The quotient has 64 or 65 bits.
  if (top / bottom >= 1n << 64n) {
    shift -= 1
    ;[top, bottom] = scaled()
  }
  let mantissa = top / bottom
  const twice = (top % bottom) * 2n
  if (twice > bottom || (twice === bottom && mantissa % 2n === 1n)) mantissa += 1n
  const signed = negative ? -mantissa : mantissa
  return shift >= 0 ? [signed, 1n << BigInt(shift)] : [signed << BigInt(-shift), 1n]
}

/** An integer, or ten places, halves away from zero. */
function decimal([numerator, denominator]: Rational): Num {
  if (numerator % denominator === 0n) return num(numerator / denominator)
  const negative = numerator < 0n
  const scaled = (negative ? -numerator : numerator) * 10n ** 10n
  let digits = scaled / denominator
  if ((scaled % denominator) * 2n >= denominator) digits += 1n
  const written = String(digits).padStart(11, '0')
  return new Num(`${negative ? '-' : ''}${written.slice(0, -10)}.${written.slice(-10)}`)
}
