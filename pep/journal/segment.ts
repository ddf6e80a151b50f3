import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { pack, unpack } from 'msgpackr'
import { z } from 'zod'
import { parseFrames, type Parsed } from './frame.ts'

/**
 * Segment files: `<epoch>-<number>.log`, a header and then frames. An epoch is one unbroken chain of frames;
 * its name sorts by time and holds 64 random bits.
 */

const EPOCH = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-[0-9a-f]{16}$/
const SEGMENT = /^(\d{8}T\d{9}Z-[0-9a-f]{16})-(\d{6,})\.log$/
const MAGIC = Buffer.from('CSJRNL\0\x02', 'latin1')
/** Magic, CRC-32 of what follows, length of the msgpack that follows. */
const PREAMBLE_BYTES = MAGIC.length + 8
const MAX_HEADER_BYTES = 64 * 1024 * 1024
/** How much is read of a segment at a time, and about how much is shipped at a time. */
export const WINDOW_BYTES = 1024 * 1024

const segmentHeader = z.strictObject({
  pep: z.string(),
  epoch: z.string(),
  number: z.int(),
  first_seq: z.int(),
  prev: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  /**
   * Operations with an intent and no outcome when the segment was begun. Replaces whatever earlier segments said,
   * so that those can be removed when they are shipped, however long an operation lasts.
   */
  open: z.array(
    z.strictObject({
      operation_id: z.string(),
      session_id: z.string(),
      connection: z.string(),
    }),
  ),
})
export type SegmentHeader = z.infer<typeof segmentHeader>

export type SegmentName = {
  readonly path: string
  readonly epoch: string
  readonly number: number
}

/** @returns a name that sorts after `last`, also when the clock went back. */
export function newEpochName(now_ms: number, last: string | undefined): string {
  const [, year, month, day, hour, minute, second, ms] = EPOCH.exec(last ?? '') ?? []
  const last_ms = year
    ? Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`)
    : 0
  const time = new Date(Math.max(now_ms, last_ms + 1)).toISOString().replaceAll(/[-:.]/g, '')
  return `${time}-${randomBytes(8).toString('hex')}`
}

/** Segments in the order they were written. */
export async function listSegments(folder: string): Promise<SegmentName[]> {
  const found: SegmentName[] = []
  for (const name of await readdir(folder)) {
    const [, epoch, number] = SEGMENT.exec(name) ?? []
    if (epoch && number) found.push({ path: join(folder, name), epoch, number: Number(number) })
  }
  return found.sort((a, b) =>
    a.epoch === b.epoch ? a.number - b.number : a.epoch < b.epoch ? -1 : 1,
  )
}

/** Makes the folder, for its owner alone. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const handle = await open(folder, 'r')
  try {
    await handle.chmod(0o700)
  } finally {
    await handle.close()
  }
}

/** Makes names made or removed in the folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates a segment, durable under its name. @throws whatever the file system says. */
export async function createSegment(
  folder: string,
  header: SegmentHeader,
): Promise<{ handle: FileHandle; path: string; start: number }> {
  const number = String(header.number).padStart(6, '0')
  const path = join(folder, `${header.epoch}-${number}.log`)
  const body = pack(header)
  const bytes = Buffer.alloc(PREAMBLE_BYTES + body.length)
  bytes.set(MAGIC)
  bytes.writeUInt32BE(crc32(body), MAGIC.length)
  bytes.writeUInt32BE(body.length, MAGIC.length + 4)
  bytes.set(body, PREAMBLE_BYTES)
  const handle = await open(path, 'ax', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.datasync()
    await syncFolder(folder)
  } catch (error) {
    await handle.close()
    throw error
  }
  return { handle, path, start: bytes.length }
}

/** @returns the header and where frames start; `undefined` when the header is damaged or cut. */
export async function readHeader(
  handle: FileHandle,
): Promise<{ header: SegmentHeader; start: number } | undefined> {
  const preamble = await readUpTo(handle, 0, PREAMBLE_BYTES)
  if (preamble.length < PREAMBLE_BYTES || !preamble.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined
  const length = preamble.readUInt32BE(MAGIC.length + 4)
  if (length > MAX_HEADER_BYTES) return undefined
  const body = await readUpTo(handle, PREAMBLE_BYTES, length)
  if (body.length < length || crc32(body) !== preamble.readUInt32BE(MAGIC.length)) return undefined
  const header = segmentHeader.safeParse(unpack(body))
  return header.success ? { header: header.data, start: PREAMBLE_BYTES + length } : undefined
}

/**
 * Reads the frames from `from` on: as many as fit a window, at least one.
 * @param until where the durable part ends; a file that ends before it has a gap up to there.
 */
export async function readWindow(
  handle: FileHandle,
  marker: Buffer,
  from: number,
  until: number,
  options: { verify: boolean; max_frames: number },
): Promise<Parsed> {
  for (let size = WINDOW_BYTES; ;) {
    const want = Math.min(size, until - from)
    const bytes = await readUpTo(handle, from, want)
    const cut = bytes.length < want
    const parsed = parseFrames(bytes, from, cut ? from + bytes.length : until, marker, options)
    if (cut && parsed.next === from + bytes.length) {
      const gap = { kind: 'gap' as const, offset: parsed.next, end: until }
      return { pieces: [...parsed.pieces, gap], next: until, need: 0 }
    }
    if (parsed.pieces.length > 0 || parsed.need <= bytes.length) return parsed
    size = parsed.need
  }
}

/** @returns fewer bytes only at the end of the file. The memory is the caller's: it is never reused. */
async function readUpTo(handle: FileHandle, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, from + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}
