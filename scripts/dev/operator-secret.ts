import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Letters and digits that cannot be mistaken for one another. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTVWXYZ'
const FREE_TRIES = 5
const FIRST_LOCK_MS = 30_000
const LONGEST_LOCK_MS = 900_000

export type Attempt = 'right' | 'wrong' | 'locked'

/**
 * What only the person at the operator's terminal knows. It lives in memory, for one run of the process, so that no
 * program of the same user finds it in a file.
 */
export type OperatorSecret = {
  /** As it is shown: four groups of five, ~98 bits. */
  readonly text: string
  /**
   * Compares what was typed; case, spaces and hyphens do not matter. After five wrong ones everything is `locked`,
   * also the right one, for 30 s, doubling up to 15 min with each further wrong one.
   */
  readonly attempt: (typed: string) => Attempt
}

export function createOperatorSecret(now: () => number = Date.now): OperatorSecret {
  const text = generate()
  const wanted = digest(text)
  let wrong = 0
  let lockedUntil = 0
  return {
    text,
    attempt(typed) {
      if (now() < lockedUntil) return 'locked'
      if (timingSafeEqual(digest(typed), wanted)) {
        wrong = 0
        return 'right'
      }
      wrong += 1
      if (wrong >= FREE_TRIES) {
        const lock = Math.min(FIRST_LOCK_MS * 2 ** (wrong - FREE_TRIES), LONGEST_LOCK_MS)
        lockedUntil = now() + lock
      }
      return 'wrong'
    },
  }
}

const digest = (typed: string): Buffer =>
  hash('sha256', typed.toUpperCase().replaceAll(/[\s-]/g, ''), 'buffer')

function generate(): string {
  let letters = ''
  while (letters.length < 20) {
    for (const byte of randomBytes(32)) {
      // 240 = 8 × 30: a byte above it would favour the first letters.
      if (byte < 240 && letters.length < 20) letters += ALPHABET[byte % ALPHABET.length]
    }
  }
  return letters.replaceAll(/.{5}(?=.)/g, '$&-')
}
