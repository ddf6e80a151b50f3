import { isArray, isObject, Num, type Value } from '../value.ts'
import { failed } from './arguments.ts'

/** The text that a tree of gqlparser's stands for, so that a tree which a policy made is read like any other. */

const list = (value: Value, name: string): readonly Value[] => {
  const found = isObject(value) ? value.get(name) : undefined
  return found !== undefined && isArray(found) ? found : []
}
const word = (value: Value, name: string): string => {
  const found = isObject(value) ? value.get(name) : undefined
  if (found === undefined || found === null) return ''
  // Only names may stand here; anything else would be text of its own.
  if (typeof found === 'string' && /^[A-Za-z0-9_]*$/.test(found)) return found
  throw failed(`${name} is not a name`)
}
const child = (value: Value, name: string): Value | undefined =>
  isObject(value) ? value.get(name) : undefined

function printValue(value: Value): string {
  const kind = child(value, 'Kind')
  const raw = child(value, 'Raw')
  const plain = typeof raw === 'string' ? raw : ''
  switch (kind instanceof Num ? Number(kind.literal) : -1) {
    case 0:
      return `$${word(value, 'Raw')}`
    case 3:
    case 4:
      return JSON.stringify(plain)
    case 8:
      return `[${list(value, 'Children')
        .map((one) => printValue(child(one, 'Value') ?? null))
        .join(' ')}]`
    case 9:
      return `{${list(value, 'Children')
        .map((one) => `${word(one, 'Name')}: ${printValue(child(one, 'Value') ?? null)}`)
        .join(' ')}}`
    default:
      if (/^-?[A-Za-z0-9_.+-]+$/.test(plain)) return plain
      throw failed('a value that is none')
  }
}

function printType(type: Value): string {
  const element = child(type, 'Elem')
  const name =
    element === undefined || element === null ? word(type, 'NamedType') : `[${printType(element)}]`
  return `${name}${child(type, 'NonNull') === true ? '!' : ''}`
}

const printArguments = (value: Value): string => {
  const printed = list(value, 'Arguments').map(
    (one) => `${word(one, 'Name')}: ${printValue(child(one, 'Value') ?? null)}`,
  )
  return printed.length === 0 ? '' : `(${printed.join(' ')})`
}

const printDirectives = (value: Value): string =>
  list(value, 'Directives')
    .map((one) => ` @${word(one, 'Name')}${printArguments(one)}`)
    .join('')

const printDefault = (value: Value): string => {
  const found = child(value, 'DefaultValue')
  return found === undefined || found === null ? '' : ` = ${printValue(found)}`
}

function printVariables(value: Value, name: string): string {
  const printed = list(value, name).map(
    (one) =>
      `$${word(one, 'Variable')}: ${printType(child(one, 'Type') ?? null)}${printDefault(one)}${printDirectives(one)}`,
  )
  return printed.length === 0 ? '' : `(${printed.join(' ')})`
}

const printSelections = (value: Value): string => {
  const printed = list(value, 'SelectionSet').map((one) => {
    const rest = `${printDirectives(one)}${printSelections(one)}`
    if (child(one, 'Alias') !== undefined)
      return `${word(one, 'Alias')}: ${word(one, 'Name')}${printArguments(one)}${rest}`
    if (child(one, 'Name') !== undefined) return `...${word(one, 'Name')}${rest}`
    const on = word(one, 'TypeCondition')
    return `...${on === '' ? '' : ` on ${on}`}${rest}`
  })
  return printed.length === 0 ? '' : ` { ${printed.join(' ')} }`
}

export function printQuery(value: Value): string {
  const operations = list(value, 'Operations').map(
    (one) =>
      `${word(one, 'Operation')} ${word(one, 'Name')}${printVariables(one, 'VariableDefinitions')}${printDirectives(one)}${printSelections(one)}`,
  )
  const fragments = list(value, 'Fragments').map(
    (one) =>
      `fragment ${word(one, 'Name')}${printVariables(one, 'VariableDefinition')} on ${word(one, 'TypeCondition')}${printDirectives(one)}${printSelections(one)}`,
  )
  return [...operations, ...fragments].join('\n')
}

const printInput = (one: Value): string =>
  `${word(one, 'Name')}: ${printType(child(one, 'Type') ?? null)}${printDefault(one)}${printDirectives(one)}`

function printField(one: Value): string {
  const inputs = list(one, 'Arguments').map(printInput)
  const given = inputs.length === 0 ? '' : `(${inputs.join(' ')})`
  return `${word(one, 'Name')}${given}: ${printType(child(one, 'Type') ?? null)}${printDefault(one)}${printDirectives(one)}`
}

const KEYWORDS: Readonly<Record<string, string>> = {
  SCALAR: 'scalar',
  OBJECT: 'type',
  INTERFACE: 'interface',
  UNION: 'union',
  ENUM: 'enum',
  INPUT_OBJECT: 'input',
}

const names = (value: Value, name: string): string[] =>
  list(value, name).map((one) => {
    if (typeof one === 'string' && /^[A-Za-z0-9_]+$/.test(one)) return one
    throw failed(`${name} has what is no name`)
  })

function printDefinition(one: Value): string {
  const keyword = KEYWORDS[word(one, 'Kind')]
  if (keyword === undefined) throw failed('a definition of no kind')
  const interfaces = names(one, 'Interfaces')
  const types = names(one, 'Types')
  const members = [
    ...list(one, 'Fields').map(printField),
    ...list(one, 'EnumValues').map((value) => `${word(value, 'Name')}${printDirectives(value)}`),
  ]
  return [
    `${keyword} ${word(one, 'Name')}`,
    interfaces.length === 0 ? '' : ` implements ${interfaces.join(' & ')}`,
    printDirectives(one),
    types.length === 0 ? '' : ` = ${types.join(' | ')}`,
    members.length === 0 ? '' : ` { ${members.join('\n')} }`,
  ].join('')
}

const printSchemaEntry = (one: Value): string => {
  const types = list(one, 'OperationTypes').map(
    (type) => `${word(type, 'Operation')}: ${word(type, 'Type')}`,
  )
  return `schema${printDirectives(one)}${types.length === 0 ? '' : ` { ${types.join(' ')} }`}`
}

export function printSchema(value: Value): string {
  return [
    ...list(value, 'Schema').map(printSchemaEntry),
    ...list(value, 'SchemaExtension').map((one) => `extend ${printSchemaEntry(one)}`),
    ...list(value, 'Directives').map((one) => {
      const inputs = list(one, 'Arguments').map(printInput)
      const given = inputs.length === 0 ? '' : `(${inputs.join(' ')})`
      const repeatable = child(one, 'IsRepeatable') === true ? ' repeatable' : ''
      return `directive @${word(one, 'Name')}${given}${repeatable} on ${names(one, 'Locations').join(' | ')}`
    }),
    ...list(value, 'Definitions').map(printDefinition),
    ...list(value, 'Extensions').map((one) => `extend ${printDefinition(one)}`),
  ].join('\n')
}
