import { encodeFrame, type Frame, type Framing, plainFraming } from './frames.ts'

/** What the stand-in upstream writes for one request, byte by byte, and in which pieces. */
export type Script = {
  readonly bytes: Buffer
  /** Ends of its writes, in order; the last one is the end of `bytes`. */
  readonly writes: readonly number[]
  /** Time between two writes, ms; 0: a turn of the event loop. */
  readonly pause_ms: number
  /** Where the first delta that says something ends; absent: there is none. */
  readonly firstDelta?: number
}

/** Where writes end. Of two writes a few ms apart a reader sees the first before the second. */
export type Writes =
  | { readonly each: 'frame' | 'byte' }
  | { readonly each: 'reply' }
  /** Two writes: cut behind the `at`-th byte of the first place where `find` stands. */
  | { readonly each: 'half'; readonly find: string | Buffer; readonly at: number }

const APART_MS = 3

export function scriptOf(
  frames: readonly Frame[],
  writes: Writes = { each: 'frame' },
  framing: Framing = plainFraming,
): Script {
  const encoded = frames.map((frame) => encodeFrame(frame, framing))
  const bytes = Buffer.concat(encoded)
  const ends: number[] = []
  let end = 0
  for (const one of encoded) ends.push((end += one.length))
  const first = frames.findIndex(saysSomething)
  const firstDelta = ends[first]
  return {
    bytes,
    writes: endsOf(bytes, ends, writes),
    pause_ms: writes.each === 'half' ? APART_MS : 0,
    ...(firstDelta !== undefined && { firstDelta }),
  }
}

function endsOf(bytes: Buffer, frames: readonly number[], writes: Writes): readonly number[] {
  switch (writes.each) {
    case 'frame':
      return frames
    case 'byte':
      return Array.from(bytes, (_, at) => at + 1)
    case 'reply':
      return [bytes.length]
    case 'half': {
      const found = bytes.indexOf(writes.find)
      // A case whose cut is nowhere would test nothing.
      if (found === -1) throw new Error('the place of the cut is not in the reply')
      return [found + writes.at, bytes.length]
    }
    default:
      return writes satisfies never
  }
}

/** Whether a frame is a delta of a content block with text in it. */
function saysSomething(frame: Frame): boolean {
  if (!('type' in frame) || frame.type !== 'content_block_delta') return false
  const { delta } = frame.fields
  return textOfDelta(delta) !== ''
}

/** The text that a delta adds: of text, thinking or a tool's input. */
export function textOfDelta(delta: unknown): string {
  if (typeof delta !== 'object' || delta === null) return ''
  for (const field of ['text', 'thinking', 'partial_json']) {
    const value: unknown = Reflect.get(delta, field)
    if (typeof value === 'string') return value
  }
  return ''
}
