import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Registry } from 'prom-client'
import type { Verifier } from '../identity/verifier.ts'
import { listen, type Listener } from '../server/listen.ts'
import type { Log } from '../server/log.ts'
import { createApi } from './api/app.ts'
import { type Client, createCallers } from './api/callers.ts'
import { serveDecide } from './api/decide.ts'
import type { Health } from './api/health.ts'
import { createApprovals } from './approvals/approvals.ts'
import { createWebhook } from './approvals/webhook.ts'
import type { PdpConfig } from './config.ts'
import type { Revision } from './contract/brand.ts'
import type { PdpClient } from './contract/client.ts'
import type { Decision } from './contract/decision.ts'
import type { ActiveProfile } from './contract/profile.ts'
import { ok } from './contract/result.ts'
import { DECISION_ENTRYPOINT } from './decide/ask.ts'
import type { DecisionLog } from './decision-log/log.ts'
import { createTaints } from './decide/taints.ts'
import { createDecider } from './decide/decide.ts'
import { createDifferences } from './decide/differences.ts'
import { shownReasons } from './evidence/shown.ts'
import { createShadow } from './decide/shadow.ts'
import { createEvidence, type EvidenceParts } from './evidence/evidence.ts'
import type { PdpMetrics } from './metrics.ts'
import { createRecords } from './records/records.ts'
import type { ActivePolicy } from './policy/policy.ts'
import type { BundleStatus } from './policy/manager.ts'
import type { Store } from './store/store.ts'

/** What a decision service is made of; whoever starts the process passes it in. */
export type PdpParts = {
  /** Keeps the policy that is active; see `startPolicyManager`. */
  readonly policies: Policies
  /** A policy that is evaluated beside the active one and never enforced. */
  readonly candidate?: () => ActivePolicy | undefined
  readonly metrics: PdpMetrics
  readonly store: Store
  /** Of the issuers that sign approvers' tokens. */
  readonly approvers: Verifier
  /** Tokens of enforcement points, by name. */
  readonly peps: ReadonlyMap<string, string>
  /** Tells of decisions in OPA's format. */
  readonly decision_log?: DecisionLog
  /** Programs that ask through the other APIs. */
  readonly clients?: readonly Client[]
  /** Key that webhooks are signed with. */
  readonly webhook_secret?: string
  readonly evidence: EvidenceParts
  readonly log: Log
  readonly now?: () => number
  readonly registry: Registry
}

export type Policies = {
  readonly current: () => ActivePolicy
  readonly status: () => readonly BundleStatus[]
}

export type Pdp = {
  /** For an enforcement point in the same process. */
  readonly client: PdpClient
  /** Of the policy that is active now. */
  readonly revision: () => Revision
  readonly health: () => Promise<Health>
  /** `METHOD /path` of all that is served. */
  readonly routes: () => readonly string[]
  /** Opens the API. @returns its URL. @throws {ListenError} */
  readonly listen: () => Promise<string>
  /** Ends the API; the store stays open. */
  readonly close: (grace_ms?: number) => Promise<void>
}

/** Composes a decision service. */
export function createPdp({ pdp: config }: PdpConfig, parts: PdpParts): Pdp {
  const { policies, store, log, now = Date.now, registry, metrics } = parts
  const revision = (): Revision => policies.current().revision
  const profile = (): ActiveProfile => {
    const { revision, profile } = policies.current()
    return { revision, profile }
  }
  const differences = createDifferences(store.shadow, log)
  const shadow = createShadow({
    candidate: () => parts.candidate?.(),
    sample: config.shadow?.sample ?? 0,
    metrics,
    record: differences.add,
    now,
  })
  const decider = createDecider({
    policy: policies.current,
    onDecision: (made) => {
      shadow.observe(made)
      parts.decision_log?.record({
        policy: made.policy,
        decision_id: made.decision.id,
        path: DECISION_ENTRYPOINT,
        time_ms: now(),
        input: made.input,
        result: made.decision,
        took_ns: Math.round(made.took_ms * 1e6),
      })
    },
    approvals: store.approvals,
    taints: createTaints(store.taints),
    metrics,
    now,
  })
  const evidence = createEvidence({
    ...parts.evidence,
    store,
    policy: policies.current,
    name: config.name,
    metrics,
    log,
    now,
  })
  const { webhook: hook } = config.approvals
  const webhook =
    hook && parts.webhook_secret !== undefined
      ? createWebhook({
          url: hook.url,
          secret: parts.webhook_secret,
          shown: (reasons) => shownReasons(evidence.steps, reasons),
          log,
          metrics,
          now,
        })
      : undefined
  const approvals = createApprovals({
    decider,
    store: store.approvals,
    vault: evidence.vault,
    metrics,
    onDemand: (row) => webhook?.send(row),
    now,
  })
  const records = createRecords({
    store: store.records,
    metrics,
    onAppended: evidence.onAppended,
    log,
    now,
  })

  async function health(): Promise<Health> {
    const readiness = await store.ready()
    metrics.store_up.set(readiness.ok ? 1 : 0)
    return {
      ready: readiness.ok,
      revision: revision(),
      bundles: policies.status(),
      store: readiness,
      records: { conflicts: records.conflicts() },
      evidence: evidence.checkpoints.status(),
      issuers: parts.approvers.status(),
    }
  }

  const client: PdpClient = {
    async decide(requests) {
      const policy = policies.current()
      const decisions: Decision[] = []
      for (const request of requests) {
        const decision = decider.decide(request, policy)
        decisions.push(decision instanceof Promise ? await decision : decision)
      }
      return ok(decisions)
    },
    profile: () => Promise.resolve(ok(profile())),
    demandApproval: (demand) => approvals.demand(demand),
    awaitApproval: (id, wait_ms, { signal }) => approvals.wait(id, wait_ms, signal),
    useApproval: (use) => approvals.use(use),
    append: (batch) => records.append(batch),
  }

  const callers = createCallers({
    peps: parts.peps,
    clients: parts.clients ?? [],
    allow_unauthenticated_loopback: config.dangerously_allow_unauthenticated_loopback,
    verifier: parts.approvers,
  })
  const app = createApi({
    callers,
    approvals,
    records,
    sessions: store.sessions,
    log: store.log,
    erasure: store.erasure,
    report: store.report,
    policies: store.policies,
    keys: store.keys,
    origin: parts.evidence.origin,
    vkeys: parts.evidence.signers.map(({ key }) => key.vkey),
    reader: evidence.reader,
    steps: evidence.steps,
    administration: evidence.administration,
    checkpoints: evidence.checkpoints,
    sinks: evidence.sinks,
    retention: config.evidence.retention,
    shadow: store.shadow,
    policy: policies.current,
    decide: decider.decide,
    onQuery: ({ input, result, ...query }) =>
      parts.decision_log?.record({
        ...query,
        time_ms: now(),
        input: input === undefined ? undefined : JSON.parse(input),
        result: result === undefined ? undefined : JSON.parse(result),
      }),
    now,
    url: (c) => publicUrl(c.req.raw.url),
    candidate: () => parts.candidate?.(),
    auditors: config.approvals.auditors,
    profile,
    health,
    registry,
    tell: log,
  })
  const api = getRequestListener(app.fetch)
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const served =
      incoming.method === 'POST' && incoming.url === '/v1/decide'
        ? serveDecide(
            { callers, decide: decider.decide, policy: policies.current },
            incoming,
            outgoing,
          )
        : api(incoming, outgoing)
    served.catch((error: unknown) => {
      log('error', 'api.failed', { error: String(error) })
      outgoing.destroy()
    })
  }
  let listener: Listener | undefined
  return {
    client,
    revision,
    health,
    routes: () => ['POST /v1/decide', ...app.routes.map(({ method, path }) => `${method} ${path}`)],
    async listen() {
      const { address, tls } = config.listen
      listener = await listen({
        address,
        tls,
        header_timeout_ms: 15_000,
        idle_timeout_ms: 120_000,
        onRequest,
        log,
      })
      return listener.url
    },
    async close(grace_ms = 5000) {
      approvals.close()
      await webhook?.close()
      await shadow.drained()
      await differences.close()
      await parts.decision_log?.close()
      await listener?.close(grace_ms)
      await evidence.close()
    },
  }
}

/** As the caller reached us. */
const publicUrl = (url: string): string => new URL(url).origin
