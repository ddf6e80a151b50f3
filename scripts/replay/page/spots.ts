import type { Range } from '../page-data.ts'
import { el, inert } from './dom.ts'
import { lastAt } from './time.ts'

/** Places on the page that hold text of others: it grows as it did, its differences are marked, and it is searched. */

export type Spot = {
  /** Shows the text as it was then. */
  readonly at: (at_ms: number) => void
  /** Marks what is searched for; '' for nothing. @returns how often it is there. */
  readonly find: (query: string) => number
}

export type SpotOptions = {
  readonly growth?: readonly Range[]
  readonly marks?: readonly Range[]
  /** Element of a marked range: what was taken out, or what was put in. */
  readonly mark?: 'del' | 'ins'
  /** Told before a match is shown, to open what is folded. */
  readonly reveal?: () => void
}

/** Most matches that are marked in one text. */
const MAX_HITS = 500

export function createSpot(element: HTMLElement, text: string, options: SpotOptions = {}): Spot {
  const { growth = [], marks = [], mark = 'ins', reveal } = options
  const lower = text.toLowerCase()
  // Lower case of another length would put marks on the wrong letters.
  const searched = lower.length === text.length ? lower : text
  let hits: readonly Range[] = []
  let length = -1

  const draw = (): void => {
    const edges = new Set([0, length])
    for (const [from, to] of [...marks, ...hits])
      edges.add(Math.min(from, length)).add(Math.min(to, length))
    const sorted = [...edges].sort((a, b) => a - b)
    const parts = sorted.slice(1).map((to, n) => {
      const from = sorted[n] ?? 0
      const inside = ([a, b]: Range): boolean => a <= from && to <= b
      const plain = inert(text.slice(from, to))
      const hit = hits.some(inside) ? el('mark', 'hit', plain) : plain
      return marks.some(inside) ? el(mark, '', hit) : hit
    })
    element.replaceChildren(...parts)
  }

  const show = (wanted: number): void => {
    if (wanted === length) return
    length = wanted
    draw()
  }

  show(text.length)
  return {
    at(at_ms) {
      if (growth.length === 0) return
      const grown = growth[lastAt(growth, at_ms, ([at]) => at)]
      show(grown?.[1] ?? 0)
    },
    find(query) {
      const had = hits.length > 0
      hits = query === '' ? [] : places(searched, query)
      if (hits.length > 0) {
        reveal?.()
        length = text.length
      }
      if (had || hits.length > 0) draw()
      return hits.length
    },
  }
}

function places(text: string, query: string): readonly Range[] {
  const found: Range[] = []
  for (let at = text.indexOf(query); at !== -1; at = text.indexOf(query, at + query.length)) {
    found.push([at, at + query.length])
    if (found.length === MAX_HITS) break
  }
  return found
}

export type Spots = {
  /** An element with this text in it. */
  readonly text: <T extends 'span' | 'div' | 'code' | 'pre' | 'p' | 'bdi'>(
    tag: T,
    className: string,
    text: string,
    options?: SpotOptions,
  ) => HTMLElementTagNameMap[T]
  readonly all: readonly Spot[]
  readonly add: (spot: Spot) => void
  /** Whether this is the first place that has this text: others of it need not be searched. */
  readonly isFirst: (text: number) => boolean
}

export function createSpots(): Spots {
  const all: Spot[] = []
  const seen = new Set<number>()
  return {
    all,
    add: (spot) => void all.push(spot),
    isFirst(text) {
      if (seen.has(text)) return false
      seen.add(text)
      return true
    },
    text(tag, className, text, options) {
      const element = el(tag, className)
      all.push(createSpot(element, text, options))
      return element
    },
  }
}
