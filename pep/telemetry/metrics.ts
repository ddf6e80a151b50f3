import { Counter, type Registry } from 'prom-client'

/** What becomes of spans. */
export type TelemetryMetrics = {
  readonly exported: Counter
  readonly failed: Counter
  readonly dropped: Counter
}

export function createTelemetryMetrics(registry: Registry): TelemetryMetrics {
  const counter = (name: string, help: string): Counter =>
    new Counter({ name: `countersign_telemetry_${name}_total`, help, registers: [registry] })
  return {
    exported: counter('exported', 'Spans that the collector took'),
    failed: counter('failed', 'Spans that the collector did not take, also when tried again'),
    dropped: counter('dropped', 'Spans that were not offered: too many waited'),
  }
}
