import { BuiltinError } from '../errors.ts'
import type { Spend } from '../steps.ts'
import { isArray, isObject, Num, typeName, type Value, keyText } from '../value.ts'
import { failed } from './arguments.ts'
import type { Host } from './builtin.ts'
import { compilePattern } from './pattern.ts'
import type { Schema } from './jsonschema-rules.ts'

/** Whether a schema is one, in gojsonschema's words. */

const TYPES = ['array', 'boolean', 'integer', 'number', 'null', 'object', 'string']
const wrong = (message: string): Error => failed(`jsonschema: ${message}`)
const MOST_DEPTH = 200

const STEPS_A_SCHEMA = 30
const STEPS_A_CHARACTER = 10

type Check = (value: Value, depth: number, host: Host) => void

const mustBe =
  (wanted: string, test: (value: Value) => boolean) =>
  (name: string): Check =>
  (value) => {
    if (!test(value)) throw wrong(`Invalid type. Expected: ${wanted}, given: ${name}`)
  }

const isCount = (value: Value): boolean =>
  value instanceof Num && /^\d+(?:\.0+)?$/.test(value.literal)
const nonNegative = mustBe('integer', isCount)
const number = mustBe('number', (value) => value instanceof Num)
const bool = mustBe('boolean', (value) => typeof value === 'boolean')
const text = mustBe('string', (value) => typeof value === 'string')

const one: Check = (value, depth, host) => check(value, depth, host)
const each: Check = (value, depth, host) => {
  if (!isArray(value))
    throw wrong('Invalid type. Expected: array of schemas, given: ' + typeName(value))
  for (const schema of value) check(schema, depth, host)
}
const named: Check = (value, depth, host) => {
  if (!isObject(value)) throw wrong('Invalid type. Expected: object, given: ' + typeName(value))
  for (const schema of value.values()) check(schema, depth, host)
}
const texts: Check = (value) => {
  if (!isArray(value) || !value.every((item) => typeof item === 'string'))
    throw wrong('Invalid type. Expected: array of strings')
}

const keywords: Readonly<Record<string, Check>> = {
  type: (value) => {
    for (const type of isArray(value) ? value : [value])
      if (typeof type !== 'string' || !TYPES.includes(type))
        throw wrong(
          `has a primitive type that is NOT VALID -- given: /${keyText(type)}/ Expected valid values are:[${TYPES.join(' ')}]`,
        )
  },
  ...Object.fromEntries(
    [
      'not',
      'if',
      'then',
      'else',
      'contains',
      'propertyNames',
      'additionalProperties',
      'additionalItems',
    ].map((name) => [name, one]),
  ),
  ...Object.fromEntries(['anyOf', 'oneOf', 'allOf'].map((name) => [name, each])),
  ...Object.fromEntries(['properties', 'definitions', '$defs'].map((name) => [name, named])),
  ...Object.fromEntries(
    ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'].map(
      (name) => [name, nonNegative(name)],
    ),
  ),
  ...Object.fromEntries(['minimum', 'maximum', 'multipleOf'].map((name) => [name, number(name)])),
  uniqueItems: bool('uniqueItems'),
  $ref: text('$ref'),
  format: text('format'),
  required: texts,
  items: (value, depth, host) => (isArray(value) ? each : one)(value, depth, host),
  pattern: (value, _, host) => compiles(value, host),
  patternProperties: (value, depth, host) => {
    named(value, depth, host)
    if (isObject(value)) for (const pattern of value.keys()) compiles(pattern, host)
  },
  dependencies: (value, depth, host) => {
    if (!isObject(value)) throw wrong('Invalid type. Expected: object, given: ' + typeName(value))
    for (const needs of value.values()) (isArray(needs) ? texts : one)(needs, depth, host)
  },
  enum: (value) => {
    if (!isArray(value)) throw wrong('enum must be of an array')
  },
}

function compiles(pattern: Value, host: Host): void {
  if (typeof pattern !== 'string') throw wrong('Invalid type. Expected: string, given: pattern')
  try {
    compilePattern(pattern, host)
  } catch (error) {
    if (!(error instanceof BuiltinError)) throw error
    throw wrong(`pattern must be a valid regex: ${JSON.stringify(pattern)}`)
  }
}

/** @throws {BuiltinError} */
export function checkSchema(schema: Value, host: Host): void {
  check(schema, 0, host)
  const visit = (value: Value): void => {
    host.spend(STEPS_A_SCHEMA)
    if (isArray(value)) for (const item of value) visit(item)
    if (!isObject(value)) return
    const reference = value.get('$ref')
    if (typeof reference === 'string') resolve(schema, reference, host.spend)
    for (const [name, item] of value) if (name !== 'enum' && name !== 'const') visit(item)
  }
  visit(schema)
}

function check(schema: Value, depth: number, host: Host): void {
  host.spend(STEPS_A_SCHEMA)
  if (typeof schema === 'boolean') return
  if (!isObject(schema)) throw wrong('schema is invalid: must be an object or a boolean')
  if (depth > MOST_DEPTH) throw wrong('nested too deep')
  for (const [name, value] of schema) {
    const test =
      typeof name === 'string' && Object.hasOwn(keywords, name) ? keywords[name] : undefined
    test?.(value, depth + 1, host)
  }
}

/** `#/definitions/a`: others would be fetched. @throws {BuiltinError} */
export function resolve(root: Value, reference: string, spend: Spend): Schema {
  spend(STEPS_A_SCHEMA + reference.length * STEPS_A_CHARACTER)
  if (!reference.startsWith('#')) throw wrong(`remote reference loading disabled: ${reference}`)
  let value: Value | undefined = root
  for (const part of reference.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    value =
      value !== undefined && isObject(value)
        ? value.get(name)
        : value !== undefined && isArray(value)
          ? value[Number(name)]
          : undefined
  }
  if (typeof value === 'boolean' || (value !== undefined && isObject(value))) return value
  throw wrong(`Object has no key '${reference.split('/').at(-1) ?? ''}'`)
}
