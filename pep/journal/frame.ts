import { createHash, hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Packr, RESERVE_START_SPACE, Unpackr } from 'msgpackr'
import {
  MAX_PAYLOAD_BYTES,
  type RecordFrame,
  type SealedRecord,
} from '../../pdp/contract/record.ts'

/**
 * A frame on disk. Integers are big-endian.
 *
 *      0  8  marker, the same for a whole epoch
 *      8  4  CRC-32 of bytes 12 to 88, so that a length is believed only when the header is whole
 *     12  4  length of the payload, bytes
 *     16  8  seq
 *     24 32  digest = SHA-256(prev ‖ payload), which covers every payload bit
 *     56 32  prev = digest of the frame before; zeros for the first of an epoch
 *     88     payload: msgpack of a `SealedRecord`, self-contained
 *
 * `prev` stands right before the payload, so one hash over adjacent bytes seals a frame without a copy.
 */
export const FRAME_HEADER_BYTES = 88
const CRC = 8
const LENGTH = 12
const SEQ = 16
const DIGEST = 24
const PREV = 56

/** `prev` of the first frame of an epoch. */
export const GENESIS: Uint8Array = new Uint8Array(32)

// No shared structures: a payload must be readable alone, years later.
const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

/**
 * What starts each frame of an epoch. It follows from the random part of the epoch's name, so an agent that
 * plants something like a frame in a body cannot have it found when a reader looks for the next frame behind damage.
 */
export function frameMarker(epoch: string): Buffer {
  return createHash('sha256').update(`countersign journal ${epoch}`).digest().subarray(0, 8)
}

/** The chain's state: what the next frame continues. */
export type Link = { readonly seq: number; readonly prev: Uint8Array }

/**
 * @returns the sealed frame and its digest; both are views of memory that is not reused.
 * @throws {RangeError} when the payload is too large, or whatever msgpackr throws for what it cannot encode.
 */
export function encodeFrame(
  record: SealedRecord,
  marker: Uint8Array,
  link: Link,
): { readonly frame: Buffer; readonly digest: Buffer } {
  const frame = packr.pack(record, RESERVE_START_SPACE | FRAME_HEADER_BYTES)
  const length = frame.length - FRAME_HEADER_BYTES
  if (length > MAX_PAYLOAD_BYTES) throw new RangeError(`a record of ${length} bytes is too large`)
  frame.set(link.prev, PREV)
  const digest = hash('sha256', frame.subarray(PREV), 'buffer')
  frame.set(marker, 0)
  frame.writeUInt32BE(length, LENGTH)
  frame.writeUInt32BE(Math.floor(link.seq / 2 ** 32), SEQ)
  frame.writeUInt32BE(link.seq >>> 0, SEQ + 4)
  frame.set(digest, DIGEST)
  frame.writeUInt32BE(crc32(frame.subarray(LENGTH, FRAME_HEADER_BYTES)), CRC)
  return { frame, digest }
}

/** @throws {Error} when the payload is not msgpack. What it holds is not checked. */
export function decodePayload(payload: Uint8Array): unknown {
  return unpackr.unpack(payload)
}

/** Length of the payload when a whole, undamaged header starts at `at`. */
function payloadLength(bytes: Buffer, at: number, marker: Buffer): number | undefined {
  if (bytes.compare(marker, 0, marker.length, at, at + marker.length) !== 0) return undefined
  const sealed = bytes.subarray(at + LENGTH, at + FRAME_HEADER_BYTES)
  if (crc32(sealed) !== bytes.readUInt32BE(at + CRC)) return undefined
  const length = bytes.readUInt32BE(at + LENGTH)
  return length <= MAX_PAYLOAD_BYTES ? length : undefined
}

function digestMatches(bytes: Buffer, at: number, end: number): boolean {
  const digest = hash('sha256', bytes.subarray(at + PREV, end), 'buffer')
  return bytes.compare(digest, 0, digest.length, at + DIGEST, at + PREV) === 0
}

function frameAt(bytes: Buffer, at: number, end: number): RecordFrame {
  return {
    seq: bytes.readUInt32BE(at + SEQ) * 2 ** 32 + bytes.readUInt32BE(at + SEQ + 4),
    prev: bytes.subarray(at + PREV, at + FRAME_HEADER_BYTES),
    digest: bytes.subarray(at + DIGEST, at + PREV),
    payload: bytes.subarray(at + FRAME_HEADER_BYTES, end),
  }
}

/** A whole frame, or bytes that are none. Offsets count from the start of the file, `end` is exclusive. */
export type Piece = { readonly offset: number; readonly end: number } & (
  | { readonly kind: 'frame'; readonly frame: RecordFrame }
  | { readonly kind: 'gap' }
)

export type Parsed = {
  readonly pieces: readonly Piece[]
  /** Offset in the file where reading goes on. */
  readonly next: number
  /** How many bytes from `next` on are needed to go on; 0 when nothing is missing. */
  readonly need: number
}

/**
 * Cuts a part of a segment file into frames and gaps.
 * @param bytes the part, which starts at offset `base` of a file that counts up to `until`.
 * @param verify hash each payload too; without it only headers are checked.
 */
export function parseFrames(
  bytes: Buffer,
  base: number,
  until: number,
  marker: Buffer,
  { verify, max_frames }: { verify: boolean; max_frames: number },
): Parsed {
  const pieces: Piece[] = []
  const complete = base + bytes.length >= until
  let at = 0
  while (at < bytes.length && pieces.length < max_frames) {
    const short = at + FRAME_HEADER_BYTES > bytes.length
    if (short && !complete) return { pieces, next: base + at, need: FRAME_HEADER_BYTES }
    const length = short ? undefined : payloadLength(bytes, at, marker)
    if (length !== undefined) {
      const end = at + FRAME_HEADER_BYTES + length
      if (end > bytes.length && base + end <= until)
        return { pieces, next: base + at, need: end - at }
      if (end <= bytes.length && (!verify || digestMatches(bytes, at, end))) {
        const frame = frameAt(bytes, at, end)
        pieces.push({ kind: 'frame', offset: base + at, end: base + end, frame })
        at = end
        continue
      }
    }
    const resumed = nextHeader(bytes, at + 1, marker, complete)
    pieces.push({ kind: 'gap', offset: base + at, end: base + resumed })
    at = resumed
  }
  return { pieces, next: base + at, need: 0 }
}

/** Where the next header stands or may stand; the end when there is none. */
function nextHeader(bytes: Buffer, from: number, marker: Buffer, complete: boolean): number {
  for (let at = bytes.indexOf(marker, from); at >= 0; at = bytes.indexOf(marker, at + 1)) {
    const short = at + FRAME_HEADER_BYTES > bytes.length
    if (short ? !complete : payloadLength(bytes, at, marker) !== undefined) return at
  }
  // The start of a marker may be all that is left of an unfinished part.
  return complete ? bytes.length : Math.max(from, bytes.length - marker.length + 1)
}
