import { BuiltinError } from '../../errors.ts'
import { compare, isArray, isObject, isSet, Num, toBigInt, type Value } from '../../value.ts'
import { failed } from '../arguments.ts'

/**
 * JSON Patch (RFC 6902) over Rego's values: sets too, whose elements are their own keys, and paths as text or as arrays of
 * keys.
 * @returns `undefined` when an operation does not apply, as OPA does.
 */
export function applyPatch(
  target: Value | undefined,
  operations: readonly Value[],
): Value | undefined {
  try {
    return operations.reduce(applyOne, target)
  } catch (error) {
    if (error instanceof BuiltinError) return undefined
    throw error
  }
}

type Path = readonly Value[]

function applyOne(target: Value | undefined, operation: Value): Value | undefined {
  if (!isObject(operation)) throw failed('an operation is not an object')
  const attribute = (name: string): Value => {
    const value = operation.get(name)
    if (value === undefined) throw failed(`missing '${name}' attribute`)
    return value
  }
  const op = attribute('op')
  if (typeof op !== 'string') throw failed('unrecognized op')
  const path = parsePath(attribute('path'))
  switch (op) {
    case 'add':
      return insert(target, path, attribute('value'))
    case 'remove':
      return remove(target, path)
    case 'replace': {
      const value = attribute('value')
      return insert(remove(target, path), path, value)
    }
    case 'move': {
      const from = parsePath(attribute('from'))
      const moved = find(target, from)
      return insert(remove(target, from), path, moved)
    }
    case 'copy':
      return insert(target, path, find(target, parsePath(attribute('from'))))
    case 'test':
      if (compare(find(target, path), attribute('value')) !== 0) throw failed('test failed')
      return target
    default:
      throw failed('unrecognized op')
  }
}

function parsePath(path: Value): Path {
  if (isArray(path)) return path
  if (typeof path !== 'string') throw failed('a path must be a string or an array')
  if (path === '') return []
  const parts = path.replace(/^\/+/, '').split('/')
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function find(target: Value | undefined, path: Path): Value {
  if (target === undefined) throw failed('there is nothing at the path')
  const [key, ...rest] = path
  if (key === undefined) return target
  return find(child(target, key), rest)
}

function child(parent: Value, key: Value): Value {
  if (isArray(parent)) return at(parent, index(key, parent.length))
  if (isSet(parent))
    return at(
      [...parent],
      [...parent].findIndex((one) => compare(one, key) === 0),
    )
  if (isObject(parent)) return entry(parent, key)[1]
  throw failed('a scalar has no parts')
}

function at(values: readonly Value[], position: number): Value {
  const value = values[position]
  if (value === undefined) throw failed('there is nothing at the path')
  return value
}

function entry(parent: ReadonlyMap<Value, Value>, key: Value): readonly [Value, Value] {
  const found = [...parent].find(([one]) => compare(one, key) === 0)
  if (!found) throw failed('there is nothing at the path')
  return found
}

function index(key: Value, length: number): number {
  if (key === '-') return length
  const number = typeof key === 'string' ? new Num(key) : key
  if (!(number instanceof Num) || (typeof key === 'string' && /^0./.test(key)))
    throw failed('not an index')
  const position = toBigInt(number)
  if (position === undefined || position < 0n || position > length) throw failed('not an index')
  return Number(position)
}

function insert(target: Value | undefined, path: Path, value: Value): Value {
  const [key, ...rest] = path
  if (key === undefined) return value
  if (target === undefined) throw failed('there is nothing at the path')
  if (rest.length > 0) return change(target, key, (part) => insert(part, rest, value))
  if (isArray(target)) return target.toSpliced(index(key, target.length), 0, value)
  if (isSet(target)) {
    if (compare(key, value) !== 0) throw failed('a key of a set must be its value')
    return new Set([...target, value])
  }
  if (!isObject(target)) throw failed('a scalar has no parts')
  const others = [...target].filter(([one]) => compare(one, key) !== 0)
  return new Map([...others, [key, value]])
}

function remove(target: Value | undefined, path: Path): Value | undefined {
  const [key, ...rest] = path
  if (key === undefined) return undefined
  if (target === undefined) throw failed('there is nothing at the path')
  const found = child(target, key)
  if (rest.length > 0) return change(target, key, (part) => remove(part, rest))
  if (isArray(target)) return target.toSpliced(index(key, target.length), 1)
  if (isSet(target)) return new Set([...target].filter((one) => one !== found))
  if (!isObject(target)) throw failed('a scalar has no parts')
  return new Map([...target].filter(([one]) => compare(one, key) !== 0))
}

/** The same value with one part changed. */
function change(parent: Value, key: Value, how: (part: Value) => Value | undefined): Value {
  const part = child(parent, key)
  const changed = how(part)
  if (changed === undefined) throw failed('there is nothing at the path')
  if (isArray(parent)) return parent.with(index(key, parent.length), changed)
  if (isSet(parent)) return new Set([...parent].map((one) => (one === part ? changed : one)))
  if (!isObject(parent)) throw failed('a scalar has no parts')
  return new Map([...parent].map(([one, old]) => [one, compare(one, key) === 0 ? changed : old]))
}
