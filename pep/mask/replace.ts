import { createHmac } from 'node:crypto'
import type { Matcher } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'
import type { FindingName, MaskKeys, MaskStyle } from './types.ts'

/** What `hash` keeps of the digest, hex digits, and `token`, bytes. */
const HASH_DIGITS = 12
const TOKEN_BYTES = 12

/**
 * The text that stands for a value. None of these can be found by a built-in detector, also not together with the
 * text around them: brackets end every run, hex digits are too few for a number, tokens are letters only.
 */
export function replacement(
  style: MaskStyle,
  name: FindingName,
  value: string | undefined,
  keys: MaskKeys,
  partial: Matcher['partial'],
): string {
  // A value that was too long to hold can only be redacted.
  if (value === undefined) return redacted(name)
  switch (style) {
    case 'redact':
      return redacted(name)
    case 'partial': {
      const shown = partial === undefined ? lastFour(value) : partial(value)
      return shown === undefined ? redacted(name) : `[${name}:*${shown}]`
    }
    case 'hash':
      return `[${name}:h:${digest(keys.hash, name, value).toString('hex').slice(0, HASH_DIGITS)}]`
    case 'token':
      return `[${name}:t:${token(keys.token, name, value)}]`
    default:
      return style satisfies never
  }
}

/** A token that the session can undo; a value too long for one is redacted. */
export function restorable(name: FindingName, value: string | undefined, keys: MaskKeys): string {
  const letters = value === undefined ? undefined : keys.restore?.seal(name, value)
  return letters === undefined ? redacted(name) : `[${name}:t:${letters}]`
}

export const redacted = (name: FindingName): string => `[REDACTED:${name}]`

/** The last four letters or digits, if that is at most a third of the value. */
function lastFour(value: string): string | undefined {
  const plain = value.replace(/[^A-Za-z0-9]/g, '')
  return plain.length < 12 ? undefined : plain.slice(-4)
}

function token(key: MaskKeys['token'], name: FindingName, value: string): string {
  const made =
    typeof key === 'function'
      ? key(name, value)
      : letters(digest(key, name, value).subarray(0, TOKEN_BYTES))
  // Other characters could be found again, or show the value.
  if (!/^[a-p]+$/.test(made)) {
    throw new PepMaskError(
      'PEP_MASK_DETECTOR',
      'the token function returned other than letters a–p',
    )
  }
  return made
}

/** Bytes as letters `a`–`p`, two a byte: what a token function should return. */
export function letters(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(97 + (byte >> 4), 97 + (byte & 15))
  return text
}

/** Two names never share a digest. */
const digest = (key: Uint8Array, name: FindingName, value: string): Buffer =>
  createHmac('sha256', key).update(`${name}\0${value}`).digest()
