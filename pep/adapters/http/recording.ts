import type { Enforcement } from '../../core/enforce.ts'
import type { Masking } from '../../core/masks.ts'
import type { Outcome } from '../../core/permit.ts'
import type { ByteMasker } from '../../mask/bytes.ts'

/** Most bytes of an answer that are kept on record. */
const MAX_RECORDED = 256 * 1024

/** What of an answer goes on record: as delivered, or as it came but for the credential, or nothing. */
export class Recording {
  bytesIn = 0
  bytesOut = 0
  readonly #kept: Buffer[] = []
  #length = 0
  #truncated = false
  readonly #mode: Enforcement['record_body']
  /** The record never holds a credential, whatever policy keeps. */
  readonly #redact: ByteMasker | undefined

  constructor(mode: Enforcement['record_body'], { mask, ruled }: Masking) {
    // Without rules both forms are the same.
    this.#mode = mode === 'full' && !ruled ? 'masked' : mode
    this.#redact = this.#mode === 'full' ? mask.literalBytes() : undefined
  }

  received(bytes: Buffer): void {
    this.bytesIn += bytes.length
    if (this.#redact) this.#keep(this.#redact.push(bytes))
  }

  delivered(bytes: Buffer): void {
    this.bytesOut += bytes.length
    if (this.#mode === 'masked') this.#keep(bytes)
  }

  #keep(bytes: Buffer): void {
    const part = bytes.subarray(0, MAX_RECORDED - this.#length)
    if (part.length < bytes.length) this.#truncated = true
    if (part.length === 0) return
    this.#kept.push(part)
    this.#length += part.length
  }

  /** The part of the outcome; call it once, at the end. */
  end(): Pick<Outcome, 'body' | 'truncated'> {
    if (this.#redact) this.#keep(this.#redact.end())
    if (this.#length === 0) return this.#truncated ? { truncated: true } : {}
    const body = this.#kept.length === 1 ? this.#kept[0] : Buffer.concat(this.#kept, this.#length)
    return { ...(body && { body }), ...(this.#truncated && { truncated: true }) }
  }
}
