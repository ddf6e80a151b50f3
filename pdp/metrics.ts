import { createSinkMetrics, type SinkMetrics } from './evidence/sinks/metrics.ts'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** What the decision service counts. */
export type PdpMetrics = {
  readonly decisions: Counter<'effect'>
  readonly decision_seconds: Histogram
  readonly cache: Counter<'result'>
  readonly shadow: Counter<'result'>
  readonly decision_log: Counter<'sink' | 'result'>
  readonly activations: Counter<'bundle' | 'result'>
  readonly bundle_info: Gauge<'bundle' | 'revision'>
  readonly approvals: Counter<'event'>
  readonly webhooks: Counter<'result'>
  readonly frames: Counter
  readonly conflicts: Counter
  readonly unauthenticated: Counter<'surface'>
  readonly store_up: Gauge
  readonly checkpoints: Counter<'result'>
  readonly signed_size: Gauge
  readonly sinks: SinkMetrics
}

export function createPdpMetrics(registry: Registry): PdpMetrics {
  const registers = [registry]
  const name = (rest: string): string => `countersign_pdp_${rest}`
  return {
    decisions: new Counter({
      name: name('decisions_total'),
      help: 'Decisions by effect',
      labelNames: ['effect'],
      registers,
    }),
    decision_seconds: new Histogram({
      name: name('decision_seconds'),
      help: 'Time to decide one request or one batch',
      buckets: [0.00002, 0.00005, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.1, 1],
      registers,
    }),
    decision_log: new Counter({
      name: name('decision_log_total'),
      help: 'Events of the decision log by where they went and what became of them',
      labelNames: ['sink', 'result'],
      registers,
    }),
    shadow: new Counter({
      name: name('shadow_total'),
      help: 'Decisions that the candidate policy would have made: same, or from what to what; dropped: not evaluated',
      labelNames: ['result'],
      registers,
    }),
    cache: new Counter({
      name: name('cache_total'),
      help: 'Decisions found in the cache or not, of policies that declare what they read',
      labelNames: ['result'],
      registers,
    }),
    activations: new Counter({
      name: name('bundle_activations_total'),
      help: 'Bundles that were activated, or refused',
      labelNames: ['bundle', 'result'],
      registers,
    }),
    bundle_info: new Gauge({
      name: name('bundle_info'),
      help: '1 for the revision of each bundle that is active',
      labelNames: ['bundle', 'revision'],
      registers,
    }),
    approvals: new Counter({
      name: name('approvals_total'),
      help: 'Approvals demanded, approved, denied and used',
      labelNames: ['event'],
      registers,
    }),
    webhooks: new Counter({
      name: name('webhooks_total'),
      help: 'Webhook deliveries: sent, retried, given up, dropped',
      labelNames: ['result'],
      registers,
    }),
    frames: new Counter({ name: name('record_frames_total'), help: 'Frames committed', registers }),
    conflicts: new Counter({
      name: name('record_conflicts_total'),
      help: 'Frames that came again with another digest: somebody changed a journal',
      registers,
    }),
    unauthenticated: new Counter({
      name: name('unauthenticated_total'),
      help: 'Callers that were turned away',
      labelNames: ['surface'],
      registers,
    }),
    store_up: new Gauge({ name: name('store_up'), help: '1 when the store answers', registers }),
    checkpoints: new Counter({
      name: name('checkpoints_total'),
      help: 'Checkpoints that were signed, failed for now, or were refused since the log does not extend the last one',
      labelNames: ['result'],
      registers,
    }),
    signed_size: new Gauge({
      name: name('checkpoint_size'),
      help: 'Leaves under the newest checkpoint',
      registers,
    }),
    sinks: createSinkMetrics(registry),
  }
}
