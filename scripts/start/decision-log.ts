import { hostname } from 'node:os'
import type { DecisionLogsConfig } from '../../pdp/decision-log/config.ts'
import { createDecisionLog, type DecisionLog } from '../../pdp/decision-log/log.ts'
import { consoleSink, fileSink, httpSink, type Sink } from '../../pdp/decision-log/sinks.ts'
import type { PdpMetrics } from '../../pdp/metrics.ts'
import type { Log } from '../../server/log.ts'
import { within } from './config.ts'
import { required } from './secrets.ts'

type Options = {
  readonly config: DecisionLogsConfig
  readonly base: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly metrics: PdpMetrics
  readonly log: Log
}

/** The decision log that `pdp.decision_logs` describes; `undefined` when nobody is told. */
export function startDecisionLog({
  config,
  base,
  env,
  metrics,
  log,
}: Options): DecisionLog | undefined {
  const { file, http, labels, buffer_bytes, delay_ms } = config
  const sinks: Sink[] = []
  if (config.console) sinks.push(consoleSink((text) => process.stdout.write(text)))
  if (file) sinks.push(fileSink({ ...file, path: within(base, file.path) }))
  if (http) {
    const { token, url, ...rest } = http
    const read = token && { token: () => required(token, env, 'pdp.decision_logs.http.token') }
    sinks.push(httpSink({ ...rest, ...read, url: new URL(url) }))
  }
  if (sinks.length === 0) return undefined
  return createDecisionLog({
    sinks,
    labels: { id: hostname(), ...labels },
    buffer_bytes,
    delay_ms,
    metrics,
    log,
  })
}
