import { open, type FileHandle } from 'node:fs/promises'
import type { RecordFrame } from '../../pdp/contract/record.ts'
import { frameMarker, type Link, type Piece } from './frame.ts'
import { readHeader, readWindow, type SegmentHeader, type SegmentName } from './segment.ts'

/**
 * What is wrong with a journal on disk.
 *
 * - `torn`: an unfinished end, as a crash leaves it. Nothing in it was ever acknowledged to a caller.
 * - `damaged`: bytes that are no frame with frames or segments behind them, or a header that cannot be read.
 * - `missing`: frames or segments that are gone.
 * - `broken_chain`: a frame that does not continue the one before.
 */
export type Finding = {
  readonly kind: 'torn' | 'damaged' | 'missing' | 'broken_chain'
  readonly epoch: string
  readonly segment: number
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly bytes: number
  readonly message: string
}

type SegmentStart = {
  readonly kind: 'segment'
  readonly name: SegmentName
  /** `undefined` when it cannot be read. */
  readonly header: SegmentHeader | undefined
  /** Offset of the first frame; 0 when the header cannot be read. */
  readonly start: number
  readonly size: number
}

export type Scanned =
  | SegmentStart
  | (Piece & { readonly kind: 'frame' })
  | { readonly kind: 'finding'; readonly finding: Finding }

/**
 * Reads one epoch from its first segment to its end and checks every bit of it. Damage is reported and passed over.
 * @param segments all of one epoch, in order.
 * @throws whatever the file system says.
 */
export async function* scanEpoch(segments: readonly SegmentName[]): AsyncGenerator<Scanned> {
  let link: Link | undefined
  for (const [index, name] of segments.entries()) {
    const before = segments[index - 1]
    const last = index === segments.length - 1
    const find = (
      kind: Finding['kind'],
      message: string,
      [offset, end] = [0, 0],
    ): Scanned & { kind: 'finding' } => ({
      kind: 'finding',
      finding: {
        kind,
        epoch: name.epoch,
        segment: name.number,
        offset,
        bytes: end - offset,
        message,
      },
    })

    const handle = await open(name.path, 'r')
    try {
      const { size } = await handle.stat()
      const read = await readHeader(handle)
      const start = read?.start ?? 0
      yield { kind: 'segment', name, header: read?.header, start, size }
      // The first ones are removed when they are shipped; from between two others nothing is.
      if (before && before.number + 1 !== name.number)
        yield find('missing', `segments between ${before.number} and ${name.number} are not there`)
      if (!before && read) link = { seq: read.header.first_seq, prev: read.header.prev }

      for await (const piece of pieces(handle, frameMarker(name.epoch), start, size)) {
        const place: [number, number] = [piece.offset, piece.end]
        if (piece.kind === 'gap') {
          const torn = last && piece.end === size
          const what = piece.offset === 0 ? 'the header cannot be read' : 'no whole frame'
          yield find(torn ? 'torn' : 'damaged', what, place)
          continue
        }
        const problem = link && checkLink(link, piece.frame)
        if (problem) yield find(problem.kind, problem.message, place)
        link = { seq: piece.frame.seq + 1, prev: piece.frame.digest }
        yield piece
      }
    } finally {
      await handle.close()
    }
  }
}

function checkLink(link: Link, { seq, prev }: RecordFrame) {
  if (seq > link.seq) {
    return { kind: 'missing' as const, message: `frames ${link.seq} to ${seq - 1} are not there` }
  }
  if (seq === link.seq && Buffer.compare(prev, link.prev) === 0) return undefined
  return {
    kind: 'broken_chain' as const,
    message: `frame ${seq} does not continue the frame before it`,
  }
}

/** All pieces from `start` to `size`, each gap whole. */
async function* pieces(
  handle: FileHandle,
  marker: Buffer,
  start: number,
  size: number,
): AsyncGenerator<Piece> {
  let gap: Piece | undefined
  for (let at = start; at < size;) {
    const options = { verify: true, max_frames: 10_000 }
    const window = await readWindow(handle, marker, at, size, options)
    for (const piece of window.pieces) {
      if (piece.kind === 'gap') {
        gap = { ...piece, offset: gap?.offset ?? piece.offset }
        continue
      }
      if (gap) yield gap
      gap = undefined
      yield piece
    }
    at = window.next
  }
  if (gap) yield gap
}
