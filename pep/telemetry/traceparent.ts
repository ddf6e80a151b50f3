import { isSpanContextValid, type SpanContext } from '@opentelemetry/api'

const format = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * The span that a request says it belongs to. W3C Trace Context §3.2.
 * @param headers names in lower case.
 * @returns `undefined` for none, several, or one that is not valid: a trace of its own begins.
 */
export function traceparentOf(
  headers: readonly (readonly [name: string, value: string])[] = [],
): SpanContext | undefined {
  const [given, ...more] = headers.filter(([name]) => name === 'traceparent')
  if (!given || more.length > 0) return undefined
  const [, version = '', traceId = '', spanId = '', flags = '', rest] =
    format.exec(given[1].trim()) ?? []
  // Later versions may add fields; of version 00 they are an error, and ff is none.
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(context) ? context : undefined
}
