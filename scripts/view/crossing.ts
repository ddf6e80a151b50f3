import type { TextMasker } from '../../pep/mask/text.ts'
import { type Masker, NotShown } from './masker.ts'

/** Fields in which a text comes bit by bit, one event after the other. */
const growing =
  /delta|content|text|token|response|completion|arguments|partial|chunk|output|generated/i
/** More places than any protocol has. */
const MAX_PLACES = 256

/** Sees values that are divided over several documents: in the same place of one after the other. */
export type Crossing = {
  readonly add: (document: unknown) => void
  /** @throws {NotShown} when there was one. */
  readonly check: () => void
}

export function createCrossing(masker: Masker): Crossing {
  const places = new Map<string, { readonly running: TextMasker; apart: number }>()

  function add(text: string, path: string): void {
    let place = places.get(path)
    if (!place) {
      if (places.size >= MAX_PLACES) throw new NotShown('its events have text in too many places')
      places.set(path, (place = { running: masker.mask.text(), apart: 0 }))
    }
    place.running.push(text)
    const alone = masker.mask.text()
    alone.push(text)
    alone.end()
    place.apart += sum(alone)
  }

  function walk(value: unknown, path: string): void {
    if (typeof value === 'string') {
      if (path === '' || growing.test(path)) add(value, path)
    } else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) walk(inner, `${path}/${key}`)
  }

  return {
    add: (document) => walk(document, ''),
    check() {
      for (const { running, apart } of places.values()) {
        running.end()
        if (sum(running) > apart)
          throw new NotShown('it holds a value that is divided over several events')
      }
    },
  }
}

const sum = ({ counts }: TextMasker): number =>
  Object.values(counts).reduce<number>((total, count = 0) => total + count, 0)
