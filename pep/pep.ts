import type { IncomingMessage, ServerResponse } from 'node:http'
import { readFileSync } from 'node:fs'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { Registry } from 'prom-client'
import { createVerifier, type Verifier } from '../identity/verifier.ts'
import type { PdpClient } from '../pdp/contract/client.ts'
import { adapters } from './adapters/catalogue.ts'
import { type ConnectionConfig, type PepConfig } from './config.ts'
import type { Adapter, Connection, Inspection } from './core/adapter.ts'
import { PepError } from './core/errors.ts'
import { createGate } from './core/gate.ts'
import { listen, type Listener } from '../server/listen.ts'
import { createMasks } from './core/masks.ts'
import { createMetrics, type Metrics } from './core/metrics.ts'
import { createRouter } from './core/router.ts'
import type { Journal, Log } from './core/services.ts'
import { noCredential, openCredential } from './credentials/open-credential.ts'
import type { Credential } from './credentials/credential.ts'
import { openTelemetry } from './telemetry/open.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import { createUpstream, type Upstream } from './upstream/upstream.ts'

/** What an enforcement point is made of; whoever starts the process passes it in. */
export type PepParts = {
  readonly pdp: PdpClient
  readonly journal: Journal
  readonly log: Log
  /** The environment as the process was started with; credentials may come from it. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Key of `hash` and `token` masks, ≥ 32 bytes, the same in every instance of a deployment. */
  readonly maskKey: Uint8Array
  /** Where metrics are counted; shared with the journal's. */
  readonly registry?: Registry
  readonly now?: () => number
}

/** One connection as it runs, for `/health` and `doctor`. */
export type ConnectionStatus = {
  readonly name: string
  readonly kind: string
  readonly upstream: string
  /** What is wrong with the credential, if anything. */
  readonly credential_problem?: string
  readonly inspection: Inspection
}

export type Pep = {
  /** Opens the listeners. @returns their URLs. @throws {PepError} PEP_CONFIG when an address cannot be had. */
  readonly listen: () => Promise<readonly string[]>
  readonly status: () => readonly ConnectionStatus[]
  /** Reaches out to an upstream; what is wrong, or `undefined`. */
  readonly probe: (connection: string) => Promise<string | undefined>
  readonly metrics: Registry
  readonly verifier: Verifier
  /** Ends gracefully: no new requests, running ones finish within `grace_ms`. */
  readonly close: (grace_ms?: number) => Promise<void>
}

type Opened = Connection & {
  readonly adapter: Adapter
  readonly config: ConnectionConfig
  readonly upstream: Upstream
  readonly credential: Credential
}

/**
 * Composes an enforcement point. Credentials are read and issuers discovered before it resolves; what fails then is
 * tried again, and refused meanwhile.
 * @throws {PepError} PEP_CONFIG for a file that cannot be read.
 */
export async function createPep(config: PepConfig, parts: PepParts): Promise<Pep> {
  const registry = parts.registry ?? new Registry()
  const metrics = createMetrics(registry)
  const verifier = createVerifier(config.identity.issuers, parts)
  const telemetry = await telemetryOf(config, parts, registry)
  const connections = await openConnections(config, parts, metrics, telemetry)
  await verifier.tried
  const route = createRouter({
    connections: new Map(
      [...connections].flatMap(([name, { http, adapter }]) =>
        http ? [[name, { ...http, sessionHeaders: adapter.sessionHeaders }]] : [],
      ),
    ),
    verifier,
    metrics,
    log: parts.log,
    own: getRequestListener(
      ownRoutes(parts.journal, verifier, statusOf(connections), registry).fetch,
    ),
  })
  const listeners: Listener[] = []
  return {
    listen: () => openListeners(config, parts.log, route, listeners),
    status: statusOf(connections),
    probe: (name) =>
      connections.get(name)?.upstream.probe() ?? Promise.resolve('no such connection'),
    metrics: registry,
    verifier,
    async close(grace_ms = 10_000) {
      await Promise.all(listeners.splice(0).map((listener) => listener.close(grace_ms)))
      verifier.close()
      for (const { upstream, credential, close } of connections.values()) {
        credential.close()
        await close?.()
        await upstream.close()
      }
      await telemetry?.close()
    },
  }
}

function telemetryOf(
  config: PepConfig,
  { env, log, now = Date.now }: PepParts,
  registry: Registry,
): Promise<Telemetry | undefined> {
  const connections = Object.entries(config.connections)
  return openTelemetry(config.pep.telemetry, {
    pep: config.pep.name,
    upstreams: new Map(connections.map(([name, { upstream }]) => [name, upstream])),
    registry,
    env,
    log,
    now,
  })
}

async function openConnections(
  config: PepConfig,
  parts: PepParts,
  metrics: Metrics,
  telemetry: Telemetry | undefined,
): Promise<ReadonlyMap<string, Opened>> {
  const { log, env, now = Date.now, pdp, journal } = parts
  const { deadline_ms } = config.pep.pdp
  const gate = createGate({ pdp, journal, log, now, deadline_ms, telemetry })
  const masks = createMasks(parts.maskKey)
  const opened = new Map<string, Opened>()
  for (const [name, connection] of Object.entries(config.connections)) {
    const adapter = adapters.find(({ kind }) => kind === connection.kind)
    if (!adapter) throw new PepError('PEP_CONFIG', `connections.${name}: unknown kind`)
    const upstream = openUpstream(name, connection, config.pep.limits)
    const credential = connection.credential
      ? await openCredential(connection.credential, { connection: name, env, log, now })
      : noCredential
    const services = { name, gate, upstream, credential, masks, metrics, telemetry, log, now }
    const { body_bytes, idle_timeout_s } = config.pep.limits
    const made = adapter.open(connection.options, {
      ...services,
      limits: { body_bytes, idle_timeout_s },
    })
    opened.set(name, { ...made, adapter, config: connection, upstream, credential })
  }
  return opened
}

function openUpstream(
  name: string,
  connection: ConnectionConfig,
  limits: PepConfig['pep']['limits'],
): Upstream {
  let ca: string | undefined
  try {
    if (connection.upstream_ca !== undefined) ca = readFileSync(connection.upstream_ca, 'utf8')
  } catch (error) {
    const message = `connections.${name}.upstream_ca: cannot read ${connection.upstream_ca}`
    throw new PepError('PEP_CONFIG', message, { cause: error })
  }
  return createUpstream({
    url: connection.upstream,
    connect_timeout_ms: limits.connect_timeout_s * 1000,
    idle_timeout_ms: limits.idle_timeout_s * 1000,
    ca,
  })
}

async function openListeners(
  config: PepConfig,
  log: Log,
  route: (incoming: IncomingMessage, outgoing: ServerResponse, listener: string) => void,
  listeners: Listener[],
): Promise<readonly string[]> {
  const { header_timeout_s, idle_timeout_s } = config.pep.limits
  for (const { address, tls } of config.pep.listen) {
    const name = `${address.host}:${address.port}`
    listeners.push(
      await listen({
        address,
        tls,
        header_timeout_ms: header_timeout_s * 1000,
        idle_timeout_ms: idle_timeout_s * 1000,
        onRequest: (incoming, outgoing) => route(incoming, outgoing, name),
        log,
      }),
    )
  }
  return listeners.map(({ url }) => url)
}

const statusOf = (connections: ReadonlyMap<string, Opened>) => (): readonly ConnectionStatus[] =>
  [...connections].map(([name, { config, credential, inspection, upstream }]) => {
    const current = credential.current()
    return {
      name,
      kind: config.kind,
      upstream: upstream.url.href,
      ...(!current.ok && { credential_problem: current.error.message }),
      inspection,
    }
  })

/** The paths of the enforcement point's own. */
function ownRoutes(
  journal: Journal,
  verifier: Verifier,
  connections: () => readonly ConnectionStatus[],
  registry: Registry,
): Hono {
  const app = new Hono()
  app.get('/health', (c) => {
    if (c.req.query('ready') === undefined) return c.json({ live: true })
    const issuers = verifier.status()
    const ready = journal.accepting && issuers.some(({ problem }) => problem === undefined)
    return c.json(
      {
        ready,
        journal: { accepting: journal.accepting },
        issuers,
        // Names and problems only: whoever asks here is not known.
        connections: connections().map(({ name, kind, credential_problem }) => ({
          name,
          kind,
          ...(credential_problem !== undefined && { problem: credential_problem }),
        })),
      },
      ready ? 200 : 503,
    )
  })
  app.get('/metrics', async (c) =>
    c.text(await registry.metrics(), 200, { 'content-type': registry.contentType }),
  )
  app.notFound((c) =>
    c.json(
      {
        error: {
          code: 'unknown_connection',
          message:
            'Countersign: no such connection; paths are /<connection>/…, see connections in countersign.yaml',
        },
      },
      404,
    ),
  )
  return app
}
