import { isSpanContextValid, type SpanContext } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'

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
  const context = parseTraceParent(given[1])
  return context && isSpanContextValid(context) ? { ...context, isRemote: true } : undefined
}
