import { PepMaskError } from './errors.ts'

/** One event, or what stands between two, with the bytes it came as. */
export type SseFrame = {
  /** All bytes of the frame, its closing blank line included: forward these when nothing changed. */
  readonly raw: Buffer
  /** `event:` field. */
  readonly event: string | undefined
  /** `data:` lines joined by a newline; `undefined` when there was none, and so no event. */
  readonly data: string | undefined
  readonly id: string | undefined
  readonly retry: string | undefined
  /** Texts of comment lines. */
  readonly comments: readonly string[]
  /** Field names that the standard does not define; a reader ignores them. */
  readonly unknown: readonly string[]
}

const LF = 10
const CR = 13

/**
 * Splits an event stream (WHATWG HTML §9.2.6) into frames: CR, LF and CRLF, comments, fields over several lines, a
 * byte-order mark. Frames come out with the byte that ends them; a LF that follows a frame ended by CR belongs to
 * the next frame's `raw`.
 */
export class SseDecoder {
  readonly #maxFrameBytes: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** Bytes of the frame that is not complete: the first `#length` of the buffer, which grows by doubling. */
  #buffer: Buffer = Buffer.alloc(0)
  #length = 0
  /** Where to go on looking, and where the line that is read begins. */
  #scanned = 0
  #line = 0
  /** Whether the last byte of the frame before was a CR. */
  #afterCr = false
  #first = true
  #failed: PepMaskError | undefined

  /** @param maxFrameBytes a longer frame ends the stream with an error. */
  constructor(maxFrameBytes = 1024 * 1024) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /**
   * @returns the frames that these bytes completed.
   * @throws {PepMaskError} PEP_MASK_OVERFLOW or PEP_MASK_BAD_UTF8; terminal, cut the stream.
   */
  feed(bytes: Uint8Array): SseFrame[] {
    if (this.#failed !== undefined) throw this.#failed
    const goesOn = this.#length > 0
    const buffer = this.#append(bytes)
    const frames: SseFrame[] = []
    let start = 0
    let p = this.#scanned
    let line = this.#line
    for (; p < buffer.length; p++) {
      const c = buffer[p]
      if (c !== LF && c !== CR) continue
      // The second half of a CRLF, which may have come after its frame was given out.
      const half = c === LF && (p === 0 ? this.#afterCr : buffer[p - 1] === CR)
      const blank = p === line && !half
      line = p + 1
      if (!blank) continue
      let end = p + 1
      if (c === CR && buffer[end] === LF) end++
      this.#check(end - start)
      frames.push(this.#frame(buffer.subarray(start, end)))
      this.#afterCr = buffer[end - 1] === CR
      start = end
      line = end
      p = end - 1
    }
    this.#check(buffer.length - start)
    // Frames that were given out are parts of it: it is not written over.
    if (!goesOn || start > 0) this.#buffer = Buffer.from(buffer.subarray(start))
    this.#length = buffer.length - start
    this.#scanned = this.#length
    this.#line = line - start
    return frames
  }

  /** @returns what is there with these bytes behind it; frames may be cut from it. */
  #append(bytes: Uint8Array): Buffer {
    if (this.#length === 0) return Buffer.from(bytes)
    const length = this.#length + bytes.length
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(2 * length)
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    this.#buffer.set(bytes, this.#length)
    return this.#buffer.subarray(0, length)
  }

  /**
   * The end of the stream.
   * @returns bytes of a frame that was never completed. No reader dispatches it and nobody has inspected it: do not
   * forward it.
   */
  end(): Buffer {
    const rest = this.#buffer.subarray(0, this.#length)
    this.#buffer = Buffer.alloc(0)
    this.#length = 0
    this.#scanned = this.#line = 0
    return rest
  }

  #check(length: number): void {
    if (length > this.#maxFrameBytes) {
      this.#fail('PEP_MASK_OVERFLOW', `an event is longer than ${this.#maxFrameBytes} bytes`)
    }
  }

  #fail(code: 'PEP_MASK_OVERFLOW' | 'PEP_MASK_BAD_UTF8', message: string, cause?: unknown): never {
    this.#failed = new PepMaskError(code, message, { cause })
    throw this.#failed
  }

  #frame(raw: Buffer): SseFrame {
    let text: string
    try {
      text = this.#decoder.decode(raw)
    } catch (error) {
      this.#fail('PEP_MASK_BAD_UTF8', 'an event is not UTF-8', error)
    }
    if (this.#first && text.startsWith('\uFEFF')) text = text.slice(1)
    this.#first = false
    const fields: Record<string, string> = {}
    const data: string[] = []
    const comments: string[] = []
    const unknown: string[] = []
    for (const line of text.split(/\r\n|\n|\r/)) {
      if (line === '') continue
      const colon = line.indexOf(':')
      const name = colon === -1 ? line : line.slice(0, colon)
      const value =
        colon === -1 ? '' : line.slice(line.charAt(colon + 1) === ' ' ? colon + 2 : colon + 1)
      if (name === '') comments.push(value)
      else if (name === 'data') data.push(value)
      else if (name === 'event' || name === 'id' || name === 'retry') fields[name] = value
      else unknown.push(name)
    }
    return {
      raw,
      event: fields['event'],
      data: data.length === 0 ? undefined : data.join('\n'),
      id: fields['id'],
      retry: fields['retry'],
      comments,
      unknown,
    }
  }
}

/** A frame of our own. `data` of several lines becomes several fields. */
export function encodeSse(event: string | undefined, data: string): Buffer {
  const name = event === undefined ? '' : `event: ${event}\n`
  const lines = data.split(/\r\n|\n|\r/).map((line) => `data: ${line}\n`)
  return Buffer.from(`${name}${lines.join('')}\n`, 'utf8')
}
