import { type DocumentNode, Kind, parse, specifiedRules, validate } from 'graphql'
import { isObject, type Value } from '../value.ts'
import { failed } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { queryValue, schemaValue } from './graphql-ast.ts'
import { printQuery, printSchema } from './graphql-print.ts'
import { buildSchema } from './graphql-schema.ts'

/** GraphQL queries and schemas, as text or as the trees that these functions make of it. */
export const graphql: Builtins = {
  'graphql.parse_query': (args) => queryValue(readQuery(args[0])),
  'graphql.parse_schema': (args) => schemaValue(readSchema(args[0])),
  'graphql.schema_is_valid': (args) => succeeds(() => buildSchema(readSchema(args[0]))),
  'graphql.is_valid': (args) => succeeds(() => verified(args[0], args[1])),
  'graphql.parse': (args) => verified(args[0], args[1]),
  'graphql.parse_and_verify': (args) => {
    let both: Value[] | undefined
    if (!succeeds(() => (both = verified(args[0], args[1]))) || !both)
      return [false, new Map(), new Map()]
    return [true, ...both]
  },
}

/** Tokens of one document: the parser recurses, and its limits are the host's. */
const MOST_TOKENS = 20_000
const MOST_BYTES = 1024 * 1024

function succeeds(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch {
    // Fail closed: what cannot be read or checked is not valid.
    return false
  }
}

function verified(query: Value | undefined, schema: Value | undefined): Value[] {
  const [asked, known] = [readQuery(query), readSchema(schema)]
  const built = buildSchema(known)
  if (asked.definitions.length > 0) {
    const [error] = validate(built, asked, specifiedRules, { maxErrors: 1 })
    if (error) throw failed(error.message)
  }
  return [queryValue(asked), schemaValue(known)]
}

const readQuery = (given: Value | undefined): DocumentNode =>
  read(
    textOf(given, printQuery),
    ({ kind }) => kind === Kind.OPERATION_DEFINITION || kind === Kind.FRAGMENT_DEFINITION,
  )

const readSchema = (given: Value | undefined): DocumentNode =>
  read(
    textOf(given, printSchema),
    ({ kind }) => kind !== Kind.OPERATION_DEFINITION && kind !== Kind.FRAGMENT_DEFINITION,
  )

function textOf(given: Value | undefined, print: (tree: Value) => string): string {
  if (typeof given === 'string') return given
  if (given !== undefined && isObject(given)) return print(given)
  throw failed('operand must be a string or an object')
}

function read(
  text: string,
  belongs: (definition: DocumentNode['definitions'][number]) => boolean,
): DocumentNode {
  if (Buffer.byteLength(text) > MOST_BYTES) throw failed('the document is too large')
  // Nothing but space and comments is a document without definitions.
  if (/^(?:[\s,\ufeff]|#[^\n\r]*)*$/.test(text)) return { kind: Kind.DOCUMENT, definitions: [] }
  let document: DocumentNode
  try {
    document = parse(text, {
      noLocation: true,
      maxTokens: MOST_TOKENS,
      allowLegacyFragmentVariables: true,
    })
  } catch (error) {
    throw failed(error instanceof Error ? error.message : String(error))
  }
  const odd = document.definitions.find((one) => !belongs(one))
  if (odd) throw failed(`Unexpected ${odd.kind}`)
  return document
}
