import type { TelemetryConfig } from './config.ts'
import type { OtlpParts } from './otlp.ts'
import type { Telemetry } from './telemetry.ts'

/**
 * Opens what is configured. Off, nothing is loaded.
 * @throws {PepError} PEP_CONFIG for a header whose secret cannot be read.
 */
export async function openTelemetry(
  config: TelemetryConfig | undefined,
  parts: OtlpParts,
): Promise<Telemetry | undefined> {
  if (!config) return undefined
  const { startOtlp } = await import('./otlp.ts')
  return startOtlp(config, parts)
}
