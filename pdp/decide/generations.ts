/** A map that is bounded by what its entries weigh; the longest unused go first. */
export type Generations<V> = {
  readonly get: (key: string) => V | undefined
  readonly set: (key: string, value: V) => void
}

/**
 * @param mostBytes of all entries together; half of it is dropped at a time.
 * @param bytesOf about what an entry takes.
 */
export function createGenerations<V>(
  mostBytes: number,
  bytesOf: (key: string, value: V) => number,
): Generations<V> {
  // A hit in the old one moves up, and when the young one is full the old one goes.
  let young = new Map<string, V>()
  let old = new Map<string, V>()
  let bytes = 0

  const set = (key: string, value: V): void => {
    const weight = bytesOf(key, value)
    bytes += weight
    if (bytes > mostBytes / 2) {
      old = young
      young = new Map()
      bytes = weight
    }
    young.set(key, value)
  }
  return {
    get(key) {
      const found = young.get(key)
      if (found !== undefined) return found
      const before = old.get(key)
      if (before !== undefined) set(key, before)
      return before
    },
    set,
  }
}
