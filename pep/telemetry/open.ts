import type { Registry } from 'prom-client'
import type { Log } from '../core/services.ts'
import type { TelemetryConfig } from './config.ts'
import type { Telemetry } from './telemetry.ts'

export type OpenTelemetryParts = {
  /** Name of the enforcement point. */
  readonly pep: string
  /** Upstreams by connection. */
  readonly upstreams: ReadonlyMap<string, URL>
  readonly registry: Registry
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly now: () => number
}

/**
 * Opens what is configured. Off, nothing is loaded.
 * @throws {PepError} PEP_CONFIG for a header whose secret cannot be read.
 */
export async function openTelemetry(
  config: TelemetryConfig | undefined,
  parts: OpenTelemetryParts,
): Promise<Telemetry | undefined> {
  if (!config) return undefined
  const { startOtlp } = await import('./otlp.ts')
  return startOtlp(config, parts)
}
