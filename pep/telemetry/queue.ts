import { ExportResultCode } from '@opentelemetry/core'
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import type { Log } from '../core/services.ts'
import type { TelemetryMetrics } from './metrics.ts'

export type SpanQueueOptions = {
  readonly exporter: SpanExporter
  readonly metrics: TelemetryMetrics
  readonly log: Log
  /** Most spans that wait; a new one beyond is dropped. */
  readonly max_spans?: number
  /** How long spans are gathered, milliseconds. */
  readonly delay_ms?: number
  /** Longest time for one export, with all of its tries, milliseconds. */
  readonly timeout_ms?: number
  /** Longest time that closing waits, milliseconds. */
  readonly close_ms?: number
}

/** Spans of one export. Small: making its body takes about 10 µs a span, in which no request is served. */
const BATCH = 128

/**
 * Spans on their way to the collector: a bounded queue, one export at a time. The SDK's own processor does not say how
 * many it drops, and sends everything at once when it ends.
 */
export function createSpanQueue(options: SpanQueueOptions): SpanProcessor {
  const { exporter, metrics, log } = options
  const { max_spans = 4096, delay_ms = 1000, timeout_ms = 15_000, close_ms = 2000 } = options
  let waiting: ReadableSpan[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let closed = false
  let failing = false

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (running || waiting.length === 0) return running ?? Promise.resolve()
    return (running = exportAll())
  }

  async function exportAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH)
      const problem = await exportOne(batch)
      if (problem === undefined) metrics.exported.inc(batch.length)
      else metrics.failed.inc(batch.length)
      if (failing !== (problem !== undefined))
        log(problem === undefined ? 'info' : 'warn', 'telemetry.export', { problem })
      failing = problem !== undefined
    }
    running = undefined
  }

  /** @returns what went wrong, or `undefined`. An exporter that does not answer is not waited for. */
  function exportOne(batch: ReadableSpan[]): Promise<string | undefined> {
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve('it does not answer'), timeout_ms)
      late.unref()
      const settle = (problem: string | undefined): void => {
        clearTimeout(late)
        resolve(problem)
      }
      try {
        exporter.export(batch, ({ code, error }) =>
          settle(code === ExportResultCode.SUCCESS ? undefined : problemOf(error)),
        )
      } catch (error) {
        settle(problemOf(error))
      }
    })
  }

  async function shutdown(): Promise<void> {
    closed = true
    let late: NodeJS.Timeout | undefined
    const bound = new Promise<void>((resolve) => {
      late = setTimeout(resolve, close_ms)
    })
    await Promise.race([flush(), bound])
    clearTimeout(late)
    metrics.dropped.inc(waiting.length)
    waiting = []
  }

  return {
    onStart() {},
    onEnd(span) {
      if (closed || waiting.length >= max_spans) {
        metrics.dropped.inc()
        return
      }
      waiting.push(span)
      if (running) return
      if (waiting.length === BATCH) setImmediate(() => void flush())
      else timer ??= setTimeout(() => void flush(), delay_ms).unref()
    },
    forceFlush: flush,
    shutdown,
  }
}

/** Without what the collector may have quoted: it is not ours to log. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it was not taken'
  const code = 'code' in error ? String(error.code) : undefined
  return code ?? error.message.slice(0, 200)
}
