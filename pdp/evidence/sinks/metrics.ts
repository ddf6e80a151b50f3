import { Counter, Gauge, type Registry } from 'prom-client'

/** What sinks of evidence count. */
export type SinkMetrics = {
  readonly sent: Counter<'sink'>
  readonly failed: Counter<'sink'>
  readonly behind: Gauge<'sink'>
}

export function createSinkMetrics(registry: Registry): SinkMetrics {
  const labelNames = ['sink'] as const
  const registers = [registry]
  return {
    sent: new Counter({
      name: 'countersign_pdp_evidence_sink_sent_total',
      help: 'Leaves that a sink took, counted again when they are sent again',
      labelNames,
      registers,
    }),
    failed: new Counter({
      name: 'countersign_pdp_evidence_sink_failed_total',
      help: 'Attempts to read, deliver or note a position that failed and are made again',
      labelNames,
      registers,
    }),
    behind: new Gauge({
      name: 'countersign_pdp_evidence_sink_behind',
      help: 'Leaves of the log that a sink has not taken yet',
      labelNames,
      registers,
    }),
  }
}
