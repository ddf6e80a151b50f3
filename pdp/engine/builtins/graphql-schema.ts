import {
  buildASTSchema,
  type ConstDirectiveNode,
  type DefinitionNode,
  type DirectiveDefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  type InputValueDefinitionNode,
  Kind,
  parse,
  type TypeDefinitionNode,
  type TypeNode,
} from 'graphql'
import type { Spend } from '../steps.ts'
import { failed } from './arguments.ts'

/** Schemas as gqlparser checks them: more is taken than the GraphQL specification takes, a schema without a query, say. */

const wrong = (message: string): Error => failed(message)

/** What every schema has. */
const PRELUDE = parse(`
  scalar Int scalar Float scalar String scalar Boolean scalar ID
  directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
  directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
  directive @deprecated(reason: String = "No longer supported") on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
  directive @specifiedBy(url: String!) on SCALAR
  directive @oneOf on INPUT_OBJECT
`)

type Types = Map<string, TypeDefinitionNode>
const STEPS_A_PART = 4
const STEPS_A_FIELD = 40

type Directives = ReadonlyMap<string, DirectiveDefinitionNode>

/** @throws {BuiltinError} */
export function buildSchema(document: DocumentNode, spend: Spend): GraphQLSchema {
  const types: Types = new Map()
  const directives = new Map<string, DirectiveDefinitionNode>()
  const rest: DefinitionNode[] = []
  for (const one of PRELUDE.definitions) {
    if (one.kind === Kind.DIRECTIVE_DEFINITION) directives.set(one.name.value, one)
    else if ('name' in one && one.name) types.set(one.name.value, one as TypeDefinitionNode)
  }
  const builtIn = new Set(types.keys())
  const ownDirectives: DirectiveDefinitionNode[] = []
  for (const one of document.definitions) {
    if (one.kind === Kind.DIRECTIVE_DEFINITION) {
      const name = one.name.value
      spend(ownDirectives.length)
      if (ownDirectives.some((other) => other.name.value === name))
        throw wrong(`Cannot redeclare directive ${name}.`)
      directives.set(name, one)
      ownDirectives.push(one)
    } else if (one.kind === Kind.SCHEMA_DEFINITION || one.kind === Kind.SCHEMA_EXTENSION)
      rest.push(one)
    else if (!one.kind.endsWith('Extension')) addType(types, one as TypeDefinitionNode)
  }
  for (const one of document.definitions)
    if (one.kind.endsWith('TypeExtension'))
      extendType(types, one as unknown as TypeDefinitionNode, spend)
  if (rest.filter(({ kind }) => kind === Kind.SCHEMA_DEFINITION).length > 1)
    throw wrong('Cannot have multiple schema entry points, consider schema extensions instead.')
  const entry = checkEntries(rest, types)
  for (const type of types.values())
    if (!builtIn.has(type.name.value)) checkType(type, types, directives, spend)
  for (const one of ownDirectives) checkDirective(one, types, directives)
  const definitions = [
    ...[...types.values()].filter(({ name }) => !builtIn.has(name.value)),
    ...ownDirectives.filter(({ name }) => !STANDARD.has(name.value)),
    ...entry,
  ]
  return buildASTSchema(
    { kind: Kind.DOCUMENT, definitions },
    { assumeValid: true, assumeValidSDL: true },
  )
}

const STANDARD = new Set(['include', 'skip', 'deprecated', 'specifiedBy', 'oneOf'])

function addType(types: Types, one: TypeDefinitionNode): void {
  if (types.has(one.name.value)) throw wrong(`Cannot redeclare type ${one.name.value}.`)
  types.set(one.name.value, one)
}

/** Also of a type that nobody defined. */
function extendType(types: Types, extension: TypeDefinitionNode, spend: Spend): void {
  const name = extension.name.value
  const kind = extension.kind.replace('Extension', 'Definition') as TypeDefinitionNode['kind']
  const known = types.get(name)
  if (known && known.kind !== kind)
    throw wrong(`Cannot extend type ${name} because the base type is a ${known.kind}, not ${kind}.`)
  const merged: Record<string, unknown> = { ...extension, ...known, kind }
  for (const list of ['directives', 'interfaces', 'fields', 'types', 'values'])
    merged[list] = [known, extension].flatMap(
      (one) =>
        (one as unknown as Record<string, readonly unknown[] | undefined> | undefined)?.[list] ??
        [],
    )
  for (const list of Object.values(merged))
    if (Array.isArray(list)) spend(list.length * STEPS_A_PART)
  types.set(name, merged as unknown as TypeDefinitionNode)
}

/** @returns one schema entry of all, or none. */
function checkEntries(entries: readonly DefinitionNode[], types: Types): DefinitionNode[] {
  const operationTypes = entries.flatMap((one) =>
    'operationTypes' in one ? (one.operationTypes ?? []) : [],
  )
  for (const { operation, type } of operationTypes)
    if (!types.has(type.name.value))
      throw wrong(
        `Schema root ${operation} refers to a type ${type.name.value} that does not exist.`,
      )
  if (operationTypes.length === 0) return []
  return [{ kind: Kind.SCHEMA_DEFINITION, operationTypes }]
}

function checkName(name: string): void {
  if (name.startsWith('__'))
    throw wrong(
      `Name "${name}" must not begin with "__", which is reserved by GraphQL introspection.`,
    )
}

function nameOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : nameOf(type.type)
}

function checkRef(type: TypeNode, types: Types): TypeDefinitionNode {
  const found = types.get(nameOf(type))
  if (!found) throw wrong(`Undefined type ${nameOf(type)}.`)
  return found
}

const INPUTS: readonly string[] = [
  Kind.SCALAR_TYPE_DEFINITION,
  Kind.ENUM_TYPE_DEFINITION,
  Kind.INPUT_OBJECT_TYPE_DEFINITION,
]

function checkInputs(
  list: readonly InputValueDefinitionNode[] = [],
  types: Types,
  directives: Directives,
  location: string,
): void {
  for (const one of list) {
    checkName(one.name.value)
    const type = checkRef(one.type, types)
    if (!INPUTS.includes(type.kind))
      throw wrong(
        `cannot use ${nameOf(one.type)} as argument ${one.name.value} because ${type.kind} is not a valid input type`,
      )
    checkUses(one.directives, directives, location)
  }
}

const LOCATIONS: Readonly<Record<TypeDefinitionNode['kind'], string>> = {
  [Kind.SCALAR_TYPE_DEFINITION]: 'SCALAR',
  [Kind.OBJECT_TYPE_DEFINITION]: 'OBJECT',
  [Kind.INTERFACE_TYPE_DEFINITION]: 'INTERFACE',
  [Kind.UNION_TYPE_DEFINITION]: 'UNION',
  [Kind.ENUM_TYPE_DEFINITION]: 'ENUM',
  [Kind.INPUT_OBJECT_TYPE_DEFINITION]: 'INPUT_OBJECT',
}

function checkType(
  type: TypeDefinitionNode,
  types: Types,
  directives: Directives,
  spend: Spend,
): void {
  const name = type.name.value
  const kind = LOCATIONS[type.kind]
  checkName(name)
  checkUses(type.directives, directives, kind)
  if (type.kind === Kind.OBJECT_TYPE_DEFINITION || type.kind === Kind.INTERFACE_TYPE_DEFINITION) {
    if (!type.fields?.length) throw wrong(`${kind} ${name}: must define one or more fields.`)
    once(
      name,
      type.fields.map((field) => field.name.value),
    )
    for (const field of type.fields) {
      checkName(field.name.value)
      if (checkRef(field.type, types).kind === Kind.INPUT_OBJECT_TYPE_DEFINITION)
        throw wrong(`${kind} ${name}: field must be one of SCALAR, OBJECT, INTERFACE, UNION, ENUM.`)
      checkInputs(field.arguments, types, directives, 'ARGUMENT_DEFINITION')
      checkUses(field.directives, directives, 'FIELD_DEFINITION')
    }
    for (const one of type.interfaces ?? []) checkImplements(type, one.name.value, types, spend)
  } else if (type.kind === Kind.UNION_TYPE_DEFINITION) {
    for (const one of type.types ?? [])
      if (checkRef(one, types).kind !== Kind.OBJECT_TYPE_DEFINITION)
        throw wrong(`UNION type "${one.name.value}" must be OBJECT.`)
  } else if (type.kind === Kind.ENUM_TYPE_DEFINITION) {
    if (!type.values?.length)
      throw wrong(`ENUM ${name}: must define one or more unique enum values.`)
    once(
      name,
      type.values.map((value) => value.name.value),
    )
    for (const value of type.values) checkUses(value.directives, directives, 'ENUM_VALUE')
  } else if (type.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION) {
    if (!type.fields?.length)
      throw wrong(`INPUT_OBJECT ${name}: must define one or more input fields.`)
    once(
      name,
      type.fields.map((field) => field.name.value),
    )
    checkInputs(type.fields, types, directives, 'INPUT_FIELD_DEFINITION')
  }
}

function once(type: string, names: readonly string[]): void {
  const known = new Set<string>()
  const twice = names.find((name) => known.size === known.add(name).size)
  if (twice !== undefined) throw wrong(`Field ${type}.${twice} can only be defined once.`)
}

function checkImplements(
  type: Extract<TypeDefinitionNode, { interfaces?: unknown }>,
  name: string,
  types: Types,
  spend: Spend,
): void {
  const found = types.get(name)
  if (!found) throw wrong(`Undefined type ${name}.`)
  if (found.kind !== Kind.INTERFACE_TYPE_DEFINITION)
    throw wrong(`${name} is a non interface type ${found.kind}.`)
  const interfaces = type.interfaces?.length ?? 0
  spend(interfaces * (1 + (found.interfaces?.length ?? 0)) * STEPS_A_PART)
  const fields = new Map((type.fields ?? []).map((field) => [field.name.value, field]))
  spend((fields.size + (found.fields?.length ?? 0)) * STEPS_A_FIELD)
  for (const wanted of found.fields ?? []) {
    const own = fields.get(wanted.name.value)
    const why = `For ${type.name.value} to implement ${name} the field ${wanted.name.value}`
    if (!own)
      throw wrong(
        `For ${type.name.value} to implement ${name} it must have a field called ${wanted.name.value}.`,
      )
    if (!isCovariant(own.type, wanted.type, types)) throw wrong(`${why} must have another type.`)
    spend((own.arguments?.length ?? 0) * (1 + (wanted.arguments?.length ?? 0)) * STEPS_A_PART)
    for (const argument of wanted.arguments ?? []) {
      const mine = own.arguments?.find((one) => one.name.value === argument.name.value)
      if (!mine)
        throw wrong(`${why} must have the same arguments but it is missing ${argument.name.value}.`)
      if (printed(mine.type) !== printed(argument.type))
        throw wrong(
          `${why} must have the same arguments but ${argument.name.value} has the wrong type.`,
        )
    }
    for (const mine of own.arguments ?? [])
      if (
        mine.type.kind === Kind.NON_NULL_TYPE &&
        !mine.defaultValue &&
        !wanted.arguments?.some((one) => one.name.value === mine.name.value)
      )
        throw wrong(`${why} any additional fields on ${type.name.value} must be optional.`)
  }
  const needed = found.interfaces?.find(
    (one) =>
      one.name.value !== type.name.value &&
      !type.interfaces?.some((own) => own.name.value === one.name.value),
  )
  if (needed)
    throw wrong(
      `Type ${type.name.value} must implement ${needed.name.value} because it is implemented by ${name}.`,
    )
}

const printed = (type: TypeNode): string =>
  type.kind === Kind.NAMED_TYPE
    ? type.name.value
    : type.kind === Kind.LIST_TYPE
      ? `[${printed(type.type)}]`
      : `${printed(type.type)}!`

function isCovariant(own: TypeNode, wanted: TypeNode, types: Types): boolean {
  if (own.kind === Kind.NON_NULL_TYPE)
    return isCovariant(own.type, wanted.kind === Kind.NON_NULL_TYPE ? wanted.type : wanted, types)
  if (wanted.kind === Kind.NON_NULL_TYPE) return false
  if (own.kind === Kind.LIST_TYPE || wanted.kind === Kind.LIST_TYPE)
    return (
      own.kind === Kind.LIST_TYPE &&
      wanted.kind === Kind.LIST_TYPE &&
      isCovariant(own.type, wanted.type, types)
    )
  const [name, other] = [own.name.value, wanted.name.value]
  if (name === other) return true
  const type = types.get(name)
  const target = types.get(other)
  if (target?.kind === Kind.UNION_TYPE_DEFINITION)
    return (target.types ?? []).some((one) => one.name.value === name)
  const interfaces = type && 'interfaces' in type ? (type.interfaces ?? []) : []
  return interfaces.some((one) => one.name.value === other)
}

function checkUses(
  uses: readonly ConstDirectiveNode[] = [],
  directives: Directives,
  location: string,
): void {
  for (const { name, arguments: given = [] } of uses) {
    checkName(name.value)
    const known = directives.get(name.value)
    if (!known) throw wrong(`Undefined directive ${name.value}.`)
    if (!known.locations.some(({ value }) => value === location))
      throw wrong(`Directive ${name.value} is not applicable on ${location}.`)
    for (const one of given)
      if (!known.arguments?.some((argument) => argument.name.value === one.name.value))
        throw wrong(`Undefined argument ${one.name.value} for directive ${name.value}.`)
    for (const argument of known.arguments ?? []) {
      const value = given.find((one) => one.name.value === argument.name.value)?.value
      if (
        argument.type.kind === Kind.NON_NULL_TYPE &&
        !argument.defaultValue &&
        (!value || value.kind === Kind.NULL)
      )
        throw wrong(`Argument ${argument.name.value} for directive ${name.value} cannot be null.`)
    }
  }
}

function checkDirective(one: DirectiveDefinitionNode, types: Types, directives: Directives): void {
  checkName(one.name.value)
  checkInputs(one.arguments, types, directives, 'ARGUMENT_DEFINITION')
  if (
    one.arguments?.some((argument) =>
      argument.directives?.some((use) => use.name.value === one.name.value),
    )
  )
    throw wrong(`Directive ${one.name.value} cannot refer to itself.`)
}
