import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import * as fc from 'fast-check'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createTelemetryMetrics } from './metrics.ts'
import { createSpanQueue, type SpanQueueOptions } from './queue.ts'

type Export = SpanExporter['export']

function start(exported: Export, more: Partial<SpanQueueOptions> = {}) {
  const metrics = createTelemetryMetrics(new Registry())
  const lines: string[] = []
  const queue = createSpanQueue({
    exporter: { export: exported, shutdown: () => Promise.resolve() },
    metrics,
    log: (level, event, detail) => lines.push(`${level} ${event} ${JSON.stringify(detail)}`),
    delay_ms: 5,
    timeout_ms: 20,
    close_ms: 50,
    ...more,
  })
  const count = async (name: keyof typeof metrics): Promise<number> =>
    (await metrics[name].get()).values[0]?.value ?? 0
  return { queue, lines, count }
}

const span = (id: number): ReadableSpan => ({ id }) as unknown as ReadableSpan
const ids = (spans: readonly ReadableSpan[]): unknown[] =>
  spans.map((one) => (one as unknown as { id: number }).id)

test('spans leave in order, each once, one export at a time, whatever becomes of exports', async () => {
  const answer = fc.constantFrom('taken', 'refused', 'throws', 'late')
  await fc.assert(
    fc.asyncProperty(fc.array(answer), fc.integer({ min: 1, max: 400 }), async (script, total) => {
      const answers = [...script]
      const got: unknown[] = []
      let open = 0
      const { queue, count } = start(
        (spans, done) => {
          open += 1
          expect(open).toBe(1)
          got.push(...ids(spans))
          const what = answers.shift() ?? 'taken'
          if (what === 'throws') {
            open -= 1
            throw new Error('a defect')
          }
          const settle = (): void => {
            open -= 1
            done({ code: what === 'refused' ? 1 : 0 })
          }
          if (what === 'late') setTimeout(settle, 1)
          else settle()
        },
        { timeout_ms: 1000, close_ms: 1000 },
      )
      for (let n = 0; n < total; n += 1) queue.onEnd(span(n))
      await queue.forceFlush()
      expect(got).toEqual(Array.from({ length: total }, (_, n) => n))
      expect((await count('exported')) + (await count('failed'))).toBe(total)
      await queue.shutdown()
    }),
    { numRuns: 50 },
  )
})

test('past its bound a span is dropped and counted, and memory does not grow', async () => {
  const { queue, count } = start(() => {}, { max_spans: 10, timeout_ms: 10_000 })
  for (let n = 0; n < 10; n += 1) queue.onEnd(span(n))
  expect(await count('dropped')).toBe(0)
  for (let n = 0; n < 90; n += 1) queue.onEnd(span(n))
  expect(await count('dropped')).toBe(90)
})

test('an exporter that never answers is not waited for, and the next export is made', async () => {
  let calls = 0
  const { queue, count, lines } = start((_spans, done) => {
    calls += 1
    if (calls > 1) done({ code: 0 })
  })
  queue.onEnd(span(1))
  await expect.poll(() => count('failed')).toBe(1)
  queue.onEnd(span(2))
  await expect.poll(() => count('exported')).toBe(1)
  expect(lines).toEqual([
    'warn telemetry.export {"problem":"it does not answer"}',
    'info telemetry.export {}',
  ])
})

test('a span that comes while an export ends is not forgotten', async () => {
  const got: unknown[] = []
  const { queue } = start((spans, done) => {
    got.push(...ids(spans))
    done({ code: 0 })
    queueMicrotask(() => queueMicrotask(() => got.length < 20 && queue.onEnd(span(got.length))))
  })
  queue.onEnd(span(0))
  await expect.poll(() => got.length).toBe(20)
})

test('closing offers what waits, for a bounded time, and counts the rest', async () => {
  const taking = start((_spans, done) => done({ code: 0 }), { delay_ms: 10_000 })
  taking.queue.onEnd(span(1))
  await taking.queue.shutdown()
  expect(await taking.count('exported')).toBe(1)
  taking.queue.onEnd(span(2))
  expect(await taking.count('dropped')).toBe(1)

  const hanging = start(() => {}, { timeout_ms: 10_000 })
  for (let n = 0; n < 200; n += 1) hanging.queue.onEnd(span(n))
  const before = performance.now()
  await hanging.queue.shutdown()
  expect(performance.now() - before).toBeLessThan(1000)
  expect(await hanging.count('dropped')).toBe(200 - 128)
})

test('a failure is told once, without what the collector quoted', async () => {
  const { queue, lines } = start((_spans, done) =>
    done({ code: 1, error: Object.assign(new Error('quotes a secret'), { code: 'ECONNREFUSED' }) }),
  )
  for (let n = 0; n < 3; n += 1) {
    queue.onEnd(span(n))
    await queue.forceFlush()
  }
  expect(lines).toEqual(['warn telemetry.export {"problem":"ECONNREFUSED"}'])
})
