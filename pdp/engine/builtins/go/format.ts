import { type Spend, stepsOfDigits } from '../../steps.ts'
import { type Flags, type GoArgument, printArgument } from './verb.ts'

/** Go's `fmt.Sprintf`, with its words for what is wrong: `%!d(MISSING)`, `%!(EXTRA int=1)`. */
export function goSprintf(format: string, args: readonly GoArgument[], spend: Spend): string {
  const reader = new FormatReader(format, args, spend)
  let out = ''
  while (!reader.done) out += reader.text() + reader.directive()
  return out + reader.extra()
}

const FLAGS = { '#': 'sharp', '0': 'zero', '+': 'plus', '-': 'minus', ' ': 'space' } as const
const NO_FLAGS: Flags = { sharp: false, zero: false, plus: false, minus: false, space: false }
/** Go takes no larger width or precision. */
const MOST = 1_000_000

const STEPS_A_VERB = 50
const STEPS_A_CHARACTER = 10

const stepsOf = (argument: GoArgument): number =>
  argument.type === 'string'
    ? argument.value.length * STEPS_A_CHARACTER
    : argument.type === '*big.Int'
      ? 3 * stepsOfDigits(argument.digits)
      : 0

class FormatReader {
  #at = 0
  #next = 0
  #reordered = false
  /** Whether every explicit index of this directive names an argument. */
  #goodIndex = true
  readonly #format: string
  readonly #args: readonly GoArgument[]
  readonly #spend: Spend
  readonly #lastClose: number

  constructor(format: string, args: readonly GoArgument[], spend: Spend) {
    this.#format = format
    this.#args = args
    this.#spend = spend
    this.#lastClose = format.lastIndexOf(']')
  }

  get done(): boolean {
    return this.#at >= this.#format.length
  }

  text(): string {
    const start = this.#at
    const end = this.#format.indexOf('%', start)
    this.#at = end === -1 ? this.#format.length : end
    return this.#format.slice(start, this.#at)
  }

  /** From a `%` to its verb. */
  directive(): string {
    if (this.done) return ''
    this.#at += 1
    this.#goodIndex = true
    const flags: Flags = { ...NO_FLAGS }
    for (;;) {
      const flag = FLAGS[this.#peek() as keyof typeof FLAGS]
      if (flag === undefined) break
      flags[flag] = true
      this.#at += 1
    }
    let out = ''
    let afterIndex = this.#index()
    if (this.#take('*')) {
      const width = this.#fromArgument()
      if (width === undefined) out += '%!(BADWIDTH)'
      else if (width < 0) Object.assign(flags, { minus: true, zero: false, width: -width })
      else flags.width = width
      afterIndex = false
    } else {
      flags.width = this.#number()
      if (afterIndex && flags.width !== undefined) this.#goodIndex = false
    }
    if (this.#take('.')) {
      if (afterIndex) this.#goodIndex = false
      afterIndex = this.#index()
      if (this.#take('*')) {
        const precision = this.#fromArgument()
        if (precision === undefined || precision < 0) out += '%!(BADPREC)'
        else flags.precision = precision
        afterIndex = false
      } else {
        flags.precision = this.#number() ?? 0
      }
    }
    if (!afterIndex) this.#index()
    return out + this.#verb(flags)
  }

  /** Arguments that nothing asked for, unless they were taken out of order. */
  extra(): string {
    const rest = this.#reordered ? [] : this.#args.slice(this.#next)
    if (rest.length === 0) return ''
    const printed = rest.map((one) => `${one.type}=${printArgument(one, 'v', NO_FLAGS)}`)
    return `%!(EXTRA ${printed.join(', ')})`
  }

  #verb(flags: Flags): string {
    const point = this.#format.codePointAt(this.#at)
    if (point === undefined) return '%!(NOVERB)'
    const verb = String.fromCodePoint(point)
    this.#at += verb.length
    if (verb === '%') return '%'
    if (!this.#goodIndex) return `%!${verb}(BADINDEX)`
    const argument = this.#args[this.#next]
    if (argument === undefined) return `%!${verb}(MISSING)`
    this.#next += 1
    // An argument may be named again and again, and a width be a million.
    this.#spend(STEPS_A_VERB + (flags.width ?? 0) + (flags.precision ?? 0) + stepsOf(argument))
    return printArgument(argument, verb, flags)
  }

  #peek(): string | undefined {
    return this.#format[this.#at]
  }

  #take(mark: string): boolean {
    if (this.#peek() !== mark) return false
    this.#at += 1
    return true
  }

  #number(): number | undefined {
    const [digits = ''] = /^\d*/.exec(this.#format.slice(this.#at)) ?? []
    if (digits === '') return undefined
    this.#at += digits.length
    return Number(digits) > MOST ? undefined : Number(digits)
  }

  /** `[n]`: the next argument is the n-th. @returns whether there was a well-formed one. */
  #index(): boolean {
    if (this.#peek() !== '[') return false
    this.#reordered = true
    const close = this.#lastClose < this.#at ? -1 : this.#format.indexOf(']', this.#at)
    if (close === -1 || this.#format.length - this.#at < 3) {
      this.#at += 1
      this.#goodIndex = false
      return false
    }
    const inner = this.#format.slice(this.#at + 1, close)
    this.#at = close + 1
    const position = /^\d+$/.test(inner) ? Number(inner) - 1 : undefined
    if (position !== undefined && position >= 0 && position < this.#args.length) {
      this.#next = position
      return true
    }
    this.#goodIndex = false
    return position !== undefined
  }

  /** A width or precision given by an argument. */
  #fromArgument(): number | undefined {
    const argument = this.#args[this.#next]
    if (argument === undefined) return undefined
    this.#next += 1
    if (argument.type !== 'int64') return undefined
    const value = Number(argument.value)
    return Math.abs(value) > MOST ? undefined : value
  }
}
