import { TracerProvider } from '@opentelemetry/sdk-trace'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { Registry } from 'prom-client'
import { beforeEach, expect, test } from 'vitest'
import type { DecisionId, OperationId, Revision } from '../../pdp/contract/brand.ts'
import type { Operation } from '../core/operation.ts'
import { createTelemetryMetrics, type TelemetryMetrics } from './metrics.ts'
import { createSpans } from './spans.ts'

let ended: ReadableSpan[]
let metrics: TelemetryMetrics
let lines: string[]

beforeEach(() => {
  ended = []
  lines = []
  metrics = createTelemetryMetrics(new Registry())
})

function start(max_open = 10) {
  const provider = new TracerProvider({
    spanProcessors: [
      {
        onStart() {},
        onEnd: (span) => void ended.push(span),
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      },
    ],
  })
  return createSpans({
    tracer: provider.getTracer('test'),
    upstreams: new Map(),
    metrics,
    log: (_level, event) => lines.push(event),
    max_open,
  })
}

const operation = (id: string, more: Partial<Operation> = {}): Operation =>
  ({
    id,
    caller: { session: { id: 's' } },
    connection: 'c',
    action: { name: 'http.request' },
    resource: { id: '/' },
    exchange: { method: 'GET' },
    ...more,
  }) as unknown as Operation
const id = (text: string): OperationId => text as OperationId
const outcome = { result: 'completed', masked: { email: 2 }, observed: { iban: 1 } } as const

test('findings are counts by detector, masked and observed', () => {
  const spans = start()
  spans.begin(operation('a'))
  spans.ended(id('a'), outcome)
  expect(ended[0]?.attributes).toMatchObject({
    'countersign.masked.email': 2,
    'countersign.observed.iban': 1,
  })
})

test('a name in which a detector finds something is not told, whoever wrote it and whatever policy masks', () => {
  const key = `ghp_${'a1B2'.repeat(9)}`
  const uuid = '4f9f1a52-41ab-4b6f-9d6e-3c1d2b9f8a11'
  const asked = (session: object, model: string): Partial<Operation> => ({
    caller: { session: { id: 's', ...session } } as Operation['caller'],
    action: { name: 'anthropic.messages.create' },
    resource: { id: model } as Operation['resource'],
  })
  const spans = start()
  spans.begin(operation('a', asked({ label: key }, key)))
  spans.replied(id('a'), { id: key, model: key, finish_reason: key })
  spans.ended(id('a'), outcome)
  const call = { action: { name: 'anthropic.tool_use' }, told: () => ({ tool: key, call_id: key }) }
  spans.begin(operation('b', call))
  spans.ended(id('b'))
  expect(JSON.stringify(ended.map(({ name, attributes }) => [name, attributes]))).not.toContain(key)
  spans.begin(operation('c', asked({ label: uuid }, 'claude-sonnet-4-5')))
  spans.ended(id('c'), outcome)
  expect(ended[2]?.attributes).toMatchObject({
    'gen_ai.conversation.id': uuid,
    'gen_ai.request.model': 'claude-sonnet-4-5',
  })
})

test('the first end counts, and what is said of others is ignored', () => {
  const spans = start()
  spans.begin(operation('a'))
  spans.ended(id('a'), outcome)
  spans.ended(id('a'), { ...outcome, result: 'cut' })
  spans.refused(id('a'), { code: 'denied', message: '' })
  spans.replied(id('b'), { id: 'x' })
  expect(ended.map(({ attributes }) => attributes['countersign.result'])).toEqual(['completed'])
})

test('operations that never end cost no more than the bound, and are counted', async () => {
  const spans = start(3)
  for (const name of ['a', 'b', 'c', 'd']) spans.begin(operation(name))
  spans.ended(id('a'), outcome)
  spans.ended(id('d'), outcome)
  expect(ended).toHaveLength(1)
  expect((await metrics.dropped.get()).values[0]?.value).toBe(1)
})

test('a part of an operation that is not told is not told', () => {
  const spans = start()
  spans.begin(operation('b', { parent_id: id('gone') }))
  spans.ended(id('b'))
  expect(ended).toEqual([])
})

test('a defect is logged once and refuses nothing', () => {
  const spans = start()
  const broken = operation('a', {
    action: { name: 'anthropic.tool_use' },
    told: () => {
      throw new Error('a defect')
    },
  })
  expect(() => spans.begin(broken)).not.toThrow()
  expect(() => spans.begin(broken)).not.toThrow()
  spans.decided(
    id('a'),
    {
      id: 'd' as DecisionId,
      effect: 'allow',
      reasons: [],
      obligations: [],
      revision: '' as Revision,
    },
    { detectors: {}, phrases: [], paths: {}, incomplete: [] },
  )
  expect(lines).toEqual(['telemetry.defect'])
})
