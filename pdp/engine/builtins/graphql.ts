import { type DocumentNode, Kind, parse, specifiedRules, validate } from 'graphql'
import { OutOfSteps, type Spend } from '../steps.ts'
import { isObject, type Value } from '../value.ts'
import { failed } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { queryValue, schemaValue } from './graphql-ast.ts'
import { printQuery, printSchema } from './graphql-print.ts'
import { meterQuery } from './graphql-meter.ts'
import { buildSchema } from './graphql-schema.ts'

/** GraphQL queries and schemas, as text or as the trees that these functions make of it. */
export const graphql: Builtins = {
  'graphql.parse_query': (args, { spend }) => queryValue(readQuery(args[0], spend)),
  'graphql.parse_schema': (args, { spend }) => schemaValue(readSchema(args[0], spend)),
  'graphql.schema_is_valid': (args, { spend }) =>
    succeeds(() => buildSchema(readSchema(args[0], spend), spend)),
  'graphql.is_valid': (args, { spend }) => succeeds(() => verified(args[0], args[1], spend)),
  'graphql.parse': (args, { spend }) => verified(args[0], args[1], spend),
  'graphql.parse_and_verify': (args, { spend }) => {
    let both: Value[] | undefined
    if (!succeeds(() => (both = verified(args[0], args[1], spend))) || !both)
      return [false, new Map(), new Map()]
    return [true, ...both]
  },
}

/** Tokens of one document: the parser recurses, and its limits are the host's. */
const MOST_TOKENS = 20_000
const MOST_BYTES = 1024 * 1024
const STEPS_A_CHARACTER = 20

function succeeds(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch (error) {
    // How much of either there is depends on the machine, and is no answer.
    if (error instanceof OutOfSteps || error instanceof RangeError) throw error
    // Fail closed: what cannot be read or checked is not valid.
    return false
  }
}

function verified(query: Value | undefined, schema: Value | undefined, spend: Spend): Value[] {
  const [asked, known] = [readQuery(query, spend), readSchema(schema, spend)]
  const built = buildSchema(known, spend)
  if (asked.definitions.length > 0) {
    meterQuery(asked, known, spend)
    // Suggestions compare the wrong name with all others.
    const options = { maxErrors: 1, hideSuggestions: true }
    const [error] = validate(built, asked, specifiedRules, options)
    // An error that is nowhere: the package has given up, which says nothing of the query.
    if (error && error.nodes === undefined) spend(Infinity)
    if (error) throw failed(error.message)
  }
  return [queryValue(asked), schemaValue(known)]
}

const readQuery = (given: Value | undefined, spend: Spend): DocumentNode =>
  read(
    textOf(given, printQuery),
    ({ kind }) => kind === Kind.OPERATION_DEFINITION || kind === Kind.FRAGMENT_DEFINITION,
    spend,
  )

const readSchema = (given: Value | undefined, spend: Spend): DocumentNode =>
  read(
    textOf(given, printSchema),
    ({ kind }) => kind !== Kind.OPERATION_DEFINITION && kind !== Kind.FRAGMENT_DEFINITION,
    spend,
  )

function textOf(given: Value | undefined, print: (tree: Value) => string): string {
  if (typeof given === 'string') return given
  if (given !== undefined && isObject(given)) return print(given)
  throw failed('operand must be a string or an object')
}

function read(
  text: string,
  belongs: (definition: DocumentNode['definitions'][number]) => boolean,
  spend: Spend,
): DocumentNode {
  spend(text.length * STEPS_A_CHARACTER)
  if (Buffer.byteLength(text) > MOST_BYTES) throw failed('the document is too large')
  // Nothing but space and comments is a document without definitions.
  if (!/[^\s,\ufeff]/.test(text.replace(/#[^\n\r]*/g, '')))
    return { kind: Kind.DOCUMENT, definitions: [] }
  let document: DocumentNode
  try {
    document = parse(text, {
      noLocation: true,
      maxTokens: MOST_TOKENS,
      allowLegacyFragmentVariables: true,
    })
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw failed(error instanceof Error ? error.message : String(error))
  }
  const odd = document.definitions.find((one) => !belongs(one))
  if (odd) throw failed(`Unexpected ${odd.kind}`)
  return document
}
