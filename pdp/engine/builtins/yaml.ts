import { isAlias, isCollection, parseDocument, visit } from 'yaml'
import { BuiltinError } from '../errors.ts'
import { type Num, num, type Value } from '../value.ts'
import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { goFloat } from './go/float.ts'
import { printYaml } from './go/yaml-print.ts'

/** YAML as OPA reads it: 1.1, through JSON. */
export const yaml: Builtins = {
  'yaml.marshal': ([value = null]) => printYaml(value),
  'yaml.unmarshal': (args) => parse(text(args, 0)),
  'yaml.is_valid': (args) => {
    const [given] = args
    if (typeof given !== 'string') return false
    try {
      parse(given)
      return true
    } catch (error) {
      if (error instanceof BuiltinError) return false
      throw error
    }
  },
}

/** Aliases that repeat what they name are few; more is an attack on memory. */
const MOST_ALIASES = 100

function parse(source: string): Value {
  const document = parseDocument(source, {
    version: '1.1',
    merge: true,
    intAsBigInt: true,
    uniqueKeys: true,
    stringKeys: false,
    logLevel: 'silent',
  })
  const [error] = document.errors
  if (error) throw failed(error.message)
  visit(document, {
    Node: (_, node) => {
      if (isAlias(node) || !isCollection(node) || node.tag === undefined) return
      if (/!(?:omap|set|pairs)$/.test(node.tag)) throw failed(`${node.tag} is not supported`)
    },
  })
  try {
    return fromYaml(document.toJS({ mapAsMap: true, maxAliasCount: MOST_ALIASES }))
  } catch (error) {
    if (error instanceof ReferenceError) throw failed(error.message)
    throw error
  }
}

function fromYaml(value: unknown): Value {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return num(value)
  if (typeof value === 'number') return yamlNumber(value)
  // A timestamp is text in JSON.
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z')
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (Array.isArray(value)) return value.map(fromYaml)
  if (value instanceof Map)
    return new Map([...value].map(([key, one]) => [keyText(key), fromYaml(one)]))
  throw failed('a value that JSON has not')
}

function yamlNumber(value: number): Num {
  if (!Number.isFinite(value)) throw failed('a number that JSON has not')
  return num(value)
}

/** Keys are text in JSON. */
function keyText(key: unknown): string {
  if (typeof key === 'string') return key
  if (typeof key === 'number') return goFloat(key, 'g', -1)
  if (typeof key === 'boolean' || typeof key === 'bigint') return String(key)
  if (key === null) return 'null'
  throw failed('a key that JSON has not')
}
