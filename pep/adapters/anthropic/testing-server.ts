import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import type { CanonicalAction } from '../../../pdp/contract/action.ts'
import type { DecisionId, Revision } from '../../../pdp/contract/brand.ts'
import type { PdpClient } from '../../../pdp/contract/client.ts'
import type { Decision, Verdict } from '../../../pdp/contract/decision.ts'
import type { ApprovalState, ApprovalStatus } from '../../../pdp/contract/approval.ts'
import type { JournalRecord } from '../../../pdp/contract/record.ts'
import type { DecisionRequest } from '../../../pdp/contract/request.ts'
import { decisionRequest } from '../../../pdp/contract/request.ts'
import { err, ok } from '../../../pdp/contract/result.ts'
import type { HttpExchange } from '../../core/exchange.ts'
import { createGate } from '../../core/gate.ts'
import { createMasks } from '../../core/masks.ts'
import { createMetrics } from '../../core/metrics.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { createUpstream } from '../../upstream/upstream.ts'
import { createExtraction } from './extraction.ts'
import { handle } from './handle.ts'
import type { AnthropicParts } from './parts.ts'

/** A gateway of this adapter alone, on real sockets, in front of an upstream that a test writes. */

export const KEY = ['sk', 'ant', 'test', 'upstream', 'credential'].join('-')
const REVISION = '0'.repeat(64) as Revision

export type Upstream = (
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
) => void | Promise<void>

export type Gateway = {
  readonly url: string
  /** What happened, in order: `intent`, `decision:…`, `upstream`, `outcome`. */
  readonly events: string[]
  readonly records: JournalRecord[]
  readonly requests: DecisionRequest[]
  /** Actions that approvals were demanded for. */
  readonly demanded: CanonicalAction[]
  readonly forwarded: {
    readonly headers: IncomingMessage['headers']
    readonly body: Buffer
    readonly url: string
  }[]
  approval: ApprovalState
  /** Journal appends that fail from now on. */
  broken: boolean
  readonly close: () => Promise<void>
}

const ALLOW: Verdict = { effect: 'allow', reasons: [], obligations: [] }
export const allow = (): Verdict => ALLOW
export const deny = (message: string): Verdict => ({
  effect: 'deny',
  reasons: [{ rule: 'test.deny', message }],
  obligations: [],
})

export async function startGateway(
  upstream: Upstream,
  verdict: (request: DecisionRequest) => Verdict = allow,
  session = 'session-1',
  telemetry?: Telemetry,
): Promise<Gateway> {
  const events: string[] = []
  const records: JournalRecord[] = []
  const requests: DecisionRequest[] = []
  const demanded: CanonicalAction[] = []
  const forwarded: Gateway['forwarded'] = []
  const gateway = {
    events,
    records,
    requests,
    demanded,
    forwarded,
    approval: 'pending' as ApprovalState,
    broken: false,
  }

  const behind = await listen(
    createServer((incoming, response) => {
      void readBody(incoming).then(async (body) => {
        events.push('upstream')
        forwarded.push({ headers: incoming.headers, body, url: incoming.url ?? '' })
        await upstream(incoming, body, response)
      })
    }),
  )
  const gate = createGate({
    pdp: client(gateway, verdict),
    journal: {
      accepting: true,
      append(record) {
        if (gateway.broken) return Promise.reject(new Error('disk full'))
        records.push(record)
        events.push(
          record.kind === 'decision' && record.refused ? `refused:${record.refused}` : record.kind,
        )
        return Promise.resolve()
      },
    },
    log: () => undefined,
    now: Date.now,
    deadline_ms: 1000,
    telemetry,
  })
  const upstreamService = createUpstream({
    url: new URL(`http://127.0.0.1:${port(behind)}`),
    connect_timeout_ms: 1000,
    idle_timeout_ms: 10_000,
  })
  const parts: AnthropicParts = {
    name: 'claude',
    gate,
    extraction: createExtraction(),
    upstream: upstreamService,
    credential: {
      header: 'x-api-key',
      current: () => ok({ header: 'x-api-key', value: KEY, literals: [KEY] }),
      close: () => undefined,
    },
    masks: createMasks(new Uint8Array(32).fill(7)),
    metrics: createMetrics(new Registry()),
    telemetry,
    limits: { body_bytes: 1024 * 1024, idle_timeout_s: 30, recorded_bytes: 16 * 1024 * 1024 },
    log: () => undefined,
    now: Date.now,
    maxAnswerBytes: 4 * 1024 * 1024,
    maxInputBytes: 1024 * 1024,
  }
  const front = await listen(
    createServer((incoming, response) => void handle(parts, exchange(incoming, response, session))),
  )
  return Object.assign(gateway, {
    url: `http://127.0.0.1:${port(front)}`,
    async close() {
      await upstreamService.close()
      for (const server of [front, behind]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  })
}

function client(
  gateway: { approval: ApprovalState; requests: DecisionRequest[]; demanded: CanonicalAction[] },
  verdict: (request: DecisionRequest) => Verdict,
): PdpClient {
  const status = (): ApprovalStatus =>
    ({
      id: 'approval-1',
      state: gateway.approval,
      expires_ms: Date.now() + 60_000,
    }) as ApprovalStatus
  const decide = (request: DecisionRequest): Decision => {
    gateway.requests.push(decisionRequest.parse(request))
    const given = verdict(request)
    const approved = given.effect === 'approve' && gateway.approval === 'approved'
    return {
      ...given,
      ...(approved && {
        effect: 'allow' as const,
        obligations: given.obligations.filter((o) => o.kind !== 'approve'),
        approval: { id: 'approval-1', approvers: [], approved_ms: 1 },
      }),
      id: randomUUID() as string as DecisionId,
      revision: REVISION,
    }
  }
  return {
    decide: (requests) => Promise.resolve(ok(requests.map(decide))),
    profile: () =>
      Promise.resolve(
        ok({
          revision: REVISION,
          profile: {
            detectors: ['email'],
            custom_detectors: [],
            phrases: [],
            json_paths: [],
            inspect_bodies: [],
          },
        }),
      ),
    demandApproval({ action }) {
      gateway.demanded.push(action)
      return Promise.resolve(ok(status()))
    },
    async awaitApproval(_id, wait_ms) {
      const until = performance.now() + wait_ms
      while (gateway.approval === 'pending' && performance.now() < until) await sleep(5)
      return ok(status())
    },
    useApproval() {
      if (gateway.approval !== 'approved')
        return Promise.resolve(err({ code: 'PDP_REFUSED', message: 'used' }))
      gateway.approval = 'consumed'
      return Promise.resolve(ok(status()))
    },
    append: () => Promise.resolve(ok({ seq: 0 })),
  }
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

function exchange(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  session: string,
): HttpExchange {
  const gone = new AbortController()
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  return {
    incoming,
    outgoing,
    method: incoming.method ?? '',
    target: incoming.url ?? '',
    signal: gone.signal,
    caller: {
      subject: {
        type: 'agent',
        id: 'agent-1',
        properties: { issuer: 'https://issuer.example', groups: [], scopes: [], claims: {} },
      },
      session: { id: session },
      source: {},
    },
  }
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of incoming) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function listen(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return server
}

const port = (server: Server): number => (server.address() as AddressInfo).port
