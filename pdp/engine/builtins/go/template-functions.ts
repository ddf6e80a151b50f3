import { compareStrings, Num } from '../../value.ts'
import { failed } from '../arguments.ts'
import { type Dynamic, isArrayOf, isLiteral, isObjectOf, isTrue, text } from './template-values.ts'

type Fn = (args: readonly Dynamic[]) => Dynamic

const fail = (why: string): Error => failed(`template: template:1: ${why}`)

/** Text, and numbers of the variables, which are text to Go. */
const textOf = (value: Dynamic): string | undefined =>
  typeof value === 'string' ? value : value instanceof Num ? value.literal : undefined

function same(a: Dynamic, b: Dynamic): boolean {
  if (isLiteral(a) && isLiteral(b)) return a.literal === b.literal
  if (typeof a === 'boolean' && typeof b === 'boolean') return a === b
  const [left, right] = [textOf(a), textOf(b)]
  if (left !== undefined && right !== undefined) return left === right
  if (a === undefined || a === null || b === undefined || b === null)
    return (a ?? null) === (b ?? null)
  throw fail('error calling eq: incompatible types for comparison')
}

function less(a: Dynamic, b: Dynamic): boolean {
  if (isLiteral(a) && isLiteral(b)) return a.literal < b.literal
  const [left, right] = [textOf(a), textOf(b)]
  if (left !== undefined && right !== undefined) return compareStrings(left, right) < 0
  throw fail('error calling lt: incompatible types for comparison')
}

const compare =
  (test: (a: Dynamic, b: Dynamic) => boolean): Fn =>
  ([a, b]) =>
    test(a, b)

const escape =
  (table: Readonly<Record<string, string>>, pattern: RegExp): Fn =>
  (args) =>
    args
      .map(text)
      .join('')
      .replace(pattern, (mark) => table[mark] ?? mark)

const JS_ESCAPES = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
  '\n': '\\u000A',
  '\r': '\\u000D',
}

/** What templates may call; Go's own set, without `call`. */
export const functions: Readonly<Record<string, Fn>> = {
  and: (args) => args.find((one) => !isTrue(one)) ?? args.at(-1),
  or: (args) => args.find(isTrue) ?? args.at(-1),
  not: ([value]) => !isTrue(value),
  eq: ([first, ...others]) => others.some((one) => same(first, one)),
  ne: compare((a, b) => !same(a, b)),
  lt: compare(less),
  le: compare((a, b) => less(a, b) || same(a, b)),
  gt: compare((a, b) => !less(a, b) && !same(a, b)),
  ge: compare((a, b) => !less(a, b)),
  len: ([value]) => {
    if (isArrayOf(value)) return { literal: value.length }
    if (isObjectOf(value)) return { literal: value.size }
    const written = textOf(value)
    if (written !== undefined) return { literal: Buffer.byteLength(written) }
    throw fail('error calling len')
  },
  index: ([value, ...keys]) =>
    keys.reduce<Dynamic>((from, key) => {
      if (isObjectOf(from)) return typeof key === 'string' ? from.get(key) : undefined
      if (isArrayOf(from) && isLiteral(key) && key.literal >= 0 && key.literal < from.length)
        return from[key.literal]
      throw fail('error calling index: index out of range')
    }, value),
  slice: ([value, from, to]) => {
    const start = isLiteral(from) ? from.literal : 0
    const whole = textOf(value) ?? (isArrayOf(value) ? value : undefined)
    const end = isLiteral(to) ? to.literal : (whole?.length ?? 0)
    if (whole === undefined || start < 0 || end > whole.length || start > end)
      throw fail('error calling slice')
    return typeof whole === 'string' ? whole.slice(start, end) : whole.slice(start, end)
  },
  print: (args) =>
    args
      .map((one, at) => {
        const previous = args[at - 1]
        // Go parts operands by a space when neither is text.
        const parted = at > 0 && typeof one !== 'string' && typeof previous !== 'string'
        return `${parted && textOf(one) === undefined && textOf(previous) === undefined ? ' ' : ''}${text(one)}`
      })
      .join(''),
  println: (args) => `${args.map(text).join(' ')}\n`,
  printf: ([format, ...args]) => printf(textOf(format) ?? '', args),
  html: escape(
    { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&#34;', "'": '&#39;', '\0': '\ufffd' },
    /[<>&"'\0]/g,
  ),
  js: escape(JS_ESCAPES, /[\\'"<>&=\n\r]/g),
  urlquery: (args) =>
    encodeURIComponent(args.map(text).join('').toWellFormed())
      .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%20', '+'),
}

/** The verbs that templates need: `%s %v %d %q %t %%`, with width. */
function printf(format: string, args: readonly Dynamic[]): string {
  let at = 0
  return format.replace(
    /%(-?)(\d*)(?:\.(\d+))?([a-z%])/g,
    (whole, left: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      const value = args[at]
      at += 1
      if (at > args.length) return `%!${verb}(MISSING)`
      const plain = verb === 'q' ? JSON.stringify(text(value)) : text(value)
      const cut =
        precision !== undefined && verb === 's' ? plain.slice(0, Number(precision)) : plain
      const known = 'svdqt'.includes(verb) ? cut : `%!${verb}(${whole})`
      return left === '-' ? known.padEnd(Number(width)) : known.padStart(Number(width))
    },
  )
}
