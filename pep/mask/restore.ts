import { LEAST_LETTERS, MOST_LETTERS } from './tokens.ts'
import type { SessionTokens } from './types.ts'

/** Puts values in place of their tokens in a text that comes in pieces. */
export type Restorer = {
  /** How many tokens became values again. */
  readonly restored: number
  /** Characters held back because they may still become a token. */
  readonly held: number
  /** @returns what can go out now. */
  readonly push: (text: string) => string
  /** @returns the rest. The restorer can then be used for another text. */
  readonly end: () => string
}

/**
 * @param names of detectors whose tokens may be restored here; tokens of others, of other sessions, and what only
 * looks like a token stay as they are.
 */
export function createRestorer(names: readonly string[], tokens: SessionTokens): Restorer {
  const heads = names.map((name) => `[${name}:t:`)
  const token = new RegExp(
    `\\[(${names.map((name) => RegExp.escape(name)).join('|')}):t:([a-zA-F]{${LEAST_LETTERS},${MOST_LETTERS}})\\]`,
    'g',
  )
  let held = ''
  let restored = 0

  const open = (text: string): string =>
    text.replace(token, (whole, name: string, letters: string) => {
      const value = tokens.open(name, letters)
      if (value === undefined) return whole
      restored += 1
      return value
    })

  return {
    get restored() {
      return restored
    },
    get held() {
      return held.length
    },
    push(text) {
      const all = held + text
      const cut = unfinishedFrom(all, heads)
      held = all.slice(cut)
      return open(cut === all.length ? all : all.slice(0, cut))
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}

/** Where a token begins that is not complete. */
function unfinishedFrom(text: string, heads: readonly string[]): number {
  const at = text.lastIndexOf('[')
  if (at === -1) return text.length
  const rest = text.slice(at)
  const begins = heads.some(
    (head) =>
      head.startsWith(rest) ||
      (rest.startsWith(head) &&
        rest.length - head.length <= MOST_LETTERS &&
        /^[a-zA-F]*$/.test(rest.slice(head.length))),
  )
  return begins ? at : text.length
}
