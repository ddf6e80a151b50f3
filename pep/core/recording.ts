import type { ByteMasker } from '../mask/bytes.ts'
import type { Outcome, Permit } from './permit.ts'
import { type RecordedBody, recordBody } from './recorded-body.ts'

export type RecordingParts = {
  readonly permit: Pick<Permit, 'enforcement' | 'accepting' | 'chunk' | 'close'>
  /** Takes the credential out of what was received: the record never holds one, whatever policy keeps. */
  readonly redact: ByteMasker
  /** Whether the client may get anything else than what was received. If not, `delivered` says both. */
  readonly altering: boolean
  /** Most bytes of one body. */
  readonly limit_bytes: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** What `close` adds to how it ended. */
export type Ending = Omit<Outcome, 'bytes_in' | 'bytes_out' | 'truncated' | 'rest'>

/** A chunk goes to the journal at this size … */
const CHUNK_BYTES = 32 * 1024
/** … or after this time. */
const CHUNK_MS = 1000
/** Most bytes that are on their way to the disk, or the answer waits for it. */
const MAX_IN_FLIGHT = 1024 * 1024

/** Counts an answer and puts on record what policy keeps of it: in chunks as it streams, and the rest with the outcome. */
export class Recording {
  bytesIn = 0
  bytesOut = 0
  readonly #parts: RecordingParts
  readonly #received: RecordedBody | undefined
  readonly #delivered: RecordedBody | undefined
  #timer: NodeJS.Timeout | undefined
  #inFlight = 0
  /** Never rejects. Records become durable in order, so this one stands for all before. */
  #last: Promise<void> = Promise.resolve()
  #failure: Error | undefined
  #closed: Promise<void> | undefined

  constructor(parts: RecordingParts) {
    const { permit, altering, limit_bytes } = parts
    const { record_body } = permit.enforcement
    this.#parts = parts
    if (record_body === 'full' && altering) this.#received = recordBody('received', limit_bytes)
    if (record_body !== 'metadata') this.#delivered = recordBody('delivered', limit_bytes)
  }

  /** Bytes as the upstream sent them. */
  received(bytes: Buffer): void {
    this.bytesIn += bytes.length
    if (this.#received) this.#keep(this.#received, this.#parts.redact.push(bytes))
  }

  /** Bytes as the client gets them. */
  delivered(bytes: Buffer): void {
    this.bytesOut += bytes.length
    if (this.#delivered) this.#keep(this.#delivered, bytes)
  }

  #keep(body: RecordedBody, bytes: Uint8Array): void {
    if (this.#closed) return
    body.push(bytes, this.#parts.now())
    if (body.held() >= CHUNK_BYTES) this.#flush(body)
    else if (body.held() > 0) this.#timer ??= setTimeout(() => this.#flushAll(), CHUNK_MS).unref()
  }

  #flushAll(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const body of [this.#received, this.#delivered]) if (body) this.#flush(body)
  }

  #flush(body: RecordedBody): void {
    const { permit } = this.#parts
    if (body.held() === 0) return
    // The outcome is still taken, and says so; nothing of it passes unseen.
    if (!permit.accepting()) return body.stop()
    const chunk = body.take()
    const bytes = chunk?.body?.length ?? 0
    if (!chunk) return
    this.#inFlight += bytes
    this.#last = permit.chunk(chunk).then(
      () => {
        this.#inFlight -= bytes
      },
      (error: unknown) => {
        this.#inFlight -= bytes
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      },
    )
  }

  /** What waits to be a chunk when there is nothing more to come. */
  #rest(): NonNullable<Outcome['rest']> {
    return [this.#received, this.#delivered].flatMap((recorded) => {
      // As of a chunk: past its bound the journal takes how it ended, and no more of a body.
      if (recorded && !this.#parts.permit.accepting() && recorded.held() > 0) recorded.stop()
      const chunk = recorded?.take()
      if (!chunk?.body) return []
      const { direction, offset, pieces, body } = chunk
      return [{ direction, offset, pieces, body }]
    })
  }

  /** When too much is on its way to the disk: resolves once it is not. Wait for it before more is taken from the upstream. */
  room(): Promise<void> | undefined {
    return this.#inFlight > MAX_IN_FLIGHT ? this.#last : undefined
  }

  /**
   * Records the rest and the outcome; await it before the client sees the end. The first call counts.
   * @throws {PepError} when any of it is not on record.
   */
  close(ending: Ending): Promise<void> {
    return (this.#closed ??= this.#close(ending))
  }

  async #close(ending: Ending): Promise<void> {
    const { permit, redact, now } = this.#parts
    this.#received?.push(redact.end(), now())
    clearTimeout(this.#timer)
    this.#timer = undefined
    const rest = this.#rest()
    const truncated = [
      { direction: 'received' as const, limit_bytes: this.#received?.cut() },
      { direction: 'delivered' as const, limit_bytes: this.#delivered?.cut() },
    ].flatMap(({ direction, limit_bytes }) =>
      limit_bytes === undefined ? [] : [{ direction, limit_bytes }],
    )
    // Fail closed: an answer that is not on record as policy wants it does not end well for its client either.
    const failed = this.#failure && {
      result: 'cut' as const,
      reason: 'a part of the answer could not be recorded',
    }
    await permit.close({
      ...ending,
      ...failed,
      bytes_in: this.bytesIn,
      bytes_out: this.bytesOut,
      ...(rest.length > 0 && { rest }),
      ...(truncated.length > 0 && { truncated }),
    })
    await this.#last
    if (this.#failure) throw this.#failure
  }
}
