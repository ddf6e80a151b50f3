import { PepMaskError } from './errors.ts'
import type { PathState } from './json-path.ts'

const MAX_DEPTH = 512
/** Keys of open objects, which are kept to find duplicates: how many, and their code units. */
const MAX_KEYS = 1_000_000
const MAX_KEY_UNITS = 16 * 1024 * 1024

/** An object or array that was opened. */
export type Container = {
  /** Of an object. */
  readonly keys: Set<string> | undefined
  /** Those of its keys that went out masked, as they are written. */
  masked: Set<string> | undefined
  readonly state: PathState
  /** Of the next element, in an array. */
  index: number
  keyUnits: number
}

/** The objects and arrays that are open, outermost first, and the keys they have had. Bounded. */
export class OpenContainers {
  readonly #stack: Container[] = []
  #keys = 0
  #keyUnits = 0

  get depth(): number {
    return this.#stack.length
  }

  get last(): Container | undefined {
    return this.#stack.at(-1)
  }

  /** @throws {PepMaskError} PEP_MASK_DEPTH */
  open(object: boolean, state: PathState): Container {
    if (this.#stack.length === MAX_DEPTH) {
      throw new PepMaskError('PEP_MASK_DEPTH', `nested deeper than ${MAX_DEPTH}`)
    }
    const container = {
      keys: object ? new Set<string>() : undefined,
      masked: undefined,
      state,
      index: 0,
      keyUnits: 0,
    }
    this.#stack.push(container)
    return container
  }

  close(): Container | undefined {
    const container = this.#stack.pop()
    this.#keys -= container?.keys?.size ?? 0
    this.#keyUnits -= container?.keyUnits ?? 0
    return container
  }

  /**
   * Readers differ in which of two equal keys they take, so what one inspected may not be what another uses.
   * @throws {PepMaskError} PEP_MASK_DUPLICATE_KEY; PEP_MASK_OVERFLOW when too many keys are open.
   */
  addKey(container: Container, keys: Set<string>, key: string): void {
    if (keys.has(key)) {
      throw new PepMaskError('PEP_MASK_DUPLICATE_KEY', 'an object has the same key twice')
    }
    keys.add(key)
    container.keyUnits += key.length
    this.#keyUnits += key.length
    if (++this.#keys > MAX_KEYS || this.#keyUnits > MAX_KEY_UNITS) {
      throw new PepMaskError('PEP_MASK_OVERFLOW', 'objects with too many keys')
    }
  }

  /** Keys may look alike once they are masked; a reader must not lose one of them. @returns what to write. */
  maskedKey(container: Container, key: string): string {
    const masked = (container.masked ??= new Set())
    const unique = masked.has(key) ? `${key}#${container.keys?.size ?? 0}` : key
    masked.add(unique)
    return unique
  }
}
