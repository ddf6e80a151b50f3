import { Counter, type Registry } from 'prom-client'

/** What the enforcement point counts. */
export type Metrics = {
  readonly requests: Counter<'connection' | 'outcome'>
  readonly refusals: Counter<'connection' | 'code'>
  readonly findings: Counter<'connection' | 'detector' | 'effect'>
  readonly unknown: Counter<'connection' | 'kind'>
  readonly cut: Counter<'connection'>
}

export function createMetrics(registry: Registry): Metrics {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({
      name: `countersign_pep_${name}_total`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
    })
  return {
    requests: counter('requests', 'Operations by how they ended', ['connection', 'outcome']),
    refusals: counter('refusals', 'Operations refused, by code', ['connection', 'code']),
    findings: counter('findings', 'Findings in replies and requests, masked or observed', [
      'connection',
      'detector',
      'effect',
    ]),
    unknown: counter('unknown', 'Fields, blocks and betas this version does not know', [
      'connection',
      'kind',
    ]),
    cut: counter('cut', 'Answers cut off because they could not be inspected or recorded', [
      'connection',
    ]),
  }
}
