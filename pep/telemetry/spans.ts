import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import type { OperationId } from '../../pdp/contract/brand.ts'
import type { Operation } from '../core/operation.ts'
import type { Log } from '../core/services.ts'
import { beginningOf, decidedAttributes, endingAttributes, replyAttributes } from './attributes.ts'
import type { TelemetryMetrics } from './metrics.ts'
import type { Telemetry, Usage } from './telemetry.ts'
import { traceparentOf } from './traceparent.ts'

export type SpanParts = {
  readonly tracer: Tracer
  /** Upstreams by connection. */
  readonly upstreams: ReadonlyMap<string, URL>
  readonly metrics: Pick<TelemetryMetrics, 'dropped'>
  readonly log: Log
  /** Most operations that are open at a time; past it the oldest is forgotten, and counted. */
  readonly max_open?: number
}

type Open = { readonly span: Span; usage?: Usage }

/** Makes spans of operations: all of `Telemetry` but its end. */
export function createSpans(parts: SpanParts): Omit<Telemetry, 'close'> {
  const { tracer, upstreams, metrics, max_open = 10_000 } = parts
  const open = new Map<OperationId, Open>()

  /** `undefined`: nothing is told of it. */
  function above({ parent_id, exchange }: Operation): Context | undefined {
    if (parent_id === undefined) {
      const remote = traceparentOf(exchange.headers)
      return remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT
    }
    // A part of what is not told of is not told of either.
    const parent = open.get(parent_id)
    return parent && trace.setSpan(ROOT_CONTEXT, parent.span)
  }

  function begin(operation: Operation): void {
    const context = above(operation)
    if (!context) return
    const { name, ...options } = beginningOf(operation, upstreams.get(operation.connection))
    const span = tracer.startSpan(name, options, context)
    if (!span.isRecording()) return
    const [oldest] = open.size >= max_open ? open.keys() : []
    if (oldest !== undefined) {
      open.delete(oldest)
      metrics.dropped.inc()
    }
    open.set(operation.id, { span })
  }

  function close(id: OperationId, { span }: Open, error: unknown): void {
    open.delete(id)
    // Without a description: a message could quote what it is about.
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }

  let told = false
  /** A defect here must not refuse an operation: it is left out of what is told. */
  const guarded =
    <A extends readonly unknown[]>(work: (...args: A) => void) =>
    (...args: A): void => {
      try {
        work(...args)
      } catch (error) {
        if (!told) parts.log('error', 'telemetry.defect', { error: String(error) })
        told = true
      }
    }

  return {
    begin: guarded(begin),
    decided: guarded((id, decision, facts) => {
      open.get(id)?.span.setAttributes(decidedAttributes(decision, facts))
    }),
    held: guarded((id, approval) => {
      const span = open.get(id)?.span
      if (!span) return
      const state = approval.state === 'pending' ? 'held' : approval.state
      const about = { 'countersign.approval.id': approval.id }
      span.setAttributes(about)
      span.addEvent(`countersign.approval.${state}`, about)
    }),
    replied: guarded((id, reply) => {
      const it = open.get(id)
      if (!it) return
      if (reply.usage) it.usage = { ...it.usage, ...reply.usage }
      it.span.setAttributes(replyAttributes(reply, it.usage))
    }),
    refused: guarded((id, refusal) => {
      const it = open.get(id)
      if (!it) return
      it.span.setAttributes({
        'countersign.result': 'refused',
        'error.type': refusal.code,
        ...(refusal.approval_id !== undefined && {
          'countersign.approval.id': refusal.approval_id,
        }),
      })
      close(id, it, refusal.code)
    }),
    ended: guarded((id, outcome) => {
      const it = open.get(id)
      if (!it) return
      const attributes = outcome ? endingAttributes(outcome) : { 'countersign.result': 'released' }
      it.span.setAttributes(attributes)
      close(id, it, attributes['error.type'])
    }),
  }
}
