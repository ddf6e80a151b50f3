import {
  type Alias,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml'
import type { Spend } from '../steps.ts'
import { isArray, isObject, type Num, num, type Value } from '../value.ts'
import { failed } from './arguments.ts'
import { goFloat } from './go/float.ts'

const STEPS_A_CHARACTER = 6
/** The package takes about so long for each part of the document, which these begin or end. */
const STEPS_A_MARK = 250
const MARKS = /[\n\r,[\]{}"'&*!#%?|>]|[:-](?=\s)/g
const STEPS_A_NODE = 20

/** @throws {BuiltinError} when it is no YAML, or has what JSON has not. */
export function parseYaml(source: string, spend: Spend): Value {
  spend(source.length * STEPS_A_CHARACTER)
  for (const _ of source.matchAll(MARKS)) spend(STEPS_A_MARK)
  const document = parseDocument(source, {
    version: '1.1',
    merge: true,
    intAsBigInt: true,
    // Numbers in parts of 60 are text to go-yaml, and here take the square of their length.
    customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || tag.format !== 'TIME'),
    // The last of several is taken; to look for others, the package compares each with all before it.
    uniqueKeys: false,
    stringKeys: false,
    prettyErrors: false,
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
  return createReader(spend)(document.contents)
}

/** What an anchor names: the node, and its value once that was read; keys are read as text. */
type Anchored = { readonly node: unknown; value?: Value }

/**
 * Reads nodes in the document's order, so that an alias finds the last anchor before it without a search. Values are
 * shared by the aliases of an anchor; they are counted each time when they are written.
 */
function createReader(spend: Spend): (node: unknown) => Value {
  const anchors = new Map<string, Anchored>()

  function read(node: unknown): Value {
    spend(STEPS_A_NODE)
    if (node === null || node === undefined) return null
    if (isAlias(node)) {
      const { node: from, value } = named(node)
      if (value === undefined && isScalar(from)) return scalarValue(from.value)
      if (value === undefined) throw failed(`anchor ${JSON.stringify(node.source)} contains itself`)
      return value
    }
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined
    const anchored: Anchored = { node }
    if (anchor !== undefined) anchors.set(anchor, anchored)
    const value = isScalar(node)
      ? scalarValue(node.value)
      : isSeq(node)
        ? node.items.map(read)
        : isMap(node)
          ? readMap(node)
          : notJson()
    anchored.value = value
    return value
  }

  function named({ source }: Alias): Anchored {
    const found = anchors.get(source)
    if (!found) throw failed(`unknown anchor ${JSON.stringify(source)} referenced`)
    return found
  }

  function readMap({ items }: YAMLMap): Value {
    const map = new Map<Value, Value>()
    for (const { key, value } of items) {
      if (isMergeKey(key)) {
        merge(map, read(value))
        continue
      }
      map.set(readKey(key), read(value))
    }
    return map
  }

  /** As if its entries stood here; of several, the first has the last word. */
  function merge(map: Map<Value, Value>, value: Value): void {
    for (const source of isArray(value) ? value.toReversed() : [value]) {
      if (!isObject(source)) throw failed('map merge requires map or sequence of maps as the value')
      spend(source.size * STEPS_A_NODE)
      for (const [key, one] of source) map.set(key, one)
    }
  }

  function readKey(key: unknown): string {
    const node = isAlias(key) ? named(key).node : key
    if (isScalar(key) && key.anchor !== undefined) anchors.set(key.anchor, { node: key })
    return keyText(isScalar(node) ? node.value : (node ?? null))
  }

  return read
}

/** `<<`, not in quotes. */
const isMergeKey = (key: unknown): boolean =>
  isScalar(key) &&
  (typeof key.value === 'symbol' ||
    (key.value === '<<' && (key.type === undefined || key.type === 'PLAIN')))

function notJson(): never {
  throw failed('a value that JSON has not')
}

function scalarValue(value: unknown): Value {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return num(value)
  if (typeof value === 'number') return yamlNumber(value)
  // A timestamp is text in JSON.
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z')
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  return notJson()
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
