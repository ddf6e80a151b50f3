import { compareIntegers, num } from '../value.ts'
import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const semver: Builtins = {
  'semver.is_valid': (args) => typeof args[0] === 'string' && parse(args[0]) !== undefined,
  'semver.compare': (args) => {
    const [a, b] = [parse(text(args, 0)), parse(text(args, 1))]
    if (!a || !b) throw failed(`operand ${a ? 2 : 1}: not a valid SemVer`)
    return num(compareVersions(a, b))
  },
}

type Version = { readonly numbers: readonly string[]; readonly prerelease: readonly string[] }

const IDENTIFIERS = '[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*'
const VERSION = new RegExp(
  `^v?(\\d+)\\.(\\d+)\\.(\\d+)(?:-((?:${IDENTIFIERS})?))?(?:\\+(?:${IDENTIFIERS})?)?$`,
)
const MOST = String(2n ** 63n - 1n)

/** Semantic Versioning 2.0.0 as OPA takes it: also with a leading `v`, leading zeros and empty last parts. */
function parse(version: string): Version | undefined {
  const [, major = '', minor = '', patch = '', prerelease = ''] = VERSION.exec(version) ?? []
  if (major === '') return undefined
  const numbers = [major, minor, patch]
  if (numbers.some((one) => compareIntegers(one, MOST) > 0)) return undefined
  return { numbers, prerelease: prerelease === '' ? [] : prerelease.split('.') }
}

/** §11: a prerelease comes before its release; numbers before words. */
function compareVersions(a: Version, b: Version): -1 | 0 | 1 {
  for (const [at, one] of a.numbers.entries()) {
    const order = compareIntegers(one, b.numbers[at] ?? '0')
    if (order !== 0) return order
  }
  const [x, y] = [a.prerelease, b.prerelease]
  if (x.length === 0 || y.length === 0) return sign(y.length - x.length)
  for (let at = 0; at < Math.min(x.length, y.length); at += 1) {
    const order = compareParts(x[at] ?? '', y[at] ?? '')
    if (order !== 0) return order
  }
  return sign(x.length - y.length)
}

function compareParts(a: string, b: string): -1 | 0 | 1 {
  const [x, y] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  // OPA 1.19 never comes back from two spellings of one number; here they are equal.
  if (x && y) return compareIntegers(a, b)
  if (x !== y) return x ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

const sign = (difference: number): -1 | 0 | 1 => (difference < 0 ? -1 : difference > 0 ? 1 : 0)
