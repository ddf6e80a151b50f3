import { fdatasync, writev } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { JournalRecord, WrappedKey } from '../../pdp/contract/record.ts'
import type { Sealer } from '../../sealing/sealer.ts'
import { PepError } from '../core/errors.ts'
import type { Epoch, OpenOperations, Segment } from './epoch.ts'
import { encodeFrame, frameMarker, GENESIS, type Link } from './frame.ts'
import { createGroupCommit } from './group.ts'
import type { KeyFiles } from './keys.ts'
import { createSegment } from './segment.ts'

/** Most buffers for one `writev` (IOV_MAX on Linux). */
const MAX_BUFFERS = 1024

type Entry = {
  readonly frame: Buffer
  readonly link: Link
  readonly record: JournalRecord
  /** New with this record. */
  readonly key: WrappedKey | undefined
}

export type Committed = {
  readonly records: readonly JournalRecord[]
  readonly bytes: number
  /** Time of write and sync, milliseconds. */
  readonly took_ms: number
}

export type ChainParts = {
  readonly folder: string
  readonly pep: string
  readonly id: string
  /** A segment at least this long is followed by a new one, bytes. */
  readonly segment_bytes: number
  /** Operations that are open now: what a new segment's header says. */
  readonly open: OpenOperations
  readonly seal: Sealer
  readonly keys: Pick<KeyFiles, 'save'>
  /** Called when a group is durable, before its appends resolve. */
  readonly committed: (group: Committed) => void
  /**
   * Called once, when a group could not be made durable. `cut` tells whether its bytes are gone from the disk; if not,
   * some of its frames may be found there later although their appends were refused.
   */
  readonly failed: (error: unknown, records: readonly JournalRecord[], cut: boolean) => void
  /** Called for each group that came too late after a failure; nothing of it reached the disk. */
  readonly refused: (records: readonly JournalRecord[]) => void
}

/** The writing end of one epoch. */
export type Chain = {
  readonly epoch: Epoch
  /** Resolves when the record is durable. @throws {PepError} PEP_JOURNAL when it is not, and ever after. */
  readonly append: (record: JournalRecord) => Promise<void>
  /** Commits what waits, then takes no more. */
  readonly close: () => Promise<void>
}

/** Begins an epoch with its first segment on disk. @throws whatever the file system says. */
export async function startChain(parts: ChainParts): Promise<Chain> {
  const { folder, pep, id, seal } = parts
  const epoch: Epoch = { id, pep, marker: frameMarker(id), segments: [], live: true }
  let link: Link = { seq: 0, prev: GENESIS }
  let stopped: unknown
  let handle: FileHandle
  let segment: Segment
  // Whatever the epoch before sealed last may be lost with it.
  seal.forget()
  await begin(1, link)

  /** Begins segment `number`, which starts with the frame that `first` says. */
  async function begin(number: number, first: Link): Promise<void> {
    const header = {
      pep,
      epoch: id,
      number,
      first_seq: first.seq,
      prev: first.prev,
      open: [...parts.open.values()],
    }
    const created = await createSegment(folder, header)
    handle = created.handle
    segment = { path: created.path, number, shipped: created.start, end: created.start }
    epoch.segments.push(segment)
  }

  const group = createGroupCommit<Entry>(async (entries) => {
    if (stopped) {
      parts.refused(entries.map((entry) => entry.record))
      throw refusal(stopped)
    }
    try {
      const first = entries[0]
      if (first && segment.end >= parts.segment_bytes) {
        const before = handle
        await begin(segment.number + 1, first.link)
        await before.close()
      }
      const started = performance.now()
      const keys = entries.flatMap(({ key }) => (key ? [key] : []))
      if (keys.length > 0) await parts.keys.save(keys)
      const bytes = await writeAll(handle.fd, entries)
      await dataSync(handle.fd)
      segment.end += bytes
      const records = entries.map((entry) => entry.record)
      parts.committed({ records, bytes, took_ms: performance.now() - started })
    } catch (error) {
      // Fail closed: after a failed write or sync nobody knows what is on disk, so this epoch takes nothing more.
      stopped = error
      epoch.live = false
      const cut = await cutBack(handle, segment.end)
      parts.failed(
        error,
        entries.map((entry) => entry.record),
        cut,
      )
      throw refusal(error)
    }
  })

  async function append(record: JournalRecord): Promise<void> {
    if (stopped) throw refusal(stopped)
    let framed: ReturnType<typeof encodeFrame>
    let key: WrappedKey | undefined
    try {
      const sealed = seal.seal(record)
      framed = encodeFrame(sealed.record, epoch.marker, link)
      ;({ key } = sealed)
    } catch (cause) {
      seal.forget()
      throw new PepError('PEP_JOURNAL', `a record cannot be encoded: ${String(cause)}`, { cause })
    }
    const entry = { frame: framed.frame, link, record, key }
    link = { seq: link.seq + 1, prev: framed.digest }
    return group.push(entry)
  }

  async function close(): Promise<void> {
    await group.idle()
    if (!stopped) await handle.close()
    stopped ??= 'closed'
    epoch.live = false
  }
  return { epoch, append, close }
}

function refusal(cause: unknown): PepError {
  return new PepError('PEP_JOURNAL', `the journal takes no records: ${String(cause)}`, { cause })
}

/** Takes a failed group's bytes off the disk again, as well as that can be done. */
async function cutBack(handle: FileHandle, end: number): Promise<boolean> {
  try {
    await handle.truncate(end)
    await handle.sync()
    return true
  } catch {
    return false
  } finally {
    await handle.close().catch(() => undefined)
  }
}

async function writeAll(fd: number, entries: readonly Entry[]): Promise<number> {
  let total = 0
  for (let at = 0; at < entries.length; at += MAX_BUFFERS) {
    let buffers = entries.slice(at, at + MAX_BUFFERS).map((entry) => entry.frame)
    while (buffers.length > 0) {
      const written = await writeSome(fd, buffers)
      if (written === 0) throw new Error('the file takes no bytes')
      total += written
      buffers = after(buffers, written)
    }
  }
  return total
}

/** What is left to write when only `written` bytes were taken. */
function after(buffers: readonly Buffer[], written: number): Buffer[] {
  let skip = written
  for (const [index, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(index + 1)]
    skip -= buffer.length
  }
  return []
}

// The callback forms: on this path a promise API's own promises and handles are what costs.
function writeSome(fd: number, buffers: readonly Buffer[]): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, null, (error, written) => (error ? reject(error) : resolve(written)))
  })
}

function dataSync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error ? reject(error) : resolve()))
  })
}
