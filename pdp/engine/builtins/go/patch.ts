import { BuiltinError } from '../../errors.ts'
import type { Spend } from '../../steps.ts'
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
  spend: Spend,
): Value | undefined {
  try {
    const walker = createWalker(spend)
    return operations.reduce<Value | undefined>(
      (value, operation) => applyOne(value, operation, walker),
      target,
    )
  } catch (error) {
    if (error instanceof BuiltinError) return undefined
    throw error
  }
}

type Path = readonly Value[]

function applyOne(
  target: Value | undefined,
  operation: Value,
  { find, insert, remove, equal, share }: Walker,
): Value | undefined {
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
      share()
      return insert(target, path, find(target, parsePath(attribute('from'))))
    case 'test':
      if (!equal(find(target, path), attribute('value'))) throw failed('test failed')
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

function at(values: readonly Value[], position: number): Value {
  const value = values[position]
  if (value === undefined) throw failed('there is nothing at the path')
  return value
}

function index(key: Value, length: number): number {
  if (key === '-') return length
  const number = typeof key === 'string' ? new Num(key) : key
  if (!(number instanceof Num) || (typeof key === 'string' && /^0./.test(key)))
    throw failed('not an index')
  // No list is so long.
  const position = number.literal.length > 20 ? undefined : toBigInt(number)
  if (position === undefined || position < 0n || position > length) throw failed('not an index')
  return Number(position)
}

/** What it takes to copy a part of a list, set or object, and to move as many of a list. */
const STEPS_A_PART = 8
const MOVED = 16

/**
 * Parts of values by their paths. What a change is in is copied once, and is then altered in place until an operation
 * puts it in a second place: ten thousand operations on one object are not ten thousand copies of it.
 */
type Walker = {
  readonly find: (target: Value | undefined, path: Path) => Value
  readonly insert: (target: Value | undefined, path: Path, value: Value) => Value
  readonly remove: (target: Value | undefined, path: Path) => Value | undefined
  readonly equal: (one: Value, other: Value) => boolean
  /** Nothing is ours any more. */
  readonly share: () => void
}

function createWalker(spend: Spend): Walker {
  let own = new WeakSet<object>()
  const equal = (one: Value, other: Value): boolean => compare(one, other, spend) === 0

  function copied<T extends Value[] | Set<Value> | Map<Value, Value>>(size: number, copy: T): T {
    spend(STEPS_A_PART * (1 + size))
    own.add(copy)
    return copy
  }
  const ownList = (list: readonly Value[]): Value[] =>
    own.has(list) ? (list as Value[]) : copied(list.length, [...list])
  const ownSet = (set: ReadonlySet<Value>): Set<Value> =>
    own.has(set) ? (set as Set<Value>) : copied(set.size, new Set(set))
  const ownObject = (object: ReadonlyMap<Value, Value>): Map<Value, Value> =>
    own.has(object) ? (object as Map<Value, Value>) : copied(object.size, new Map(object))

  function keyIn(keys: ReadonlySet<Value> | ReadonlyMap<Value, Value>, key: Value): Value {
    const found = keyLike(keys, key)
    if (found === undefined) throw failed('there is nothing at the path')
    return found
  }

  function keyLike(
    keys: ReadonlySet<Value> | ReadonlyMap<Value, Value>,
    key: Value,
  ): Value | undefined {
    if (keys.has(key)) return key
    // Text is equal to the same text alone.
    if (typeof key !== 'string') for (const one of keys.keys()) if (equal(one, key)) return one
    return undefined
  }

  function child(parent: Value, key: Value): Value {
    spend(STEPS_A_PART)
    if (isArray(parent)) return at(parent, index(key, parent.length))
    if (isSet(parent)) return keyIn(parent, key)
    if (isObject(parent)) return parent.get(keyIn(parent, key)) ?? null
    throw failed('a scalar has no parts')
  }

  function find(target: Value | undefined, path: Path): Value {
    let found = target
    for (const key of path) {
      if (found === undefined) break
      found = child(found, key)
    }
    if (found === undefined) throw failed('there is nothing at the path')
    return found
  }

  function insert(target: Value | undefined, path: Path, value: Value, from = 0): Value {
    const key = path[from]
    if (key === undefined) return value
    if (target === undefined) throw failed('there is nothing at the path')
    if (from + 1 < path.length)
      return change(target, key, (part) => insert(part, path, value, from + 1))
    spend(STEPS_A_PART)
    if (isArray(target)) {
      const position = index(key, target.length)
      return spliced(ownList(target), position, 0, value)
    }
    if (isSet(target)) {
      if (!equal(key, value)) throw failed('a key of a set must be its value')
      return ownSet(target).add(value)
    }
    if (!isObject(target)) throw failed('a scalar has no parts')
    const known = keyLike(target, key)
    const object = ownObject(target)
    if (known !== undefined) object.delete(known)
    return object.set(key, value)
  }

  function remove(target: Value | undefined, path: Path, from = 0): Value | undefined {
    const key = path[from]
    if (key === undefined) return undefined
    if (target === undefined) throw failed('there is nothing at the path')
    const found = child(target, key)
    if (from + 1 < path.length) return change(target, key, (part) => remove(part, path, from + 1))
    if (isArray(target)) return spliced(ownList(target), index(key, target.length), 1)
    if (isSet(target)) {
      const set = ownSet(target)
      set.delete(found)
      return set
    }
    if (!isObject(target)) throw failed('a scalar has no parts')
    const known = keyIn(target, key)
    const object = ownObject(target)
    object.delete(known)
    return object
  }

  function spliced(list: Value[], position: number, removed: number, ...added: Value[]): Value[] {
    spend((list.length - position) / MOVED)
    list.splice(position, removed, ...added)
    return list
  }

  /** The same value with one part changed. */
  function change(parent: Value, key: Value, how: (part: Value) => Value | undefined): Value {
    const part = child(parent, key)
    const changed = how(part)
    if (changed === undefined) throw failed('there is nothing at the path')
    if (isArray(parent)) {
      const list = ownList(parent)
      list[index(key, parent.length)] = changed
      return list
    }
    if (isSet(parent)) {
      const set = ownSet(parent)
      set.delete(part)
      return set.add(changed)
    }
    if (!isObject(parent)) throw failed('a scalar has no parts')
    return ownObject(parent).set(keyIn(parent, key), changed)
  }

  return { find, insert, remove, equal, share: () => void (own = new WeakSet()) }
}
