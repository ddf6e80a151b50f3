import type { Enforcement } from '../../core/enforce.ts'
import type { ByteMasker } from '../../mask/bytes.ts'

/** Most bytes of an answer that are recorded. */
const MAX_BYTES = 256 * 1024

/** Keeps what the record shall hold of an answer. */
export class Recording {
  readonly #mode: Enforcement['record_body']
  /** Takes the credential out: the record never holds one. */
  readonly #literals: ByteMasker
  readonly #kept: Uint8Array[] = []
  #bytes = 0
  #truncated = false
  bytesIn = 0
  bytesOut = 0

  constructor(mode: Enforcement['record_body'], literals: ByteMasker) {
    this.#mode = mode
    this.#literals = literals
  }

  /** Bytes as the upstream sent them. */
  received(bytes: Uint8Array): void {
    this.bytesIn += bytes.length
    if (this.#mode === 'full') this.#keep(this.#literals.push(bytes))
  }

  /** Bytes as the client gets them. */
  delivered(bytes: Uint8Array): void {
    this.bytesOut += bytes.length
    if (this.#mode === 'masked') this.#keep(bytes)
  }

  #keep(bytes: Uint8Array): void {
    const room = MAX_BYTES - this.#bytes
    if (bytes.length > room) this.#truncated = true
    const part = bytes.subarray(0, Math.max(room, 0))
    this.#bytes += part.length
    if (part.length > 0) this.#kept.push(Uint8Array.from(part))
  }

  get body(): { readonly body?: Uint8Array; readonly truncated?: true } {
    if (this.#mode === 'metadata') return {}
    if (this.#mode === 'full') this.#keep(this.#literals.end())
    return { body: Buffer.concat(this.#kept), ...(this.#truncated && { truncated: true }) }
  }
}
