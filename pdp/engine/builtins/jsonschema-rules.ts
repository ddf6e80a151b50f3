import { BuiltinError } from '../errors.ts'
import { type Spend, stepsOfDigits } from '../steps.ts'
import { compare, isArray, isObject, Num, sortedEntries, type Value, keyText } from '../value.ts'
import { failed } from './arguments.ts'
import type { Host } from './builtin.ts'
import { goJson } from './go/json.ts'
import { hasFormat } from './jsonschema-formats.ts'
import { compilePattern, isFoundIn } from './pattern.ts'

/** One thing that is wrong, in the words of gojsonschema, which OPA uses. */
export type SchemaError = { readonly field: string; readonly type: string; readonly desc: string }
export type Schema = boolean | ReadonlyMap<Value, Value>

/** Where a value stands: `(Root)`, or `a.b.0`. */
export type Place = readonly string[]

const fieldOf = (place: Place): string => (place.length === 0 ? '(Root)' : place.join('.'))

function jsonText(value: Value, spend: Spend): string {
  const text = goJson(value)
  spend(text.length * STEPS_A_CHARACTER)
  return text
}

const STEPS_A_CHARACTER = 4
const STEPS_A_NAME = 10

export const errorAt = (place: Place, type: string, desc: string): SchemaError => ({
  field: fieldOf(place),
  type,
  desc,
})

export function numberOf(schema: ReadonlyMap<Value, Value>, name: string): Num | undefined {
  const value = schema.get(name)
  return value instanceof Num ? value : undefined
}

const count = (schema: ReadonlyMap<Value, Value>, name: string): number | undefined => {
  const value = numberOf(schema, name)
  return value && Number(value.literal)
}

export function numberErrors(
  schema: ReadonlyMap<Value, Value>,
  value: Num,
  place: Place,
  { spend }: Host,
): SchemaError[] {
  const errors: SchemaError[] = []
  spend(value.literal.length)
  const [multiple, min, max] = [
    numberOf(schema, 'multipleOf'),
    numberOf(schema, 'minimum'),
    numberOf(schema, 'maximum'),
  ]
  const [above, below] = [schema.get('exclusiveMinimum'), schema.get('exclusiveMaximum')]
  if (multiple) spend(8 * stepsOfDigits(value.literal.length + multiple.literal.length + 800))
  if (multiple && !isMultiple(value, multiple))
    errors.push(errorAt(place, 'multiple_of', `Must be a multiple of ${shown(multiple)}`))
  if (max && below !== true && compare(value, max) > 0)
    errors.push(errorAt(place, 'number_lte', `Must be less than or equal to ${shown(max)}`))
  const least = below === true ? max : below instanceof Num ? below : undefined
  if (least && compare(value, least) >= 0)
    errors.push(errorAt(place, 'number_lt', `Must be less than ${shown(least)}`))
  if (min && above !== true && compare(value, min) < 0)
    errors.push(errorAt(place, 'number_gte', `Must be greater than or equal to ${shown(min)}`))
  const most = above === true ? min : above instanceof Num ? above : undefined
  if (most && compare(value, most) <= 0)
    errors.push(errorAt(place, 'number_gt', `Must be greater than ${shown(most)}`))
  return errors
}

/** Go's `%v` of a rational that is decimal. */
const shown = (number: Num): string => {
  const value = Number(number.literal)
  return Number.isSafeInteger(value) ? String(value) : number.literal
}

function isMultiple(value: Num, of: Num): boolean {
  const [a, b] = [scaled(value), scaled(of)]
  const places = Math.max(a.places, b.places)
  const divisor = b.digits * 10n ** BigInt(places - b.places)
  return divisor !== 0n && (a.digits * 10n ** BigInt(places - a.places)) % divisor === 0n
}

function scaled({ literal }: Num): { readonly digits: bigint; readonly places: number } {
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? []
  const shift = Number(exponent)
  if (Math.abs(shift) > 400) throw failed('jsonschema: a number is too large')
  const digits = BigInt(
    `${sign}${whole}${fraction}${'0'.repeat(Math.max(0, shift - fraction.length))}`,
  )
  return { digits, places: Math.max(0, fraction.length - shift) }
}

export function stringErrors(
  schema: ReadonlyMap<Value, Value>,
  value: string,
  place: Place,
  host: Host,
): SchemaError[] {
  const errors: SchemaError[] = []
  host.spend(value.length * STEPS_A_CHARACTER)
  const length = [...value].length
  const [min, max] = [count(schema, 'minLength'), count(schema, 'maxLength')]
  if (min !== undefined && length < min)
    errors.push(
      errorAt(place, 'string_gte', `String length must be greater than or equal to ${min}`),
    )
  if (max !== undefined && length > max)
    errors.push(errorAt(place, 'string_lte', `String length must be less than or equal to ${max}`))
  const pattern = schema.get('pattern')
  if (typeof pattern === 'string' && !matches(pattern, value, host))
    errors.push(errorAt(place, 'pattern', `Does not match pattern '${pattern}'`))
  const format = schema.get('format')
  if (typeof format === 'string' && !hasFormat(format, value, host))
    errors.push(errorAt(place, 'format', `Does not match format '${format}'`))
  return errors
}

/** Linear in the text, as Go's own. */
export function matches(pattern: string, text: string, host: Host): boolean {
  try {
    return isFoundIn(text, compilePattern(pattern, host), host)
  } catch (error) {
    if (!(error instanceof BuiltinError)) throw error
    throw failed(`jsonschema: invalid pattern ${JSON.stringify(pattern)}`)
  }
}

export function arrayErrors(
  schema: ReadonlyMap<Value, Value>,
  value: readonly Value[],
  place: Place,
  { spend }: Host,
): SchemaError[] {
  const errors: SchemaError[] = []
  const [min, max] = [count(schema, 'minItems'), count(schema, 'maxItems')]
  if (min !== undefined && value.length < min)
    errors.push(errorAt(place, 'array_min_items', `Array must have at least ${min} items`))
  if (max !== undefined && value.length > max)
    errors.push(errorAt(place, 'array_max_items', `Array must have at most ${max} items`))
  if (schema.get('uniqueItems') === true) {
    const seen = new Map<string, number>()
    for (const [at, one] of value.entries()) {
      const text = goJson(one)
      spend(text.length * STEPS_A_CHARACTER)
      const before = seen.get(text)
      if (before !== undefined)
        errors.push(errorAt(place, 'unique', `array items[${before},${at}] must be unique`))
      seen.set(text, at)
    }
  }
  return errors
}

/** Sizes, required and additional properties; names and values are checked beside. */
export function objectErrors(
  schema: ReadonlyMap<Value, Value>,
  value: ReadonlyMap<Value, Value>,
  place: Place,
  { spend }: Host,
): SchemaError[] {
  const errors: SchemaError[] = []
  const [min, max] = [count(schema, 'minProperties'), count(schema, 'maxProperties')]
  if (min !== undefined && value.size < min)
    errors.push(errorAt(place, 'array_min_properties', `Must have at least ${min} properties`))
  if (max !== undefined && value.size > max)
    errors.push(errorAt(place, 'array_max_properties', `Must have at most ${max} properties`))
  const required = schema.get('required')
  if (required !== undefined && isArray(required)) {
    spend(required.length * STEPS_A_NAME)
    for (const name of required)
      if (!value.has(name)) errors.push(errorAt(place, 'required', `${keyText(name)} is required`))
  }
  return errors
}

export function commonErrors(
  schema: ReadonlyMap<Value, Value>,
  value: Value,
  place: Place,
  { spend }: Host,
): SchemaError[] {
  const errors: SchemaError[] = []
  if (schema.has('const')) {
    const wanted = schema.get('const') ?? null
    if (compare(value, wanted, spend) !== 0)
      errors.push(
        errorAt(place, 'const', `${fieldOf(place)} does not match: ${jsonText(wanted, spend)}`),
      )
  }
  const allowed = schema.get('enum')
  if (
    allowed !== undefined &&
    isArray(allowed) &&
    !allowed.some((one) => compare(one, value, spend) === 0)
  )
    errors.push(
      errorAt(
        place,
        'enum',
        `${fieldOf(place)} must be one of the following: ${allowed.map((one) => jsonText(one, spend)).join(', ')}`,
      ),
    )
  return errors
}

/** Entries of schemas, which are the same for each value. */
const inOrder = new WeakMap<object, readonly (readonly [string, Value])[]>()

export function entriesOf(value: Value | undefined): readonly (readonly [string, Value])[] {
  if (value === undefined || !isObject(value)) return []
  const known = inOrder.get(value)
  if (known) return known
  const entries = sortedEntries(value).map(([key, one]) => [keyText(key), one] as const)
  inOrder.set(value, entries)
  return entries
}
