import {
  isArray,
  isObject,
  Num,
  sortedEntries,
  toBigInt,
  typeName,
  type Value,
  keyText,
} from '../value.ts'
import { failed } from './arguments.ts'
import type { Builtins, Host } from './builtin.ts'
import { parseJson } from './go/json.ts'
import { checkSchema, resolve } from './jsonschema-check.ts'
import {
  arrayErrors,
  commonErrors,
  entriesOf,
  errorAt,
  matches,
  numberErrors,
  objectErrors,
  type Place,
  type Schema,
  type SchemaError,
  stringErrors,
} from './jsonschema-rules.ts'

/**
 * JSON Schema, drafts 4, 6 and 7 at once, as gojsonschema has it, errors in its words and order. References lead within
 * the schema alone.
 */
export const jsonschema: Builtins = {
  'json.verify_schema': (args, host) => {
    try {
      checkSchema(documentOf(args[0]), host)
      return [true, null]
    } catch (error) {
      return [false, `jsonschema: ${(error as Error).message.replace(/^jsonschema: /, '')}`]
    }
  },
  'json.match_schema': (args, host) => {
    const schema = documentOf(args[1])
    try {
      checkSchema(schema, host)
    } catch (error) {
      throw failed(`jsonschema: ${(error as Error).message.replace(/^jsonschema: /, '')}`)
    }
    const top: Root = { root: schema, depth: 0, host }
    const errors = validate(documentOf(args[0]), schema as Schema, top, [])
    return [
      errors.length === 0,
      errors.map(
        ({ field, type, desc }) =>
          new Map([
            ['desc', desc],
            ['error', `${field}: ${desc}`],
            ['field', field],
            ['type', type],
          ]),
      ),
    ]
  },
}

/** An object, or JSON as text. */
function documentOf(value: Value | undefined): Value {
  if (typeof value === 'string') return parseJson(value)
  if (value !== undefined && isObject(value)) return value
  throw failed('wrong type, expected string or object')
}

type Root = { readonly root: Value; readonly depth: number; readonly host: Host }

/** A schema that refers to itself without end would be followed without end. */
const MOST_DEPTH = 200

function validate(value: Value, schema: Schema, root: Root, place: Place): SchemaError[] {
  if (schema === true) return []
  if (schema === false) return [errorAt(place, 'false', 'False always fails validation')]
  const { spend } = root.host
  spend(STEPS_A_SCHEMA)
  // An error has all of it in its text.
  for (const { length } of place) spend(length)
  if (root.depth > MOST_DEPTH) throw failed('jsonschema: nested too deep')
  const deeper = { ...root, depth: root.depth + 1 }
  const reference = schema.get('$ref')
  if (typeof reference === 'string')
    return validate(value, resolve(root.root, reference, spend), deeper, place)
  const wrong = typeError(schema, value, place)
  if (wrong) return [wrong]
  const own = ownErrors(schema, value, place, root.host)
  const errors = combined(schema, value, deeper, place)
  append(errors, own)
  if (isArray(value)) append(errors, itemErrors(schema, value, deeper, place))
  if (isObject(value)) append(errors, propertyErrors(schema, value, deeper, place))
  spend(errors.length)
  return errors
}

const STEPS_A_SCHEMA = 40
const STEPS_A_PROPERTY = 20

/** One by one: there may be more than a call takes arguments. */
function append(errors: SchemaError[], more: readonly SchemaError[]): void {
  for (const one of more) errors.push(one)
}

function typeError(
  schema: ReadonlyMap<Value, Value>,
  value: Value,
  place: Place,
): SchemaError | undefined {
  const types = schema.get('type')
  if (types === undefined) return undefined
  const wanted = (isArray(types) ? types : [types]).map(keyText)
  const whole = value instanceof Num && isWhole(value)
  const given = value instanceof Num ? (whole ? 'integer' : 'number') : typeName(value)
  if (wanted.includes(given) || (given === 'integer' && wanted.includes('number'))) return undefined
  const expected = wanted.length === 1 ? (wanted[0] ?? '') : `[${wanted.join(',')}]`
  return errorAt(place, 'invalid_type', `Invalid type. Expected: ${expected}, given: ${given}`)
}

const isWhole = (number: Num): boolean =>
  toBigInt(number) !== undefined || Number.isInteger(Number(number.literal))

function ownErrors(
  schema: ReadonlyMap<Value, Value>,
  value: Value,
  place: Place,
  host: Host,
): SchemaError[] {
  const common = commonErrors(schema, value, place, host)
  if (value instanceof Num) return [...numberErrors(schema, value, place, host), ...common]
  if (typeof value === 'string') return [...stringErrors(schema, value, place, host), ...common]
  return common
}

/** anyOf, oneOf, allOf, not, dependencies, if. */
function combined(
  schema: ReadonlyMap<Value, Value>,
  value: Value,
  root: Root,
  place: Place,
): SchemaError[] {
  const errors: SchemaError[] = []
  const each = (name: string): SchemaError[][] | undefined => {
    const list = schema.get(name)
    if (list === undefined || !isArray(list)) return undefined
    return list.map((one) => validate(value, one as Schema, root, place))
  }
  const any = each('anyOf')
  if (any && !any.some((one) => one.length === 0)) {
    errors.push(errorAt(place, 'number_any_of', 'Must validate at least one schema (anyOf)'))
    append(errors, best(any))
  }
  const one = each('oneOf')
  const valid = one?.filter((list) => list.length === 0).length ?? 1
  if (one && valid !== 1) {
    errors.push(errorAt(place, 'number_one_of', 'Must validate one and only one schema (oneOf)'))
    if (valid === 0) append(errors, best(one))
  }
  const all = each('allOf')
  if (all) {
    append(errors, all.flat())
    if (all.some((list) => list.length > 0))
      errors.push(errorAt(place, 'number_all_of', 'Must validate all the schemas (allOf)'))
  }
  const not = schema.get('not')
  if (not !== undefined && validate(value, not as Schema, root, place).length === 0)
    errors.push(errorAt(place, 'number_not', 'Must not validate the schema (not)'))
  return [
    ...errors,
    ...dependencies(schema, value, root, place),
    ...condition(schema, value, root, place),
  ]
}

/** gojsonschema tells of the branch that came furthest; the first of those with the fewest errors is that. */
const best = (branches: readonly SchemaError[][]): SchemaError[] =>
  branches.reduce((least, one) => (one.length < least.length ? one : least), branches[0] ?? [])

function dependencies(
  schema: ReadonlyMap<Value, Value>,
  value: Value,
  root: Root,
  place: Place,
): SchemaError[] {
  if (!isObject(value)) return []
  return entriesOf(schema.get('dependencies')).flatMap(([name, needs]) => {
    if (!value.has(name)) return []
    if (!isArray(needs)) return validate(value, needs as Schema, root, place)
    return needs
      .filter((one) => !value.has(one))
      .map((one) => errorAt(place, 'missing_dependency', `Has a dependency on ${keyText(one)}`))
  })
}

function condition(
  schema: ReadonlyMap<Value, Value>,
  value: Value,
  root: Root,
  place: Place,
): SchemaError[] {
  const test = schema.get('if')
  if (test === undefined) return []
  const holds = validate(value, test as Schema, root, place).length === 0
  const then = schema.get(holds ? 'then' : 'else')
  const errors = then === undefined ? [] : validate(value, then as Schema, root, place)
  if (errors.length === 0) return []
  const said = holds
    ? errorAt(place, 'condition_then', 'Must validate "then" as "if" was valid')
    : errorAt(place, 'condition_else', 'Must validate "else" as "if" was not valid')
  return [said, ...errors]
}

function itemErrors(
  schema: ReadonlyMap<Value, Value>,
  value: readonly Value[],
  root: Root,
  place: Place,
): SchemaError[] {
  const items = schema.get('items')
  const errors: SchemaError[] = []
  const check = (one: Value, at: number, by: Schema): void =>
    append(errors, validate(one, by, root, [...place, String(at)]))
  if (items !== undefined && isArray(items)) {
    for (const [at, one] of value.slice(0, items.length).entries())
      check(one, at, items[at] as Schema)
    const more = schema.get('additionalItems')
    if (more === false && value.length > items.length)
      errors.push(
        errorAt(place, 'array_no_additional_items', 'No additional items allowed on array'),
      )
    else if (more !== undefined && more !== false)
      for (const [at, one] of value.slice(items.length).entries())
        check(one, at + items.length, more as Schema)
  } else if (items !== undefined)
    for (const [at, one] of value.entries()) check(one, at, items as Schema)
  append(errors, arrayErrors(schema, value, place, root.host))
  const contains = schema.get('contains')
  if (contains !== undefined) {
    const each = value.map((one, at) =>
      validate(one, contains as Schema, root, [...place, String(at)]),
    )
    if (!each.some((list) => list.length === 0)) {
      errors.push(errorAt(place, 'contains', 'At least one of the items must match'))
      append(errors, best(each))
    }
  }
  return errors
}

function propertyErrors(
  schema: ReadonlyMap<Value, Value>,
  value: ReadonlyMap<Value, Value>,
  root: Root,
  place: Place,
): SchemaError[] {
  const errors = objectErrors(schema, value, place, root.host)
  const properties = schema.get('properties')
  const own =
    properties !== undefined && isObject(properties) ? properties : new Map<Value, Value>()
  const patterns = entriesOf(schema.get('patternProperties'))
  const additional = schema.get('additionalProperties')
  const names = schema.get('propertyNames')
  const inner: SchemaError[] = []
  root.host.spend((value.size + own.size) * STEPS_A_PROPERTY)
  for (const [key, one] of sortedEntries(value)) {
    const name = keyText(key)
    const matching = patterns.filter(([pattern]) => matches(pattern, name, root.host))
    for (const [, by] of matching)
      append(inner, validate(one, by as Schema, root, [...place, name]))
    if (!own.has(key) && matching.length === 0 && additional !== undefined && additional !== true) {
      if (additional === false)
        errors.push(
          errorAt(
            place,
            'additional_property_not_allowed',
            `Additional property ${name} is not allowed`,
          ),
        )
      else append(inner, validate(one, additional as Schema, root, [...place, name]))
    }
    const wrong = names === undefined ? [] : validate(name, names as Schema, root, place)
    if (wrong.length > 0) {
      errors.push(
        errorAt(place, 'invalid_property_name', `Property name of "${name}" does not match`),
      )
      append(errors, wrong)
    }
  }
  for (const [name, by] of entriesOf(properties)) {
    const one = value.get(name)
    if (one !== undefined) append(inner, validate(one, by as Schema, root, [...place, name]))
  }
  append(errors, inner)
  return errors
}
