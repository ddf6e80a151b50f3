import type { z } from 'zod'
import type { Credential } from '../credentials/credential.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Arrival, HttpExchange } from './exchange.ts'
import type { Gate } from './gate.ts'
import type { Masks } from './masks.ts'
import type { Metrics } from './metrics.ts'
import type { Refusal } from './refusal.ts'
import type { Log } from './services.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

/** Bounds that hold for every connection, from `pep.limits`. */
export type Limits = {
  /** Most bytes of a request body that is read whole. */
  readonly body_bytes: number
  /** Longest silence, and so the longest a client is held, seconds. */
  readonly idle_timeout_s: number
}

/** What a connection is opened with. */
export type ConnectionServices = {
  /** The name in `countersign.yaml`, and the first segment of its paths. */
  readonly name: string
  readonly gate: Gate
  readonly upstream: Upstream
  readonly credential: Credential
  readonly masks: Masks
  readonly metrics: Metrics
  readonly telemetry?: Telemetry | undefined
  readonly limits: Limits
  readonly log: Log
  readonly now: () => number
}

/** What a connection looks into and what it does not, for `doctor`. */
export type Inspection = {
  readonly inspected: readonly string[]
  readonly not_inspected: readonly string[]
}

/** An open connection. A kind that speaks HTTP serves `/<name>/…` by `http`; others listen by themselves. */
export type Connection = {
  readonly http?: {
    /** Answers the request, whatever happens. A rejection is a defect, and cuts the client off. */
    readonly handle: (exchange: HttpExchange) => Promise<void>
    /** Answers a request that is refused before it comes to `handle`, in the protocol's shape. */
    readonly refuse: (arrival: Arrival, refusal: Refusal) => void
  }
  readonly inspection: Inspection
  readonly close?: () => Promise<void>
}

/** A kind of connection: one folder beside `catalogue.ts`. */
export type Adapter = {
  readonly kind: string
  /** Keys of the kind's own beside those every connection has (`connectionBase` in `pep/config.ts`). */
  readonly options: z.ZodRawShape
  /** Headers of the client that say what it calls its session, first one that is there. */
  readonly sessionHeaders: readonly string[]
  /** @param options as parsed by `options`. */
  readonly open: (
    options: Readonly<Record<string, unknown>>,
    services: ConnectionServices,
  ) => Connection
}
