/** Floats as Go's `strconv.FormatFloat` writes them: ties round to even, unlike JavaScript's. */

/** Significant decimal digits and where the point is: 0.ddd × 10^point. */
type Decimal = { readonly digits: string; readonly point: number }

/**
 * @param precision -1 for the shortest text that reads back the same.
 * @returns with a `-` where the value is negative, without `+`.
 */
export function goFloat(
  value: number,
  verb: 'e' | 'E' | 'f' | 'F' | 'g' | 'G',
  precision: number,
): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  return sign + unsigned(Math.abs(value), verb, precision)
}

function unsigned(value: number, verb: string, precision: number): string {
  const shortest = precision < 0
  const all = shortest ? shortestDecimal(value) : exactDecimal(value)
  switch (verb) {
    case 'e':
    case 'E': {
      const decimal = shortest ? all : round(all, precision + 1)
      return exponential(decimal, shortest ? decimal.digits.length - 1 : precision, verb)
    }
    case 'f':
    case 'F': {
      const decimal = shortest ? all : round(all, all.point + precision)
      const places = shortest ? Math.max(decimal.digits.length - decimal.point, 0) : precision
      return fixed(decimal, places)
    }
    default: {
      const wanted = shortest ? 6 : Math.max(precision, 1)
      const decimal = shortest ? all : round(all, wanted)
      const count = decimal.digits.length
      const limit = !shortest && wanted > count && count >= decimal.point ? count : wanted
      const exponent = decimal.point - 1
      if (value !== 0 && (exponent < -4 || exponent >= limit))
        return exponential(decimal, count - 1, verb === 'G' ? 'E' : 'e')
      return fixed(decimal, Math.max(count - decimal.point, 0))
    }
  }
}

function shortestDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 1 }
  const [digits = '', exponent] = value.toExponential().replace('.', '').split('e')
  return trim({ digits, point: Number(exponent) + 1 })
}

/** All digits of a double: mantissa × 2^exponent, without rounding. */
function exactDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 1 }
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const all = bits.getBigUint64(0)
  const biased = Number((all >> 52n) & 0x7ffn)
  const fraction = all & 0xf_ffff_ffff_ffffn
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n)
  const exponent = Math.max(biased, 1) - 1075
  if (exponent >= 0) {
    const digits = String(mantissa << BigInt(exponent))
    return trim({ digits, point: digits.length })
  }
  const digits = String(mantissa * 5n ** BigInt(-exponent))
  return trim({ digits, point: digits.length + exponent })
}

const trim = ({ digits, point }: Decimal): Decimal => ({ digits: digits.replace(/0+$/, ''), point })

/** To `count` significant digits, ties to even. */
function round({ digits, point }: Decimal, count: number): Decimal {
  if (count < 0) return { digits: '', point }
  if (count >= digits.length) return { digits, point }
  const kept = digits.slice(0, count)
  const rest = digits.slice(count)
  const odd = count > 0 && Number(kept.at(-1)) % 2 === 1
  const up = rest[0] !== undefined && (rest > '5' || (rest === '5' && odd))
  if (!up) return trim({ digits: kept, point })
  if (/^9*$/.test(kept)) return { digits: '1', point: point + 1 }
  const raised = String(BigInt(`1${kept}`) + 1n).slice(1)
  return trim({ digits: raised, point })
}

function exponential({ digits, point }: Decimal, places: number, mark: string): string {
  const exponent = digits === '' ? 0 : point - 1
  const padded = digits.padEnd(Math.max(places, 0) + 1, '0')
  const fraction = places > 0 ? `.${padded.slice(1)}` : ''
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${padded[0] ?? '0'}${fraction}${mark}${exponent < 0 ? '-' : '+'}${size}`
}

function fixed({ digits, point }: Decimal, places: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (places <= 0) return digits === '' ? '0' : whole
  const shifted = '0'.repeat(Math.max(-point, 0)) + digits.slice(Math.max(point, 0))
  return `${digits === '' ? '0' : whole}.${shifted.padEnd(places, '0').slice(0, places)}`
}
