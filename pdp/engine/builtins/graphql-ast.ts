import {
  type ConstDirectiveNode,
  type DefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
  Kind,
  type SelectionNode,
  type StringValueNode,
  type TypeNode,
  type ValueNode,
  type VariableDefinitionNode,
} from 'graphql'
import { assertNever } from '../../contract/result.ts'
import { num, type Value } from '../value.ts'

/** GraphQL's tree as gqlparser has it, which OPA uses, without what is empty: OPA documentation, "GraphQL". */
type Fields = readonly (readonly [string, Value | undefined])[]

/** Without empty lists and what is not there; empty text stays. */
const node = (fields: Fields): Value =>
  new Map(
    fields.filter(
      (field): field is [string, Value] =>
        field[1] !== undefined && !(Array.isArray(field[1]) && field[1].length === 0),
    ),
  )

const VALUE_KINDS: Readonly<Record<ValueNode['kind'], number>> = {
  [Kind.VARIABLE]: 0,
  [Kind.INT]: 1,
  [Kind.FLOAT]: 2,
  [Kind.STRING]: 3,
  [Kind.BOOLEAN]: 5,
  [Kind.NULL]: 6,
  [Kind.ENUM]: 7,
  [Kind.LIST]: 8,
  [Kind.OBJECT]: 9,
}
const BLOCK_STRING = 4

function valueNode(value: ValueNode): Value {
  const kind =
    value.kind === Kind.STRING && value.block === true ? BLOCK_STRING : VALUE_KINDS[value.kind]
  return node([
    ['Children', childrenOf(value)],
    ['ExpectedTypeHasDefault', false],
    ['Kind', num(kind)],
    ['Raw', rawOf(value)],
  ])
}

function childrenOf(value: ValueNode): Value[] {
  if (value.kind === Kind.LIST)
    return value.values.map((one) =>
      node([
        ['Name', ''],
        ['Value', valueNode(one)],
      ]),
    )
  if (value.kind === Kind.OBJECT)
    return value.fields.map((one) =>
      node([
        ['Name', one.name.value],
        ['Value', valueNode(one.value)],
      ]),
    )
  return []
}

function rawOf(value: ValueNode): string {
  switch (value.kind) {
    case Kind.VARIABLE:
      return value.name.value
    case Kind.NULL:
      return 'null'
    case Kind.LIST:
    case Kind.OBJECT:
      return ''
    case Kind.BOOLEAN:
      return String(value.value)
    case Kind.INT:
    case Kind.FLOAT:
    case Kind.STRING:
    case Kind.ENUM:
      return value.value
    default:
      return assertNever(value)
  }
}

const typeNode = (type: TypeNode, nonNull = false): Value => {
  if (type.kind === Kind.NON_NULL_TYPE) return typeNode(type.type, true)
  return type.kind === Kind.LIST_TYPE
    ? node([
        ['Elem', typeNode(type.type)],
        ['NamedType', ''],
        ['NonNull', nonNull],
      ])
    : node([
        ['NamedType', type.name.value],
        ['NonNull', nonNull],
      ])
}

const directives = (list: readonly (DirectiveNode | ConstDirectiveNode)[] = []): Value[] =>
  list.map((one) =>
    node([
      ['Arguments', argumentsOf(one.arguments)],
      ['Location', ''],
      ['Name', one.name.value],
    ]),
  )

const argumentsOf = (list: DirectiveNode['arguments'] = []): Value[] =>
  list.map((one) =>
    node([
      ['Name', one.name.value],
      ['Value', valueNode(one.value)],
    ]),
  )

const variables = (list: readonly VariableDefinitionNode[] = []): Value[] =>
  list.map((one) =>
    node([
      ['DefaultValue', one.defaultValue && valueNode(one.defaultValue)],
      ['Directives', directives(one.directives)],
      ['Type', typeNode(one.type)],
      ['Used', false],
      ['Variable', one.variable.name.value],
    ]),
  )

function selection(one: SelectionNode): Value {
  const common: Fields = [['Directives', directives(one.directives)]]
  if (one.kind === Kind.FRAGMENT_SPREAD) return node([...common, ['Name', one.name.value]])
  const set: Fields = [['SelectionSet', one.selectionSet?.selections.map(selection)]]
  if (one.kind === Kind.INLINE_FRAGMENT)
    return node([...common, ...set, ['TypeCondition', one.typeCondition?.name.value ?? '']])
  return node([
    ...common,
    ...set,
    ['Alias', one.alias?.value ?? one.name.value],
    ['Arguments', argumentsOf(one.arguments)],
    ['Name', one.name.value],
  ])
}

export function queryValue({ definitions }: DocumentNode): Value {
  const operations: Value[] = []
  const fragments: Value[] = []
  for (const one of definitions) {
    if (one.kind === Kind.OPERATION_DEFINITION)
      operations.push(
        node([
          ['Directives', directives(one.directives)],
          ['Name', one.name?.value ?? ''],
          ['Operation', one.operation],
          ['SelectionSet', one.selectionSet.selections.map(selection)],
          ['VariableDefinitions', variables(one.variableDefinitions)],
        ]),
      )
    else if (one.kind === Kind.FRAGMENT_DEFINITION)
      fragments.push(
        node([
          ['Directives', directives(one.directives)],
          ['Name', one.name.value],
          ['SelectionSet', one.selectionSet.selections.map(selection)],
          ['TypeCondition', one.typeCondition.name.value],
          ['VariableDefinition', variables(one.variableDefinitions)],
        ]),
      )
  }
  return node([
    ['Fragments', fragments],
    ['Operations', operations],
  ])
}

const text = (description: StringValueNode | undefined): string => description?.value ?? ''

const inputs = (list: readonly InputValueDefinitionNode[] = []): Value[] =>
  list.map((one) =>
    node([
      ['DefaultValue', one.defaultValue && valueNode(one.defaultValue)],
      ['Description', text(one.description)],
      ['Directives', directives(one.directives)],
      ['Name', one.name.value],
      ['Type', typeNode(one.type)],
    ]),
  )

const fields = (list: readonly FieldDefinitionNode[] = []): Value[] =>
  list.map((one) =>
    node([
      ['Arguments', inputs(one.arguments)],
      ['Description', text(one.description)],
      ['Directives', directives(one.directives)],
      ['Name', one.name.value],
      ['Type', typeNode(one.type)],
    ]),
  )

/** Kinds of definitions, and of extensions, in gqlparser's words. */
const DEFINITIONS: Readonly<Record<string, string>> = {
  ScalarType: 'SCALAR',
  ObjectType: 'OBJECT',
  InterfaceType: 'INTERFACE',
  UnionType: 'UNION',
  EnumType: 'ENUM',
  InputObjectType: 'INPUT_OBJECT',
}

export function schemaValue({ definitions }: DocumentNode): Value {
  const lists: Record<
    'Definitions' | 'Directives' | 'Extensions' | 'Schema' | 'SchemaExtension',
    Value[]
  > = {
    Definitions: [],
    Directives: [],
    Extensions: [],
    Schema: [],
    SchemaExtension: [],
  }
  for (const one of definitions) {
    if (one.kind === Kind.SCHEMA_DEFINITION || one.kind === Kind.SCHEMA_EXTENSION)
      lists[one.kind === Kind.SCHEMA_DEFINITION ? 'Schema' : 'SchemaExtension'].push(
        node([
          ['Description', one.kind === Kind.SCHEMA_DEFINITION ? text(one.description) : ''],
          ['Directives', directives(one.directives)],
          [
            'OperationTypes',
            one.operationTypes?.map((type) =>
              node([
                ['Operation', type.operation],
                ['Type', type.type.name.value],
              ]),
            ),
          ],
        ]),
      )
    else if (one.kind === Kind.DIRECTIVE_DEFINITION)
      lists.Directives.push(
        node([
          ['Arguments', inputs(one.arguments)],
          ['Description', text(one.description)],
          ['IsRepeatable', one.repeatable],
          ['Locations', one.locations.map(({ value }) => value)],
          ['Name', one.name.value],
        ]),
      )
    else {
      const extension = one.kind.endsWith('Extension')
      lists[extension ? 'Extensions' : 'Definitions'].push(definition(one, extension))
    }
  }
  return node(Object.entries(lists))
}

function definition(one: DefinitionNode, extension: boolean): Value {
  const kind = DEFINITIONS[one.kind.replace(/Definition$|Extension$/, '')]
  if (kind === undefined || !('name' in one)) throw new TypeError(`${one.kind} is no type`)
  return node([
    ['BuiltIn', false],
    ['Description', !extension && 'description' in one ? text(one.description) : ''],
    ['Directives', 'directives' in one ? directives(one.directives) : []],
    [
      'EnumValues',
      'values' in one
        ? one.values?.map((value) =>
            node([
              ['Description', text(value.description)],
              ['Directives', directives(value.directives)],
              ['Name', value.name.value],
            ]),
          )
        : [],
    ],
    ['Fields', fieldsOf(one)],
    ['Interfaces', 'interfaces' in one ? one.interfaces?.map(({ name }) => name.value) : []],
    ['Kind', kind],
    ['Name', one.name?.value ?? ''],
    ['Types', 'types' in one ? one.types?.map(({ name }) => name.value) : []],
  ])
}

function fieldsOf(one: DefinitionNode): Value[] {
  if (
    one.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION ||
    one.kind === Kind.INPUT_OBJECT_TYPE_EXTENSION
  )
    return inputs(one.fields)
  return 'fields' in one ? fields(one.fields) : []
}
