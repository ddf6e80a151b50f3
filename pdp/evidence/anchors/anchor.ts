import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../../server/log.ts'
import type { SignedCheckpoint } from '../log-store.ts'

/**
 * A place outside the store that keeps checkpoints. Only there does a roll-back or a cut tail show: whoever owns the
 * database owns every checkpoint in it.
 */
export type Anchor = {
  readonly name: string
  /** Takes a checkpoint and returns at once; one that still waits gives way to it. */
  readonly offer: (checkpoint: SignedCheckpoint) => void
  readonly status: () => AnchorStatus
  /** Delivers what waits a last time, for a few seconds. */
  readonly close: () => Promise<void>
}

export type AnchorStatus = {
  readonly name: string
  readonly kind: 'file' | 'url' | 'witness'
  readonly delivered: number
  readonly failed: number
  /** The newest that arrived. */
  readonly size?: number
  readonly at_ms?: number
  /** Size of the one that waits. */
  readonly waiting?: number
  /** Why the newest attempt failed; absent once one succeeded. */
  readonly problem?: string
}

export type AnchorParts = {
  readonly log: Log
  /** Counts attempts. */
  readonly count?: (anchor: string, result: 'delivered' | 'failed') => void
  readonly now?: () => number
}

export type AnchorOptions = AnchorParts & {
  readonly name: string
  readonly kind: AnchorStatus['kind']
  /** At most one delivery in so many milliseconds. */
  readonly every_ms: number
  /** Rejects when it could not be delivered. */
  readonly deliver: (checkpoint: SignedCheckpoint, signal: AbortSignal) => Promise<void>
  /** Wait after a first failure; doubled with each that follows. */
  readonly backoff_ms?: number
}

const LONGEST_BACKOFF_MS = 60_000
const CLOSE_MS = 3000

/** What all anchors have in common: one at a time, the newest only, again and later after a failure. */
export function createAnchor(options: AnchorOptions): Anchor {
  const { name, kind, every_ms, deliver, log, count, now = Date.now, backoff_ms = 1000 } = options
  const ending = new AbortController()
  /** Ends waiting, not a delivery under way. */
  const hurry = new AbortController()
  let waiting: SignedCheckpoint | undefined
  let running: Promise<void> | undefined
  let [delivered, failed, failures, last_ms] = [0, 0, 0, -Infinity]
  let newest: { readonly size: number; readonly at_ms: number } | undefined
  let problem: string | undefined

  async function run(): Promise<void> {
    while (waiting) {
      await pause()
      const checkpoint = waiting
      waiting = undefined
      last_ms = now()
      if (await attempt(checkpoint)) continue
      // One that came meanwhile is newer; else the same again.
      waiting ??= checkpoint
      if (hurry.signal.aborted) break
    }
    running = undefined
  }

  function pause(): Promise<void> {
    const backoff =
      failures === 0 ? 0 : Math.min(backoff_ms * 2 ** (failures - 1), LONGEST_BACKOFF_MS)
    const wait_ms = Math.max(failures === 0 ? last_ms + every_ms - now() : 0, backoff)
    if (wait_ms <= 0 || hurry.signal.aborted) return Promise.resolve()
    return sleep(wait_ms, undefined, { ref: false, signal: hurry.signal }).catch(() => undefined)
  }

  async function attempt(checkpoint: SignedCheckpoint): Promise<boolean> {
    try {
      await deliver(checkpoint, ending.signal)
    } catch (error) {
      // The log goes on: what is not anchored now is covered by the next checkpoint that is.
      failed += 1
      failures += 1
      problem = error instanceof Error ? error.message : String(error)
      count?.(name, 'failed')
      if (failures === 1) log('warn', 'evidence.anchor_failed', { anchor: name, error: problem })
      return false
    }
    if (failures > 0) log('info', 'evidence.anchor_recovered', { anchor: name, failures })
    delivered += 1
    failures = 0
    problem = undefined
    newest = { size: checkpoint.size, at_ms: now() }
    count?.(name, 'delivered')
    return true
  }

  return {
    name,
    offer(checkpoint) {
      if (hurry.signal.aborted) return
      waiting = checkpoint
      running ??= run()
    },
    status: () => ({
      name,
      kind,
      delivered,
      failed,
      ...newest,
      ...(waiting && { waiting: waiting.size }),
      ...(problem !== undefined && { problem }),
    }),
    async close() {
      hurry.abort()
      const late = setTimeout(() => ending.abort(), CLOSE_MS)
      await running
      clearTimeout(late)
      ending.abort()
    },
  }
}
