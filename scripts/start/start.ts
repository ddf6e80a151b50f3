import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Registry } from 'prom-client'
import type { IssuerConfig } from '../../identity/issuer.ts'
import { createVerifier } from '../../identity/verifier.ts'
import type { PdpClient } from '../../pdp/contract/client.ts'
import type { Client } from '../../pdp/api/callers.ts'
import { createPdpMetrics } from '../../pdp/metrics.ts'
import { createPdp, type Pdp } from '../../pdp/pdp.ts'
import { openStore } from '../../pdp/store/open.ts'
import { recordLife } from '../../pep/journal/life.ts'
import { createHttpPdpClient } from '../../pep/pdp-client.ts'
import { createPep, type Pep } from '../../pep/pep.ts'
import type { MasterKey } from '../../sealing/master-key.ts'
import type { Sealer } from '../../sealing/sealer.ts'
import { lockFolder } from '../../server/lock.ts'
import type { Log } from '../../server/log.ts'
import { agentIssuer, DEMO_CLIENT_FILE, type DevIssuer, startDevIssuer } from '../dev/issuer.ts'
import type { RunningStandIn } from '../dev/stand-ins.ts'
import { clientCredentialsToken } from '../tokens.ts'
import { type Configuration, loadConfiguration, StartError } from './config.ts'
import { createPolicyKeeper } from '../../pdp/evidence/policy-keeper.ts'
import { startEvidence } from './evidence.ts'
import { startDecisionLog } from './decision-log.ts'
import { candidatePolicies, livePolicies } from './policies.ts'
import { openedJournal } from './journal.ts'
import { maskKey, masterKey, ownPepToken, pepToken, required, usableWrapper } from './secrets.ts'
import { startStandIns } from './stand-ins.ts'

type Env = Readonly<Record<string, string | undefined>>

export type StartOptions = {
  /** Path of `countersign.yaml`, or the document. */
  readonly config: string | object
  /** Where everything is kept, 0700. */
  readonly folder: string
  /** One half alone. Default: both in one process. */
  readonly role?: 'pdp' | 'pep'
  /** The decision service of a `pep` alone. Default: `pep.pdp.url`. */
  readonly pdp_url?: string
  readonly env: Env
  readonly log: Log
  readonly ports?: { readonly issuer?: number }
  /** Seals in place of the configuration's master key: for measuring what sealing costs. No configuration leads here. */
  readonly dangerous_sealer?: Sealer
}

export type Running = {
  readonly urls: { readonly pep?: string; readonly pdp?: string; readonly issuer?: string }
  readonly issuer: DevIssuer | undefined
  readonly pdp: Pdp | undefined
  readonly pep: Pep | undefined
  /** By connection. */
  readonly stand_ins: Readonly<Record<string, RunningStandIn>>
  /** A token of the development issuer. @throws {StartError} when there is none. */
  readonly agentToken: () => Promise<string>
  /** Ends in order: no new requests, then the journal is shipped, the store last. */
  readonly close: () => Promise<void>
}

/** Longest time that closing waits for the journal to be shipped; the rest is shipped after the next start. */
const DRAIN_MS = 5000

/**
 * Starts what `countersign.yaml` describes.
 * @throws {Error} whose message says what to do; what was started is ended again.
 */
export async function startCountersign(options: StartOptions): Promise<Running> {
  const closers: (() => Promise<unknown> | void)[] = []
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) {
      try {
        await end()
      } catch (error) {
        options.log('error', 'close.failed', { error: String(error) })
      }
    }
  }
  try {
    return await startAll(options, closers, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function startAll(
  options: StartOptions,
  closers: (() => Promise<unknown> | void)[],
  close: () => Promise<void>,
): Promise<Running> {
  const { role, log } = options
  const folder = resolve(options.folder)
  const configuration = await loadConfiguration(options.config)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // Before anything is written: what runs already on this folder must not notice.
  for (const part of role ? [role] : (['pdp', 'pep'] as const))
    closers.push(lockFolder(folder, `${part}.lock`).release)
  const issuer = await developmentIssuer(options, configuration, folder)
  if (issuer) closers.push(issuer.close)
  const master = await masterKey(configuration.pep.sealing.master_key, role, folder, options.env)

  const pdp =
    role === 'pep'
      ? undefined
      : await startPdp(options, configuration, folder, issuer, master, closers)
  const stand_ins: Record<string, RunningStandIn> = {}
  const pep =
    role === 'pdp'
      ? undefined
      : await startPep(
          options,
          configuration,
          folder,
          issuer,
          master,
          pdp?.pdp.client,
          closers,
          stand_ins,
        )
  return {
    urls: {
      ...(pep && { pep: pep.url }),
      ...(pdp && { pdp: pdp.url }),
      ...(issuer && { issuer: issuer.url }),
    },
    issuer,
    pdp: pdp?.pdp,
    pep: pep?.pep,
    stand_ins,
    agentToken() {
      if (!issuer) throw new StartError('there is no development issuer to get a token of')
      return clientCredentialsToken({
        issuer: issuer.url,
        client_id: issuer.demo_client.id,
        client_secret: issuer.demo_client.secret,
      })
    },
    close: async () => {
      log('info', 'stopping')
      await close()
    },
  }
}

/** One process, or the decision service alone, has the issuer; a split-off enforcement point is configured with it. */
async function developmentIssuer(
  { role, log, ports }: StartOptions,
  { pdp }: Configuration,
  folder: string,
): Promise<DevIssuer | undefined> {
  if (!pdp.development || role === 'pep') return undefined
  const port = ports?.issuer
  return startDevIssuer({
    folder,
    development: pdp.development,
    log,
    ...(port !== undefined && { address: { host: '127.0.0.1', port } }),
  })
}

async function startPdp(
  { env, log }: StartOptions,
  configuration: Configuration,
  folder: string,
  issuer: DevIssuer | undefined,
  master: MasterKey,
  closers: (() => Promise<unknown> | void)[],
): Promise<{ readonly pdp: Pdp; readonly url: string }> {
  const { pdp: config, pep } = configuration
  const registry = new Registry()
  const metrics = createPdpMetrics(registry)
  const parts = { configuration, folder, env, log, metrics }
  const keeper = createPolicyKeeper({ config_digest: configuration.digest, log, now: Date.now })
  const policies = await livePolicies(parts, keeper.activated).catch(refusedToStart)
  closers.push(policies.close)
  const candidates = await candidatePolicies(parts).catch(refusedToStart)
  if (candidates) closers.push(candidates.close)
  const { url, service_url } = config.pdp.store
  const database = url ? await required(url, env, 'pdp.store.url') : env['DATABASE_URL']
  const store = await openStore({
    folder: join(folder, 'store'),
    name: config.pdp.name,
    log: (line) => log('info', 'store', { line }),
    ...(database !== undefined && database !== '' && { url: database }),
    ...(service_url && { service_url: await required(service_url, env, 'pdp.store.service_url') }),
  })
  closers.push(store.close)
  keeper.begin(store.policies)
  closers.push(keeper.close)
  const evidence = await startEvidence({
    config: config.pdp.evidence,
    store,
    master,
    wrapper: await usableWrapper(master),
    customs: () => policies.current().profile.custom_detectors,
    folder,
    base: configuration.base,
    env,
    log,
  })
  const decision_log = startDecisionLog({
    config: config.pdp.decision_logs,
    base: configuration.base,
    env,
    metrics,
    log,
  })
  const peps = new Map<string, string>()
  for (const { name, token } of config.pdp.peps ?? [])
    peps.set(name, await required(token, env, `pdp.peps ${name}`))
  if (!config.pdp.peps) peps.set(pep.pep.name, await ownPepToken(folder))
  const clients: Client[] = []
  for (const { name, token, certificate, apis } of config.pdp.clients)
    clients.push({
      name,
      ...certificate,
      surfaces: apis,
      ...(token && { token: await required(token, env, `pdp.clients ${name}`) }),
    })
  const approvers = createVerifier(
    [...config.pdp.approvals.issuers, ...(issuer ? [issuer.approvals] : [])],
    { log },
  )
  closers.push(approvers.close)
  const { webhook } = config.pdp.approvals
  const pdp = createPdp(config, {
    policies,
    ...(candidates && { candidate: candidates.current }),
    metrics,
    registry,
    ...(decision_log && { decision_log }),
    store,
    approvers,
    peps,
    clients,
    evidence,
    ...(webhook && {
      webhook_secret: await required(webhook.secret, env, 'pdp.approvals.webhook.secret'),
    }),
    log,
  })
  closers.push(() => pdp.close())
  return { pdp, url: await pdp.listen() }
}

function refusedToStart(error: unknown): never {
  throw new StartError(error instanceof Error ? error.message : String(error))
}

async function startPep(
  options: StartOptions,
  { pep: configured, base }: Configuration,
  folder: string,
  issuer: DevIssuer | undefined,
  master: MasterKey,
  local: PdpClient | undefined,
  closers: (() => Promise<unknown> | void)[],
  stand_ins: Record<string, RunningStandIn>,
): Promise<{ readonly pep: Pep; readonly url: string }> {
  const { log } = options
  const started = await startStandIns(configured, options.env, log)
  for (const stand_in of Object.values(started.running)) closers.push(stand_in.close)
  Object.assign(stand_ins, started.running)
  const { env } = started
  const development = issuer?.issuer ?? (await neighbouringIssuer(started.config, folder))
  const config = development
    ? {
        ...started.config,
        identity: { issuers: [...started.config.identity.issuers, development] },
      }
    : started.config
  const pdp = local ?? (await remotePdp(options, config.pep, folder, closers))
  const registry = new Registry()
  const journal = await openedJournal(
    config.pep,
    base,
    folder,
    registry,
    master,
    log,
    options.dangerous_sealer,
  )
  closers.push(journal.close)
  const shipper = journal.ship(pdp)
  closers.push(() => shipper.drained(AbortSignal.timeout(DRAIN_MS)))
  const { heartbeat_ms } = config.pep.journal
  const life = await recordLife(journal, { heartbeat_ms, now: Date.now, log })
  closers.push(() => life.end())
  const pep = await createPep(config, {
    pdp,
    journal,
    log,
    env,
    maskKey: await maskKey(config.pep.mask_key, folder, env),
    registry,
  })
  closers.push(() => pep.close())
  const [url = ''] = await pep.listen()
  return { pep, url }
}

/** The development issuer of a decision service that runs on this folder in a process of its own. */
async function neighbouringIssuer(
  { development }: Configuration['pep'],
  folder: string,
): Promise<IssuerConfig | undefined> {
  if (!development) return undefined
  const text = await readFile(join(folder, DEMO_CLIENT_FILE), 'utf8').catch(() => undefined)
  return text === undefined
    ? undefined
    : agentIssuer((JSON.parse(text) as { issuer: string }).issuer)
}

async function remotePdp(
  { pdp_url, env }: StartOptions,
  config: Configuration['pep']['pep'],
  folder: string,
  closers: (() => Promise<unknown> | void)[],
): Promise<PdpClient> {
  const url = pdp_url ?? config.pdp.url
  if (url === undefined)
    throw new StartError('say where the decision service is: --pdp URL, or pep.pdp.url')
  const client = createHttpPdpClient({
    url: new URL(url),
    token: await pepToken(config.pdp.token, folder, env),
  })
  closers.push(client.close)
  return client
}
