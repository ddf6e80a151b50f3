import { Worker } from 'node:worker_threads'
import { createShared, type Shared } from './shared.ts'
import type { Batch, Done } from './worker.ts'

/** Runs batches in threads that can be ended, so that a hang is a finding and not the end of the run. */

export type Found = {
  readonly target: string
  readonly seed: number
  /** Where fast-check found it; absent when there was no time to. */
  readonly path?: string
  readonly error: string
  readonly input: unknown
  /** How often the same was found. */
  readonly times: number
}

export type Watched = {
  readonly executions: ReadonlyMap<string, number>
  readonly found: readonly Found[]
  readonly rss_mb: number
}

/** One input may take so long. The largest take a second or two on a busy machine. */
const HANG_MS = 20_000
const MOST_RSS_MB = 2048
const MOST_HEAP_MB = 1024
const POLL_MS = 250

/**
 * @param next the batch that a free worker runs; `undefined`: no more.
 * @param spent told how long a target took.
 */
export async function watch(
  workers: number,
  next: () => Batch | undefined,
  spent: (target: string, ms: number) => void,
  progress: (watched: Watched) => void,
): Promise<Watched> {
  const executions = new Map<string, number>()
  const found = new Map<string, Found>()
  let rss_mb = 0

  function add(target: string, one: Omit<Found, 'times' | 'target'>): void {
    // The same thing says other values each time.
    const key = `${target} ${one.error.split(':')[0] ?? ''}`
    const known = found.get(key)
    found.set(key, known ? { ...known, times: known.times + 1 } : { target, ...one, times: 1 })
  }
  const watched = (): Watched => ({ executions, found: [...found.values()], rss_mb })

  const one = async (): Promise<void> => {
    let runner = createRunner()
    for (let batch = next(); batch !== undefined; batch = next()) {
      const { target, seed } = batch
      const begun = Date.now()
      const before = runner.shared.executions()
      const ended = await runner.run(batch)
      executions.set(target, (executions.get(target) ?? 0) + runner.shared.executions() - before)
      if (typeof ended === 'string') {
        add(target, { seed, error: ended, input: runner.shared.input() })
        await runner.stop()
        runner = createRunner()
      } else if (ended.finding) add(target, { seed, ...ended.finding })
      spent(target, Date.now() - begun)
      progress(watched())
    }
    await runner.stop()
  }
  const sampling = setInterval(() => {
    rss_mb = Math.max(rss_mb, Math.round(process.memoryUsage.rss() / 1024 / 1024))
  }, POLL_MS)
  await Promise.all(Array.from({ length: workers }, one))
  clearInterval(sampling)
  return watched()
}

type Runner = {
  readonly shared: Shared
  /** @returns what the batch gave, or why it had to be ended. */
  readonly run: (batch: Batch) => Promise<Done | string>
  readonly stop: () => Promise<unknown>
}

function createRunner(): Runner {
  const shared = createShared()
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: { buffer: shared.buffer },
    resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MB },
  })
  return {
    shared,
    run: (batch) =>
      new Promise((resolve) => {
        const polling = setInterval(() => {
          if (shared.running_ms() > HANG_MS) end('an input hangs')
          if (process.memoryUsage.rss() > MOST_RSS_MB * 1024 * 1024)
            end('memory grows without bound')
        }, POLL_MS)
        const end = (ended: Done | string): void => {
          clearInterval(polling)
          worker.off('message', end)
          worker.off('error', broke)
          resolve(ended)
        }
        const broke = (error: Error): void => end(`the worker broke down (${error.message})`)
        worker.on('message', end)
        worker.on('error', broke)
        worker.postMessage(batch, [])
      }),
    stop: () => worker.terminate(),
  }
}
