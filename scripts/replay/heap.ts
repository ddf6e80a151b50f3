/** A queue that gives out the least first, by `before`. */
export function createHeap<T>(before: (a: T, b: T) => boolean): {
  readonly push: (item: T) => void
  readonly pop: () => T | undefined
  readonly peek: () => T | undefined
  readonly size: () => number
} {
  const items: T[] = []
  const less = (a: number, b: number): boolean => {
    const [one, other] = [items[a], items[b]]
    return one !== undefined && other !== undefined && before(one, other)
  }
  const swap = (a: number, b: number): void => {
    const [one, other] = [items[a], items[b]]
    if (one === undefined || other === undefined) return
    items[a] = other
    items[b] = one
  }
  return {
    push(item) {
      items.push(item)
      for (let at = items.length - 1; at > 0;) {
        const up = (at - 1) >> 1
        if (!less(at, up)) break
        swap(at, up)
        at = up
      }
    },
    pop() {
      swap(0, items.length - 1)
      const least = items.pop()
      for (let at = 0; ;) {
        let next = at
        if (less(2 * at + 1, next)) next = 2 * at + 1
        if (less(2 * at + 2, next)) next = 2 * at + 2
        if (next === at) return least
        swap(at, next)
        at = next
      }
    },
    peek: () => items[0],
    size: () => items.length,
  }
}
