import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { TraceIdRatioBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import type { Registry } from 'prom-client'
import { readSecret } from '../../server/secret.ts'
import { PepError } from '../core/errors.ts'
import type { Log } from '../core/services.ts'
import { createTelemetryMetrics } from './metrics.ts'
import type { TelemetryConfig } from './config.ts'
import { createSpanQueue } from './queue.ts'
import { createSpans } from './spans.ts'
import type { Telemetry } from './telemetry.ts'

export type OtlpParts = {
  /** Name of the enforcement point. */
  readonly pep: string
  /** Upstreams by connection. */
  readonly upstreams: ReadonlyMap<string, URL>
  readonly registry: Registry
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly now: () => number
}

/** Longest time for one export with all of its tries. */
const EXPORT_MS = 10_000
/** Secrets of headers are read again after this. */
const HEADERS_MS = 5 * 60_000
/** Longest text of an attribute, UTF-16 code units. */
const MAX_TEXT = 256

/** Sends spans to a collector. @throws {PepError} PEP_CONFIG for a header whose secret cannot be read. */
export async function startOtlp(config: TelemetryConfig, parts: OtlpParts): Promise<Telemetry> {
  const metrics = createTelemetryMetrics(parts.registry)
  const { log } = parts
  const queue = createSpanQueue({
    exporter: new OTLPTraceExporter({
      url: config.otlp.url.href,
      headers: await headersOf(config, parts),
      timeoutMillis: EXPORT_MS,
    }),
    metrics,
    log,
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'countersign-pep',
      'service.instance.id': parts.pep,
      ...config.resource,
    }),
    // Not by the caller's flag: an agent does not decide whether it is told of.
    sampler: new TraceIdRatioBasedSampler(config.sample),
    spanLimits: { attributeValueLengthLimit: MAX_TEXT },
    spanProcessors: [queue],
  })
  const tracer = provider.getTracer('countersign')
  return {
    ...createSpans({ tracer, upstreams: parts.upstreams, metrics, log }),
    close: () => provider.shutdown(),
  }
}

/** Reads secrets again from time to time; what cannot be read then stays as it was. */
async function headersOf(
  { otlp }: TelemetryConfig,
  { env, log, now }: OtlpParts,
): Promise<() => Promise<Record<string, string>>> {
  let headers: Record<string, string> = {}
  let read_ms = now()
  for (const [name, source] of Object.entries(otlp.headers)) {
    const secret = await readSecret(source, env)
    if (!secret.ok)
      throw new PepError('PEP_CONFIG', `pep.telemetry.otlp.headers.${name}: ${secret.error}`)
    headers[name] = secret.value.value
  }
  return async () => {
    if (now() - read_ms < HEADERS_MS) return { ...headers }
    read_ms = now()
    const next = { ...headers }
    for (const [name, source] of Object.entries(otlp.headers)) {
      const secret = await readSecret(source, env)
      if (secret.ok) next[name] = secret.value.value
      else log('warn', 'telemetry.header', { header: name, problem: secret.error })
    }
    headers = next
    return { ...headers }
  }
}
