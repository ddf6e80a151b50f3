import { open, unlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PdpClient, PdpError } from '../../pdp/contract/client.ts'
import type { RecordBatch, RecordFrame } from '../../pdp/contract/record.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Log } from '../core/services.ts'
import type { Cursor } from './cursor.ts'
import type { Backlog, Epoch, Segment } from './epoch.ts'
import { unshipped } from './epoch.ts'
import type { Piece } from './frame.ts'
import type { KeyFiles } from './keys.ts'
import { readWindow, syncFolder } from './segment.ts'

export type ShipperOptions = {
  /** How long frames gather before they are sent when nothing is under way, milliseconds. */
  readonly linger_ms?: number
  /** Longest wait for one acknowledgement, milliseconds, besides what its bytes take on a slow link. */
  readonly deadline_ms?: number
  /** First wait after an error, milliseconds; doubles up to `max_retry_ms`, half of it random. */
  readonly retry_ms?: number
  readonly max_retry_ms?: number
}

export type Shipper = {
  /** Says that there is something new. Cheap. */
  readonly wake: () => void
  /** Why an epoch is not shipped at the moment; `undefined` when it is. */
  readonly stuck: (epoch: string) => string | undefined
  /** Waits until everything that can be shipped is. @returns false when `signal` or `close` ended the wait. */
  readonly drained: (signal: AbortSignal) => Promise<boolean>
  /** Ends after the acknowledgement it waits for, or gives that up. */
  readonly close: () => Promise<void>
}

type ShipperParts = {
  readonly folder: string
  /** Shared with the journal; shipped epochs are taken out. */
  readonly epochs: Epoch[]
  readonly backlog: Backlog
  readonly cursor: Cursor
  readonly keys: Pick<KeyFiles, 'oldest' | 'remove'>
  readonly pdp: PdpClient
  readonly log: Log
  readonly alarm: (
    kind: `journal.${'conflict' | 'refused' | 'damaged'}`,
    detail: Record<string, unknown>,
  ) => void
  readonly shipped: (frames: number) => void
}

/** A frame brings at most one key, so with the oldest keys first none comes later than its frame. */
const MAX_FRAMES = 1000
const MAX_KEYS = 1000

/**
 * How fast a link is at least, bytes a millisecond (2 Mbit/s). A frame may hold bodies of many megabytes, and one that
 * takes longer than every wait for it would never go out, nor anything behind it.
 */
const LINK_BYTES_PER_MS = 256

/** What keeps an epoch from being shipped. */
type Trouble = { readonly why: string; readonly failures: number; readonly retry_at: number }

/**
 * Ships frames to the PDP in the background: in order within an epoch, from disk, one batch at a time. The cursor
 * moves only after an acknowledgement, so a crash at any point sends frames again and loses none; the PDP takes
 * each once. An epoch in trouble does not hold up the others.
 */
export function createShipper(parts: ShipperParts, options: ShipperOptions = {}): Shipper {
  const { folder, epochs, backlog, cursor, keys, pdp, log, alarm } = parts
  const { linger_ms = 20, deadline_ms = 30_000, retry_ms = 200, max_retry_ms = 30_000 } = options
  const troubles = new Map<string, Trouble>()
  const ending = new AbortController()
  let news = Promise.withResolvers<void>()
  let rest = Promise.withResolvers<void>()

  const stopped = (epoch: Epoch): boolean => troubles.get(epoch.id)?.retry_at === Infinity
  const waiting = (epoch: Epoch): boolean => !stopped(epoch) && unshipped(epoch) > 0

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      const now = performance.now()
      const ready = epochs.find(
        (epoch) => waiting(epoch) && (troubles.get(epoch.id)?.retry_at ?? 0) <= now,
      )
      if (ready) await shipFrom(ready)
      else await pause(now)
    }
  }

  /** Sleeps until there is news or an epoch may be tried again. */
  async function pause(now: number): Promise<void> {
    for (const epoch of epochs.filter((e) => !e.live && unshipped(e) === 0)) await tidy(epoch)
    if (!epochs.some(waiting)) {
      rest.resolve()
      rest = Promise.withResolvers<void>()
    }
    const retry_at = Math.min(
      ...epochs.filter(waiting).map((e) => troubles.get(e.id)?.retry_at ?? 0),
    )
    const timer = new AbortController()
    const waits = [news.promise]
    if (retry_at < Infinity) waits.push(nap(retry_at - now, timer.signal))
    await Promise.race(waits)
    timer.abort()
    news = Promise.withResolvers<void>()
    // Frames that come close together go out together.
    await nap(linger_ms, ending.signal)
  }

  async function shipFrom(epoch: Epoch): Promise<void> {
    const segment = epoch.segments.find(({ shipped, end }) => shipped < end)
    if (!segment) return
    let answer: Result<void, PdpError>
    try {
      answer = await shipBatch(epoch, segment)
    } catch (error) {
      // A file that cannot be read, or a client that throws: nothing is marked as shipped.
      answer = err({ code: 'PDP_UNAVAILABLE', message: String(error) })
    }
    if (answer.ok) troubles.delete(epoch.id)
    else if (!ending.signal.aborted) trouble(epoch, answer.error)
  }

  async function shipBatch(epoch: Epoch, segment: Segment): Promise<Result<void, PdpError>> {
    // After an error payloads are checked too: what was damaged on disk would be refused for ever.
    const verify = troubles.has(epoch.id)
    const pieces = await read(epoch, segment, { verify, max_frames: MAX_FRAMES })
    const first = pieces[0]
    if (first?.kind === 'gap') {
      alarm('journal.damaged', { epoch: epoch.id, path: segment.path, ...first })
      return advance(epoch, segment, first.end)
    }
    const run = unbroken(pieces)
    const frames = run.map((piece) => piece.frame)
    const oldest = await keys.oldest(MAX_KEYS)
    const batch: RecordBatch = { pep: epoch.pep, epoch: epoch.id, frames, keys: [...oldest] }
    const bytes = frames.reduce((sum, { payload }) => sum + payload.length, 0)
    const answer = await pdp.append(batch, {
      signal: ending.signal,
      deadline_ms: deadline_ms + Math.ceil(bytes / LINK_BYTES_PER_MS),
    })
    if (!answer.ok) return answer
    const acknowledged = run.findLast(({ frame }) => frame.seq <= answer.value.seq)
    if (!acknowledged) {
      const message = `acknowledged up to ${answer.value.seq} when sent from ${frames[0]?.seq}`
      return err({ code: 'PDP_REFUSED', message })
    }
    await removeKeys(oldest)
    cursor.next.set(epoch.id, acknowledged.frame.seq + 1)
    parts.shipped(run.indexOf(acknowledged) + 1)
    return advance(epoch, segment, acknowledged.end)
  }

  /** From now on only the PDP has them. */
  async function removeKeys(acknowledged: Awaited<ReturnType<KeyFiles['oldest']>>): Promise<void> {
    try {
      await keys.remove(acknowledged)
    } catch (error) {
      // What stays is sent again after the next start; the PDP knows which keys it has erased.
      log('warn', 'journal.keys_not_removed', { error: String(error) })
    }
  }

  /** Marks as shipped, then removes what nobody needs any more. */
  async function advance(
    epoch: Epoch,
    segment: Segment,
    to: number,
  ): Promise<Result<void, PdpError>> {
    backlog.add(segment.shipped - to)
    segment.shipped = to
    try {
      await cursor.save()
    } catch (error) {
      // On a full disk only removing makes room again. Not saved costs a second, deduplicated, shipping.
      log('warn', 'journal.cursor_not_saved', { error: String(error) })
    }
    await tidy(epoch)
    return ok(undefined)
  }

  /** Removes shipped segments; all of a dead epoch, all but the last of the live one. */
  async function tidy(epoch: Epoch): Promise<void> {
    try {
      for (;;) {
        const [oldest, ...later] = epoch.segments
        if (!oldest || oldest.shipped < oldest.end || (epoch.live && later.length === 0)) break
        await unlink(oldest.path)
        epoch.segments.shift()
      }
      if (epoch.live || epoch.segments.length > 0) return
      // The names must be gone before the cursor forgets them, or they would be shipped again.
      await syncFolder(folder)
      epochs.splice(epochs.indexOf(epoch), 1)
      troubles.delete(epoch.id)
      if (cursor.next.delete(epoch.id)) await cursor.save()
    } catch (error) {
      log('warn', 'journal.not_removed', { epoch: epoch.id, error: String(error) })
    }
  }

  function trouble(epoch: Epoch, { code, message }: PdpError): void {
    const before = troubles.get(epoch.id)
    const failures = (before?.failures ?? 0) + 1
    const longest = Math.min(retry_ms * 2 ** (failures - 1), max_retry_ms)
    // Someone changed the record here or there. It is kept as it is, for a person to look at.
    const conflict = code === 'PDP_RECORD_CONFLICT'
    const wait = conflict ? Infinity : longest / 2 + (Math.random() * longest) / 2
    const why = `${code}: ${message}`
    troubles.set(epoch.id, { why, failures, retry_at: performance.now() + wait })
    const detail = { epoch: epoch.id, why, failures }
    if (conflict) alarm('journal.conflict', detail)
    else if (before?.why === why) return
    else if (code === 'PDP_UNAVAILABLE') log('warn', 'journal.not_shipped', detail)
    else alarm('journal.refused', detail)
  }

  const running = run().catch((error: unknown) => {
    log('error', 'journal.shipper_ended', { error: String(error) })
  })
  return {
    wake: () => news.resolve(),
    stuck: (epoch) => troubles.get(epoch)?.why,
    async drained(signal) {
      while (epochs.some(waiting)) {
        if (signal.aborted || ending.signal.aborted) return false
        const aborted = Promise.withResolvers<void>()
        const abort = () => aborted.resolve()
        signal.addEventListener('abort', abort, { once: true })
        await Promise.race([rest.promise, aborted.promise])
        signal.removeEventListener('abort', abort)
      }
      return true
    },
    async close() {
      ending.abort()
      news.resolve()
      await running
      rest.resolve()
    },
  }
}

async function read(
  epoch: Epoch,
  segment: Segment,
  options: { verify: boolean; max_frames: number },
): Promise<readonly Piece[]> {
  const handle = await open(segment.path, 'r')
  try {
    const { shipped, end } = segment
    return (await readWindow(handle, epoch.marker, shipped, end, options)).pieces
  } finally {
    await handle.close()
  }
}

type FramePiece = Piece & { readonly kind: 'frame' }

/** The frames at the front that follow each other without a gap. */
function unbroken(pieces: readonly Piece[]): FramePiece[] {
  const run: FramePiece[] = []
  let last: RecordFrame | undefined
  for (const piece of pieces) {
    if (piece.kind === 'gap' || (last && piece.frame.seq !== last.seq + 1)) break
    run.push(piece)
    last = piece.frame
  }
  return run
}

/** Ends early, without an error, when the signal does. */
function nap(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(Math.max(0, ms), undefined, { signal, ref: false }).catch(() => undefined)
}
