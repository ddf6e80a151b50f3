import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../../server/log.ts'
import { type NotTaken, postSigned, type WebhookTarget } from '../../webhook/signed-post.ts'
import type { SinkMetrics } from './metrics.ts'

/** A leaf as the log holds it: its canonical JSON text, so that receivers can compute its hash. */
export type IndexedLeaf = { readonly index: number; readonly leaf: string }

/** What there is to tell of a sink that has failed for long. */
export type SinkFailure = {
  readonly sink: string
  /** Since when, milliseconds since the epoch. */
  readonly since_ms: number
  /** Of the last attempt; holds neither URL nor secret. */
  readonly problem: string
  /** First leaf that was not taken. */
  readonly next?: number
}

export type WebhookSinkOptions = WebhookTarget & {
  readonly name: string
  /** Which kinds of leaves are sent; `undefined`: all. */
  readonly kinds?: readonly string[] | undefined
  /** Most leaves of one delivery. */
  readonly batch: number
  readonly source: {
    /** Leaves in order from an index on, without gaps; fewer than `limit` only at the log's end. */
    readonly leaves: (from: number, limit: number) => Promise<readonly IndexedLeaf[]>
    readonly size: () => Promise<number>
  }
  readonly position: {
    /** Index of the next leaf to send; 0 for a sink that has sent none. */
    readonly read: () => Promise<number>
    readonly write: (next: number) => Promise<void>
  }
  /** Told once of each failure that lasts ten minutes; told again later when this rejects. */
  readonly onFailing: (failure: SinkFailure) => Promise<void>
  readonly log: Log
  readonly metrics: SinkMetrics
  /** First wait before anything is tried again, milliseconds; doubles up to a minute. */
  readonly retry_ms?: number
  /** Longest wait for one delivery, milliseconds. */
  readonly timeout_ms?: number
}

export type WebhookSink = {
  /** Says that the log may have grown; returns at once. */
  readonly wake: (size?: number) => void
  readonly status: () => SinkStatus
  /** Gives a running delivery up: after the next start it is made again. */
  readonly close: () => Promise<void>
}

export type SinkStatus = {
  /** Index of the next leaf to send, and how many wait; absent until both were read. */
  readonly next?: number
  readonly behind?: number
  /** The failure that lasts at this moment. */
  readonly failing?: { readonly since_ms: number; readonly problem: string }
}

const MAX_WAIT_MS = 60_000
const TELL_AFTER_MS = 10 * 60_000
/** RFC 9110 §15.5.14: the same leaves in smaller deliveries may pass. */
const CONTENT_TOO_LARGE = 413

/** Why something has to be tried again. */
class Failed extends Error {}

/**
 * Sends the log's leaves to a URL: in order, at least once, signed (see `postSigned`), one delivery at a time. A body is
 * `{ type: "evidence.leaves", sink, from, next, leaves: [{ index, leaf }] }`: every leaf of `from ≤ index < next` that
 * the sink's kinds let through. Receivers drop what they have by `index`, and find gaps by `from`.
 *
 * The log is the buffer. A receiver that hangs or refuses holds up nothing but its own sink, and loses nothing:
 * whatever fails (the receiver, the store) is tried again for ever.
 */
export function createWebhookSink(options: WebhookSinkOptions): WebhookSink {
  const { name, kinds, source, position, log, metrics } = options
  const wanted = kinds && new Set(kinds)
  const ending = new AbortController()
  let next: number | undefined
  let size: number | undefined
  /** Leaves of one delivery; less than `batch` while the receiver finds that too large. */
  let limit = options.batch
  let failing: (NonNullable<SinkStatus['failing']> & { readonly told: boolean }) | undefined
  let awake = false
  let running: Promise<void> | undefined

  const behind = (): number | undefined =>
    next === undefined || size === undefined ? undefined : Math.max(size - next, 0)

  function gauge(): void {
    metrics.behind.set({ sink: name }, behind() ?? 0)
  }

  async function run(): Promise<void> {
    while (awake && !ending.signal.aborted) {
      awake = false
      await untilDone(sendAll)
    }
    running = undefined
  }

  /** Tries until it works or the sink ends. What `work` had done before it failed is not done again. */
  async function untilDone(work: () => Promise<void>): Promise<void> {
    for (let attempt = 0; !ending.signal.aborted; attempt += 1) {
      const before = next
      try {
        await work()
        return recovered()
      } catch (error) {
        if (ending.signal.aborted) return
        // Progress since the last failure: the receiver is there, and it was not long ago.
        if (next !== before) attempt = 0
        await failed(error instanceof Failed ? error.message : `the store: ${String(error)}`)
        const wait_ms = Math.min((options.retry_ms ?? 1000) * 2 ** attempt, MAX_WAIT_MS)
        await sleep(wait_ms, undefined, { signal: ending.signal, ref: false }).catch(() => {})
      }
    }
  }

  async function sendAll(): Promise<void> {
    for (let from = (next ??= await position.read()); !ending.signal.aborted;) {
      size = await source.size()
      gauge()
      if (from >= size) return
      const leaves = await source.leaves(from, limit)
      checkOrder(leaves, from)
      const after = from + leaves.length
      const chosen = wanted ? leaves.filter(({ leaf }) => isWanted(wanted, leaf)) : leaves
      if (chosen.length > 0) await deliver(from, after, chosen)
      // Taken: what fails from here on does not send it again while this process lives.
      from = next = after
      gauge()
      await untilDone(() => position.write(after))
    }
  }

  async function deliver(from: number, to: number, leaves: readonly IndexedLeaf[]): Promise<void> {
    const body = JSON.stringify({ type: 'evidence.leaves', sink: name, from, next: to, leaves })
    const refused = await postSigned(options, body, ending.signal, options.timeout_ms)
    if (refused) throw notTaken(refused, to - from)
    metrics.sent.inc({ sink: name }, leaves.length)
    // Slowly, so that a receiver's bound is not run into at every other delivery.
    limit = Math.min(limit + 1, options.batch)
    recovered()
  }

  function notTaken({ problem, status }: NotTaken, leaves: number): Failed {
    if (status === CONTENT_TOO_LARGE) limit = Math.max(Math.floor(leaves / 2), 1)
    return new Failed(problem)
  }

  async function failed(problem: string): Promise<void> {
    const now_ms = options.now()
    failing = { since_ms: now_ms, told: false, ...failing, problem }
    metrics.failed.inc({ sink: name })
    log('warn', 'sink.failed', { sink: name, next, problem })
    if (failing.told || now_ms - failing.since_ms < TELL_AFTER_MS) return
    const { since_ms } = failing
    try {
      await options.onFailing({
        sink: name,
        since_ms,
        problem,
        ...(next !== undefined && { next }),
      })
      failing = { since_ms, problem, told: true }
    } catch (error) {
      // Not told, so told again after the next attempt. Sending does not depend on it.
      log('error', 'sink.untold', { sink: name, error: String(error) })
    }
  }

  function recovered(): void {
    if (!failing) return
    log('info', 'sink.recovered', { sink: name, after_ms: options.now() - failing.since_ms })
    failing = undefined
  }

  return {
    wake(grown) {
      if (ending.signal.aborted) return
      if (grown !== undefined) {
        size = Math.max(grown, size ?? 0)
        gauge()
      }
      awake = true
      running ??= run()
    },
    status() {
      const waiting = behind()
      return {
        ...(next !== undefined && { next }),
        ...(waiting !== undefined && { behind: waiting }),
        ...(failing && { failing: { since_ms: failing.since_ms, problem: failing.problem } }),
      }
    },
    async close() {
      ending.abort()
      await running
    },
  }
}

/** A receiver must be able to trust `from` and `next`: what the store left out is not passed over. */
function checkOrder(leaves: readonly IndexedLeaf[], from: number): void {
  if (leaves.length === 0) throw new Failed(`the log does not give leaf ${from}`)
  const wrong = leaves.findIndex(({ index }, offset) => index !== from + offset)
  if (wrong >= 0) throw new Failed(`the log does not give leaf ${from + wrong}`)
}

/** What cannot be read passes: a leaf holds no content, and a receiver that gets too much misses nothing. */
function isWanted(kinds: ReadonlySet<string>, leaf: string): boolean {
  try {
    const { kind } = JSON.parse(leaf) as { readonly kind?: unknown }
    return typeof kind !== 'string' || kinds.has(kind)
  } catch {
    return true
  }
}
