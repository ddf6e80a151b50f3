import type { Log } from '../../server/log.ts'
import type { PdpMetrics } from '../metrics.ts'
import { type DecisionEvent, eventOf, type Logged } from './event.ts'
import { maskEvent, withoutContent } from './mask.ts'
import { deliver, type Sink } from './sinks.ts'

export type DecisionLog = {
  /** Takes a decision; returns at once, never throws. */
  readonly record: (logged: Logged) => void
  /** Offers what waits a last time, for a few seconds. */
  readonly close: () => Promise<void>
}

export type DecisionLogOptions = {
  readonly sinks: readonly Sink[]
  readonly labels: Readonly<Record<string, string>>
  /** Most bytes that wait for one sink; the oldest go, and are counted. */
  readonly buffer_bytes: number
  /** How long events are gathered, in milliseconds. */
  readonly delay_ms: number
  readonly metrics: Pick<PdpMetrics, 'decision_log'>
  readonly log: Log
}

/** Decisions that wait to be written; what comes beside is counted and left out. */
const MOST_WAITING = 10_000
const CLOSE_MS = 3000
/** Longest time at a stretch. */
const SLICE_MS = 5

/** Tells of decisions, masked as the policy that made them says, off the way of requests. */
export function createDecisionLog(options: DecisionLogOptions): DecisionLog {
  const { labels, delay_ms, metrics, log } = options
  const ending = new AbortController()
  const outlets = options.sinks.map((sink) => createOutlet(sink, options, ending.signal))
  let waiting: Logged[] = []
  let timer: NodeJS.Timeout | undefined
  let flushing: Promise<void> | undefined

  function flush(): void {
    timer = undefined
    flushing ??= flushAll().finally(() => (flushing = undefined))
  }

  /** A little at a time: masks are policy, and requests must not wait for them. */
  async function flushAll(): Promise<void> {
    while (waiting.length > 0) {
      const until = performance.now() + SLICE_MS
      const events: string[] = []
      let taken = 0
      while (taken < waiting.length && performance.now() < until) {
        const logged = waiting[taken++]
        if (logged) events.push(...textOf(logged))
      }
      waiting = waiting.slice(taken)
      if (events.length > 0) for (const outlet of outlets) outlet.add(events)
      if (waiting.length > 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  function textOf(logged: Logged): string[] {
    try {
      const event = told(eventOf(logged, labels), logged)
      return event ? [JSON.stringify(event)] : []
    } catch (error) {
      // Fail closed: what cannot be masked is not told.
      metrics.decision_log.inc({ sink: 'all', result: 'failed' })
      log('error', 'decision_log.failed', { decision: logged.decision_id, error: String(error) })
      return []
    }
  }

  /** @returns `undefined` for an event that the policy drops. */
  function told(event: DecisionEvent, { policy }: Logged): DecisionEvent | undefined {
    const said = JSON.stringify(event)
    const ask = (name: string): { readonly value: unknown } | { readonly problem: string } => {
      const answer = policy.document(['system', 'log', name], said)
      if (!answer.ok) return { problem: answer.error.message }
      return { value: answer.value.json === undefined ? undefined : JSON.parse(answer.value.json) }
    }
    const drop = ask('drop')
    // Fail closed: who cannot say that an event may be told has not said so.
    if ('problem' in drop) return withoutContent(event, drop.problem)
    if (drop.value === true) {
      metrics.decision_log.inc({ sink: 'all', result: 'dropped_by_policy' })
      return undefined
    }
    const mask = ask('mask')
    if ('problem' in mask) return withoutContent(event, mask.problem)
    if (mask.value === undefined) return event
    const masked = maskEvent(JSON.parse(said) as DecisionEvent, mask.value)
    return masked.ok ? masked.value : withoutContent(event, masked.error)
  }

  return {
    record(logged) {
      if (options.sinks.length === 0) return
      if (waiting.length >= MOST_WAITING) {
        metrics.decision_log.inc({ sink: 'all', result: 'dropped' })
        return
      }
      waiting.push(logged)
      timer ??= setTimeout(flush, delay_ms).unref()
    },
    async close() {
      clearTimeout(timer)
      flush()
      await flushing
      const late = setTimeout(() => ending.abort(), CLOSE_MS)
      await Promise.all(outlets.map((outlet) => outlet.empty()))
      clearTimeout(late)
      ending.abort()
    },
  }
}

/** One sink with what waits for it: a slow one does not hold up the others. */
function createOutlet(
  sink: Sink,
  { buffer_bytes, metrics, log }: DecisionLogOptions,
  signal: AbortSignal,
): { readonly add: (events: readonly string[]) => void; readonly empty: () => Promise<void> } {
  let waiting: string[] = []
  let bytes = 0
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (waiting.length > 0 && !signal.aborted) {
      const batch = waiting
      ;[waiting, bytes] = [[], 0]
      const taken = await deliver(sink, batch, signal, (error) => {
        metrics.decision_log.inc({ sink: sink.name, result: 'retried' })
        log('warn', 'decision_log.not_taken', { sink: sink.name, error: String(error) })
      })
      const refused = taken ?? batch.length
      const told = batch.length - refused
      if (told > 0) metrics.decision_log.inc({ sink: sink.name, result: 'told' }, told)
      if (refused > 0)
        metrics.decision_log.inc(
          { sink: sink.name, result: taken === undefined ? 'dropped' : 'refused' },
          refused,
        )
    }
    if (waiting.length > 0)
      metrics.decision_log.inc({ sink: sink.name, result: 'dropped' }, waiting.length)
    running = undefined
  }

  return {
    add(events) {
      waiting.push(...events)
      for (const event of events) bytes += event.length
      let dropped = 0
      while (bytes > buffer_bytes && dropped < waiting.length) {
        bytes -= waiting[dropped]?.length ?? 0
        dropped += 1
      }
      if (dropped > 0) {
        waiting = waiting.slice(dropped)
        metrics.decision_log.inc({ sink: sink.name, result: 'dropped' }, dropped)
      }
      running ??= run()
    },
    empty: () => running ?? Promise.resolve(),
  }
}
