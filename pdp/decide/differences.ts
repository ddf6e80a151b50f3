import type { Log } from '../../server/log.ts'
import type { Difference, ShadowStore } from '../store/store.ts'

/** Most differences that wait to be written; what comes beside is left out, and the log says so. */
const MOST_WAITING = 5000
const EVERY_MS = 500
const A_BATCH = 200

export type Differences = {
  /** Never throws. */
  readonly add: (difference: Difference) => void
  /** Writes what waits. */
  readonly close: () => Promise<void>
}

/** Writes what a candidate would have decided differently, a few at a time, off the way of requests. */
export function createDifferences(store: ShadowStore, log: Log): Differences {
  let waiting: Difference[] = []
  let dropped = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    timer = undefined
    while (waiting.length > 0) {
      const batch = waiting.slice(0, A_BATCH)
      try {
        await store.append(batch)
      } catch (error) {
        log('warn', 'shadow.not_recorded', { differences: batch.length, error: String(error) })
      }
      waiting = waiting.slice(batch.length)
    }
    if (dropped > 0) log('warn', 'shadow.dropped', { differences: dropped })
    dropped = 0
  }

  return {
    add(difference) {
      if (waiting.length >= MOST_WAITING) dropped += 1
      else waiting.push(difference)
      timer ??= setTimeout(() => {
        writing = writing.then(write)
      }, EVERY_MS).unref()
    },
    close() {
      clearTimeout(timer)
      writing = writing.then(write)
      return writing
    },
  }
}
