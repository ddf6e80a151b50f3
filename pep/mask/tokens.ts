import { aessiv } from '@noble/ciphers/aes.js'
import type { SessionTokens } from './types.ts'

/** Letters alone, so that no detector takes a token for something. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEF'
/** A longer value would be held back for too long on its way back. */
const MOST_BYTES = 256
const TAG_BYTES = 16
const BITS = 5

export const LEAST_LETTERS = lettersOf(TAG_BYTES + 1)
export const MOST_LETTERS = lettersOf(TAG_BYTES + MOST_BYTES)

function lettersOf(bytes: number): number {
  return Math.ceil((bytes * 8) / BITS)
}

/** @param key 64 bytes, of one session. AES-SIV (RFC 5297), deterministic, with the detector's name as associated data. */
export function sessionTokens(key: Uint8Array): SessionTokens {
  const cipher = (name: string) => aessiv(key, Buffer.from(`countersign/token/v1\n${name}`))
  return {
    seal(name, value) {
      const bytes = Buffer.from(value, 'utf8')
      if (bytes.length === 0 || bytes.length > MOST_BYTES) return undefined
      return encode(cipher(name).encrypt(bytes))
    },
    open(name, letters) {
      const sealed = decode(letters)
      if (sealed === undefined) return undefined
      try {
        return Buffer.from(cipher(name).decrypt(sealed)).toString('utf8')
      } catch {
        // Made up, altered, or of another session: it stays what it is.
        return undefined
      }
    },
  }
}

function encode(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let count = 0
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    count += 8
    while (count >= BITS) {
      count -= BITS
      text += ALPHABET.charAt((bits >> count) & 31)
    }
    bits &= (1 << count) - 1
  }
  return count === 0 ? text : text + ALPHABET.charAt((bits << (BITS - count)) & 31)
}

/** @returns `undefined` when it is not what `encode` writes. */
function decode(letters: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((letters.length * BITS) / 8))
  let bits = 0
  let count = 0
  let at = 0
  for (const letter of letters) {
    const value = ALPHABET.indexOf(letter)
    if (value === -1) return undefined
    bits = (bits << BITS) | value
    count += BITS
    if (count < 8) continue
    count -= 8
    bytes[at++] = (bits >> count) & 0xff
    bits &= (1 << count) - 1
  }
  return bits === 0 && at > TAG_BYTES && lettersOf(at) === letters.length ? bytes : undefined
}
