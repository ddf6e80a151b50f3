/** Who can be told to wait: undici's controller. */
type Flow = { pause(): void; resume(): void; abort(reason: Error): void }

/** Chunks that wait to be read before the upstream is told to pause, bytes. */
const HIGH_WATER = 256 * 1024

/**
 * The body of an answer, read by one `for await`. Leaving the loop early stops the upstream. A queue rather than a
 * stream: on the hot path it costs one promise, or none when all has arrived.
 */
export class ResponseBody implements AsyncIterable<Buffer> {
  flow: Flow | undefined
  readonly #queue: Buffer[] = []
  #queued = 0
  #paused = false
  #done = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  /** Whether the upstream has sent all of it. */
  get complete(): boolean {
    return this.#done && this.#error === undefined
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk)
    this.#queued += chunk.length
    if (this.#queued >= HIGH_WATER && !this.#paused) {
      this.#paused = true
      this.flow?.pause()
    }
    this.#awake()
  }

  finish(): void {
    this.#done = true
    this.#awake()
  }

  fail(error: Error): void {
    this.#done = true
    this.#error = error
    this.#awake()
  }

  #awake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    try {
      for (;;) {
        const chunk = this.#queue.shift()
        if (chunk) {
          this.#queued -= chunk.length
          if (this.#paused && this.#queued < HIGH_WATER / 2) {
            this.#paused = false
            this.flow?.resume()
          }
          yield chunk
        } else if (this.#error) throw this.#error
        else if (this.#done) return
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      }
    } finally {
      if (!this.#done) this.flow?.abort(new Error('no longer wanted'))
    }
  }
}
