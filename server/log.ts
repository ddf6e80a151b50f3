/** Structured log lines; never bodies, never credentials. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  event: string,
  detail?: Record<string, unknown>,
) => void
