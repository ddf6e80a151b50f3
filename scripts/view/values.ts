import { type Masker, NotShown } from './masker.ts'

const MAX_DEPTH = 128
/** Shorter ones are no value by themselves. */
const LONG_NUMBER = 1e8

/** Where a value stands: names joined by dots, `*` for each place in a list. */
export type PathOf = string

export type Rules = {
  /** What stays as it is, with all below it. */
  readonly keeps: (path: PathOf) => boolean
  /** How a text is masked, where it is not like others. */
  readonly text?: (path: PathOf, text: string, name: string) => string | undefined
}

/** Masks every string, name and long number of a value. @throws {NotShown} for what is no plain data. */
export function maskValue(masker: Masker, value: unknown, rules: Rules): unknown {
  /** @param name of the field that it is in, or that the list is in. */
  function at(node: unknown, path: PathOf, depth: number, name: string): unknown {
    if (rules.keeps(path)) return node
    if (depth > MAX_DEPTH) throw new NotShown('it is nested too deep')
    if (typeof node === 'string') return rules.text?.(path, node, name) ?? masker.named(name, node)
    if (typeof node === 'number' || typeof node === 'bigint') return number(node)
    if (typeof node === 'object' && node !== null) return within(node, path, depth, name)
    if (typeof node === 'function' || typeof node === 'symbol')
      throw new NotShown('it holds what is no data')
    return node
  }

  function number(node: number | bigint): unknown {
    if (node > -LONG_NUMBER && node < LONG_NUMBER) return node
    const written = String(node)
    const masked = masker.text(written)
    return masked === written ? node : masked
  }

  function within(node: object, path: PathOf, depth: number, above: string): unknown {
    if (Array.isArray(node)) return node.map((item) => at(item, `${path}.*`, depth + 1, above))
    if (node instanceof Uint8Array) return `[NOT SHOWN: ${node.length} bytes]`
    const prototype: unknown = Object.getPrototypeOf(node)
    if (prototype !== Object.prototype && prototype !== null)
      throw new NotShown('it holds what is no data')
    const masked = new Map<string, unknown>()
    for (const [key, inner] of Object.entries(node)) {
      const below = path === '' ? key : `${path}.${key}`
      const name = rules.keeps(below) ? key : masker.text(key)
      // Names may look alike once they are masked.
      const unique = masked.has(name) ? `${name}#${masked.size}` : name
      masked.set(unique, at(inner, below, depth + 1, key))
    }
    return Object.fromEntries(masked)
  }

  return at(value, '', 0, '')
}
