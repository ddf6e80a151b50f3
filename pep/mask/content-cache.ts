import { hash } from 'node:crypto'

/** Shorter texts are their own key: none is as long as a hash in base64, so none is taken for one. */
const OWN_KEY = 44

/** Where a text stands in a parsed document. */
export type Place = { readonly parent: object; readonly key: string | number }

/** Keys of texts by where they stand, so that whoever comes to the same place again need not read the text again. */
const placed = new WeakMap<object, Map<string | number, string>>()

function contentKey(text: string, place: Place | undefined): string {
  if (text.length < OWN_KEY) return text
  if (place === undefined) return hash('sha256', text, 'base64')
  const keys = placed.get(place.parent) ?? new Map<string | number, string>()
  const known = keys.get(place.key)
  if (known !== undefined) return known
  const key = hash('sha256', text, 'base64')
  placed.set(place.parent, keys.set(place.key, key))
  return key
}

/**
 * Remembers what was made of a text by its content: an agent sends its whole conversation again each turn. Two
 * generations, the older one dropped whole: dropping entries one by one from the front of a large map takes time in
 * proportion to what was dropped before.
 */
export class ContentCache<T> {
  readonly #cost: (made: T) => number
  readonly #most: number
  #young = new Map<string, T>()
  #old = new Map<string, T>()
  #bytes = 0

  /**
   * @param cost bytes that a result takes, about; the key comes on top.
   * @param budgetBytes most bytes that are kept, about.
   */
  constructor(cost: (made: T) => number, budgetBytes: number) {
    this.#cost = cost
    this.#most = budgetBytes / 2
  }

  /**
   * @param purpose texts under two purposes have nothing to do with each other; without a space.
   * @param place of exactly this text, in a document that nobody alters.
   */
  of(text: string, purpose: string, make: (text: string) => T, place?: Place): T {
    const key = `${purpose} ${contentKey(text, place)}`
    const known = this.#young.get(key)
    if (known !== undefined) return known
    const made = this.#old.get(key) ?? make(text)
    const bytes = KEY_BYTES + this.#cost(made)
    if (this.#bytes + bytes > this.#most) {
      this.#old = this.#young
      this.#young = new Map()
      this.#bytes = 0
    }
    this.#bytes += bytes
    this.#young.set(key, made)
    return made
  }
}

const KEY_BYTES = 256
