import { type Matcher, prefixAt } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'

/** Shorter ones would redact ordinary text. */
const MIN_LITERAL = 4
/** Of an encoded form that is cut at an alignment, the least that is worth finding. */
const MIN_ENCODED = 6

/**
 * A secret as it may be echoed: itself, percent-encoded, JSON-escaped, in hex, and as base64 and base64url at each
 * of the three places it may have inside something longer (`user:secret`).
 *
 * @param unit 'utf16' for decoded text, 'latin1' for bytes that are handled as latin1.
 * @throws {PepMaskError} PEP_MASK_CONFIG when the secret has fewer than 4 bytes.
 */
export function literalForms(secret: string, unit: 'utf16' | 'latin1'): string[] {
  const bytes = Buffer.from(secret, 'utf8')
  if (bytes.length < MIN_LITERAL) {
    throw new PepMaskError('PEP_MASK_CONFIG', `a literal has fewer than ${MIN_LITERAL} bytes`)
  }
  const json = JSON.stringify(secret).slice(1, -1)
  const percent = percentEncoded(bytes, unreserved)
  const plain = [secret, json, json.replaceAll('/', '\\/'), json.replace(/[^ -~]/g, unicodeEscape)]
  const encoded = [
    percent,
    percent.toLowerCase() === percent ? percent : lowerEscapes(percent),
    percentEncoded(bytes, inComponent),
    percentEncoded(bytes, inUri),
    percent.replaceAll('%20', '+'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ].filter((form) => form.length >= MIN_ENCODED)
  const inUnit = plain.map((form) =>
    unit === 'utf16' ? form : Buffer.from(form, 'utf8').toString('latin1'),
  )
  return [...new Set([...inUnit, ...encoded])]
}

const unicodeEscape = (unit: string): string =>
  `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** What encoders leave as it is: RFC 3986, `encodeURIComponent`, `encodeURI`. */
const unreserved = /[A-Za-z0-9\-._~]/
const inComponent = /[A-Za-z0-9\-._~!*'()]/
const inUri = /[A-Za-z0-9\-._~!*'();/?:@&=+$,#]/

function percentEncoded(bytes: Buffer, stays: RegExp): string {
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte)
    return stays.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}

const lowerEscapes = (text: string): string =>
  text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())

/** The characters that depend on the secret alone when it stands `offset` bytes after a multiple of three. */
function base64At(bytes: Buffer, offset: number): string[] {
  const padded = Buffer.concat([Buffer.alloc(offset), bytes])
  const from = Math.ceil((offset * 8) / 6)
  const to = Math.floor((padded.length * 8) / 6)
  return [padded.toString('base64').slice(from, to), padded.toString('base64url').slice(from, to)]
}

/** Finds a literal in decoded text, where escapes nobody needs may have hidden it from `LiteralMasker`. */
export function literalMatcher(literal: string): Matcher {
  const first = literal.charCodeAt(0)
  const second = literal.charCodeAt(1)
  return {
    name: 'credential',
    starts: (unit) => unit === first,
    startsWide: first > 127,
    triggers: [
      {
        chars: first > 127 ? '' : literal.charAt(0),
        wide: first > 127,
        ...(second < 128 ? { after: literal.charAt(1) } : {}),
      },
    ],
    maxLength: literal.length,
    match: (s, i, final) => prefixAt(s, i, literal, final),
  }
}

/** Replaces exact strings in a text that comes in pieces. */
export class LiteralMasker {
  readonly #forms: readonly string[]
  readonly #replacement: string
  readonly #onFound: () => void
  #held = ''

  /** @param forms all that is replaced; where two begin at one place, the longest. */
  constructor(forms: readonly string[], replacement: string, onFound: () => void) {
    this.#forms = [...forms].sort((a, b) => b.length - a.length)
    this.#replacement = replacement
    this.#onFound = onFound
  }

  /** Code units held back. */
  get held(): number {
    return this.#held.length
  }

  push(text: string): string {
    return this.#run(this.#held === '' ? text : this.#held + text, false)
  }

  end(): string {
    return this.#run(this.#held, true)
  }

  #run(s: string, final: boolean): string {
    let out = ''
    let from = 0
    // Where each form occurs next; searched again only once it is behind.
    const next = this.#forms.map((form) => s.indexOf(form))
    for (;;) {
      let at = Infinity
      let length = 0
      for (let f = 0; f < next.length; f++) {
        let found = next[f] ?? -1
        const form = this.#forms[f] ?? ''
        if (found !== -1 && found < from) {
          found = s.indexOf(form, from)
          next[f] = found
        }
        if (found !== -1 && found < at) {
          at = found
          length = form.length
        }
      }
      const hold = final ? s.length : this.#holdFrom(s, from)
      // What may begin before the first occurrence, or be longer than it, is waited for.
      if (at === Infinity || hold < at || (hold === at && !final)) {
        this.#held = s.slice(hold)
        return out + s.slice(from, hold)
      }
      out += s.slice(from, at) + this.#replacement
      from = at + length
      this.#onFound()
    }
  }

  /** The first position where the rest of `s` is the beginning of a form that is not complete. */
  #holdFrom(s: string, from: number): number {
    let hold = s.length
    for (const form of this.#forms) {
      const first = form.charCodeAt(0)
      for (let j = Math.max(from, s.length - form.length + 1); j < hold; j++) {
        if (s.charCodeAt(j) === first && form.startsWith(s.slice(j))) hold = j
      }
    }
    return hold
  }
}
