import type { Chunk } from './permit.ts'

/** One body as it streams, gathered into chunks. */
export type RecordedBody = {
  /** @param at_ms when it came, milliseconds since the epoch. The bytes must not change any more. */
  readonly push: (bytes: Uint8Array, at_ms: number) => void
  /** What has gathered since the last time; `undefined` when there is nothing. */
  readonly take: () => Chunk | undefined
  /** Bytes that wait to be taken. */
  readonly held: () => number
  /** Ends its record here: what is held and all that follows is left out. */
  readonly stop: () => void
  /** Where its record ends, when that is before its end, bytes. */
  readonly cut: () => number | undefined
}

/** @param limit_bytes most bytes that are recorded. */
export function recordBody(direction: Chunk['direction'], limit_bytes: number): RecordedBody {
  let pieces: [number, number][] = []
  let kept: Uint8Array[] = []
  let held = 0
  /** Bytes that were taken. */
  let offset = 0
  let truncated = false

  function push(bytes: Uint8Array, at_ms: number): void {
    const room = truncated ? 0 : limit_bytes - offset - held
    if (bytes.length > room) truncated = true
    const part = bytes.length > room ? bytes.subarray(0, room) : bytes
    if (part.length === 0) return
    kept.push(part)
    held += part.length
    const last = pieces.at(-1)
    if (last?.[0] === at_ms) last[1] += part.length
    else pieces.push([at_ms, part.length])
  }

  function take(): Chunk | undefined {
    const [first] = kept
    if (!first) return undefined
    const body = kept.length === 1 ? first : Buffer.concat(kept, held)
    const chunk = { direction, offset, pieces, body }
    offset += held
    pieces = []
    kept = []
    held = 0
    return chunk
  }

  return {
    push,
    take,
    held: () => held,
    stop() {
      truncated = true
      pieces = []
      kept = []
      held = 0
    },
    cut: () => (truncated ? offset + held : undefined),
  }
}
