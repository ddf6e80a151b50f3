import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import { telemetryConfig } from './config.ts'
import { openTelemetry } from './open.ts'
import type { Telemetry } from './telemetry.ts'

/** A collector that takes OTLP over HTTP as JSON (opentelemetry-proto, `ExportTraceServiceRequest`). */

export type ReceivedSpan = {
  readonly name: string
  /** As the protocol numbers them: 1 internal, 3 client. */
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly {
    readonly name: string
    readonly attributes: Record<string, unknown>
  }[]
  /** 0 unset, 2 error. */
  readonly status: number
  readonly statusMessage: string | undefined
  readonly duration_ms: number
  readonly resource: Readonly<Record<string, unknown>>
}

export type Collector = {
  readonly url: string
  readonly spans: ReceivedSpan[]
  readonly requests: {
    readonly path: string
    readonly headers: IncomingHttpHeaders
    readonly body: string
  }[]
  /** Replaces the answer; spans count as received whatever it is. */
  answer: (response: ServerResponse) => void
  readonly close: () => Promise<void>
}

export async function startCollector(): Promise<Collector> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      collector.requests.push({ path: request.url ?? '', headers: request.headers, body })
      collector.spans.push(...spansOf(JSON.parse(body) as ExportRequest))
      collector.answer(response)
    })
  })
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done)
  })
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    requests: [],
    answer: (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
  return collector
}

type Value = {
  readonly stringValue?: string
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly boolValue?: boolean
  readonly arrayValue?: { readonly values: readonly Value[] }
}
type KeyValues = readonly { readonly key: string; readonly value: Value }[]
type ExportRequest = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: KeyValues }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string
        readonly kind: number
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly attributes?: KeyValues
        readonly events?: readonly { readonly name: string; readonly attributes?: KeyValues }[]
        readonly status?: { readonly code?: number; readonly message?: string }
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
      }[]
    }[]
  }[]
}

const valueOf = (value: Value): unknown =>
  value.arrayValue
    ? value.arrayValue.values.map(valueOf)
    : value.intValue === undefined
      ? (value.stringValue ?? value.boolValue ?? value.doubleValue)
      : Number(value.intValue)

const recordOf = (list: KeyValues = []): Record<string, unknown> =>
  Object.fromEntries(list.map(({ key, value }) => [key, valueOf(value)]))

function spansOf({ resourceSpans }: ExportRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        name: span.name,
        kind: span.kind,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        attributes: recordOf(span.attributes),
        events: (span.events ?? []).map(({ name, attributes }) => ({
          name,
          attributes: recordOf(attributes),
        })),
        status: span.status?.code ?? 0,
        statusMessage: span.status?.message,
        duration_ms: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        resource: recordOf(resource.attributes),
      })),
  )
}

/** Telemetry into a collector, in front of an upstream `https://api.example` of the connection `claude`. */
export async function testTelemetry(
  url: string,
  more: { readonly sample?: number } = {},
): Promise<{ readonly telemetry: Telemetry; readonly registry: Registry }> {
  const registry = new Registry()
  const telemetry = await openTelemetry(telemetryConfig.parse({ otlp: { url }, ...more }), {
    pep: 'pep-test',
    upstreams: new Map([['claude', new URL('https://api.example')]]),
    registry,
    env: {},
    log: () => {},
    now: Date.now,
  })
  if (!telemetry) throw new Error('telemetry is off')
  return { telemetry, registry }
}
