import { randomBytes } from 'node:crypto'
import { Registry } from 'prom-client'
import { masterKeyOf } from '../sealing/master-key.ts'
import { createSealer, type Sealer } from '../sealing/sealer.ts'
import { createUnwrapper, createWrapper } from '../sealing/wrapper.ts'
import { createVerifier } from '../identity/verifier.ts'
import { issuerConfig } from '../identity/issuer.ts'
import { startIssuer, type TestIssuer } from '../identity/testing.ts'
import type { Client } from './api/callers.ts'
import { parsePdpConfig } from './config.ts'
import { actionDigest, type CanonicalAction } from './contract/action.ts'
import type { DecisionRequest } from './contract/request.ts'
import { ok } from './contract/result.ts'
import type { EvidenceParts } from './evidence/evidence.ts'
import { openSigner } from './evidence/signer.ts'
import { createPdpMetrics } from './metrics.ts'
import { createPdp, type Pdp } from './pdp.ts'
import { loadPolicy } from './policy/load.ts'
import type { ActivePolicy } from './policy/policy.ts'
import { openTestStore } from './store/testing.ts'
import type { Store } from './store/store.ts'

const ORIGIN = 'test.example/log'

/** A decision service for tests: the committed policy, a real store, a real issuer of approvers, on loopback. */
export type TestPdp = {
  readonly pdp: Pdp
  readonly url: string
  readonly store: Store
  /** URL of the database as its owner. */
  readonly database: string
  /** Verifier key of its checkpoints. */
  readonly vkey: string
  /** Seals as an enforcement point that has the same master key. */
  readonly sealer: Sealer
  readonly approvers: TestIssuer
  readonly pepToken: string
  readonly log: { level: string; event: string; detail?: Record<string, unknown> }[]
  /** Makes another policy the active one. */
  readonly activate: (policy: ActivePolicy) => void
  /** A person's token. */
  readonly person: (sub: string, groups: readonly string[], more?: object) => Promise<string>
  readonly close: () => Promise<void>
}

/** @param options the `pdp` section, beside what the test needs; another store to put in the way. */
export async function startTestPdp(
  options: {
    readonly config?: object
    readonly around?: (store: Store) => Store
    readonly webhook_secret?: string
    readonly clients?: readonly Client[]
    readonly evidence?: Partial<EvidenceParts>
    readonly now?: () => number
  } = {},
): Promise<TestPdp> {
  const { store, folder, url: database } = await openTestStore()
  const master = masterKeyOf(randomBytes(32))
  const seed = randomBytes(32).toString('base64')
  const opened = await openSigner({ env: 'SEED' }, ORIGIN, { SEED: seed })
  if (!opened.ok) throw new Error(opened.error)
  const signer = opened.value
  const approvers = await startIssuer()
  const loaded = await loadPolicy('bundles/default.tar.gz')
  if (!loaded.ok) throw loaded.error
  let active: ActivePolicy = loaded.value.policy
  const registry = new Registry()
  const log: TestPdp['log'] = []
  const verifier = createVerifier(
    [
      issuerConfig.parse({
        url: approvers.url,
        audience: 'countersign-approvals',
        algorithms: ['ES256'],
        claims: { type: { default: 'user' } },
      }),
    ],
    { log: () => {} },
  )
  await verifier.tried
  const pepToken = 'pep-token-of-this-test'
  const pdp = createPdp(parsePdpConfig({ pdp: { listen: '127.0.0.1:0', ...options.config } }), {
    policies: { current: () => active, status: () => [] },
    metrics: createPdpMetrics(registry),
    store: options.around?.(store) ?? store,
    approvers: verifier,
    peps: new Map([['pep-1', pepToken]]),
    evidence: {
      wrapper: await createWrapper(master),
      unwrapper: createUnwrapper(master),
      mask: (record) => Promise.resolve(ok(record)),
      signers: [signer],
      origin: ORIGIN,
      anchors: [],
      folder,
      sinks: [],
      ...options.evidence,
    },
    log: (level, event, detail) => log.push({ level, event, ...(detail && { detail }) }),
    registry,
    ...(options.now && { now: options.now }),
    ...(options.clients && { clients: options.clients }),
    ...(options.webhook_secret !== undefined && { webhook_secret: options.webhook_secret }),
  })
  const url = await pdp.listen()
  return {
    pdp,
    url,
    store,
    database,
    vkey: signer.key.vkey,
    sealer: createSealer({ wrapper: await createWrapper(master), now: Date.now }),
    approvers,
    pepToken,
    log,
    activate: (policy) => void (active = policy),
    person: (sub, groups, more = {}) =>
      approvers.token({ sub, groups, aud: 'countersign-approvals', ...more }),
    async close() {
      await pdp.close(0)
      verifier.close()
      await approvers.close()
    },
  }
}

/** A DELETE by an agent, which the default policy holds for approval. */
export function deletion(
  revision: string,
  options: { readonly id?: string; readonly agent?: string } = {},
): { request: DecisionRequest; action: CanonicalAction } {
  const { id = '1', agent = 'demo-agent' } = options
  const action: CanonicalAction = {
    type: 'http.request',
    connection: 'customers',
    method: 'DELETE',
    target: `/customers/${id}`,
    headers: [],
    body: { text: '' },
  }
  const request = httpRequest(revision, 'DELETE', ['customers', id], agent)
  const context = { ...request.context, action_digest: actionDigest(action) }
  return { action, request: { ...request, context } }
}

export function httpRequest(
  revision: string,
  method: string,
  segments: readonly string[],
  agent = 'demo-agent',
): DecisionRequest {
  const path = `/${segments.join('/')}`
  return {
    subject: {
      type: 'agent',
      id: agent,
      properties: {
        issuer: 'https://issuer.example.com',
        groups: ['agents'],
        scopes: [],
        claims: {},
      },
    },
    action: { name: 'http.request' },
    resource: {
      type: 'http.path',
      id: path,
      properties: { connection: 'customers', kind: 'http' },
    },
    context: {
      time_ms: 1_767_225_600_000,
      session: { id: 'session-1' },
      source: { address: '127.0.0.1' },
      facts_revision: revision as DecisionRequest['context']['facts_revision'],
      facts: {
        detectors: {},
        phrases: [],
        paths: {},
        incomplete: [],
        http: { method, path, segments: [...segments], query: {}, body_bytes: 0, inspected: true },
      },
    },
  }
}

/** A session unmasked by somebody whom the default policy lets do that, as only the decision service may say it. */
export function administrative(revision: string): DecisionRequest {
  const { subject, context } = httpRequest(revision, 'GET', ['customers', '1'], 'olivia')
  const { http: _, ...facts } = context.facts
  return {
    subject: {
      ...subject,
      type: 'user',
      properties: { ...subject.properties, groups: ['security'] },
    },
    action: { name: 'countersign.sessions.unmask' },
    resource: {
      type: 'countersign.session',
      id: 'session-1',
      properties: { connection: 'countersign', kind: 'countersign' },
    },
    context: {
      ...context,
      facts: {
        ...facts,
        admin: {
          reason: 'Ticket 4711.',
          subject: { issuer: 'https://issuer.example.com', id: 'demo-agent' },
        },
      },
    },
  }
}
