import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { verificationKey, type VerificationKey } from '../../pdp/bundle/keys.ts'
import { createLastKnownGood } from '../../pdp/bundle/last-known-good.ts'
import { verifySignatures } from '../../pdp/bundle/signatures.ts'
import type { BundleConfig } from '../../pdp/bundle/source/config.ts'
import { fileSource } from '../../pdp/bundle/source/file.ts'
import { folderSource } from '../../pdp/bundle/source/folder.ts'
import { httpSource } from '../../pdp/bundle/source/http.ts'
import type { BundleSource } from '../../pdp/bundle/source/source.ts'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import type { PdpMetrics } from '../../pdp/metrics.ts'
import {
  type ManagedBundle,
  type ManagerParts,
  type PolicyManager,
  startPolicyManager,
} from '../../pdp/policy/manager.ts'
import type { Log } from '../../server/log.ts'
import { type Configuration, DEFAULT_BUNDLE_PATH, StartError, within } from './config.ts'
import { developmentSource } from './develop.ts'
import { required } from './secrets.ts'

export type PoliciesOptions = {
  readonly configuration: Configuration
  /** The service's own folder. */
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly metrics: PdpMetrics
}

/** Starts what keeps the live policy. @throws {BundleError} when there is none to begin with. */
export async function livePolicies(
  options: PoliciesOptions,
  onActivated: ManagerParts['onActivated'],
): Promise<PolicyManager> {
  const { bundle, bundles } = options.configuration.pdp.pdp
  const all = bundles
    ? await Promise.all(bundles.map((one) => managed(options, one)))
    : [single(options, bundle)]
  return manage(options, all, onActivated)
}

/** Starts what keeps the candidate; `undefined` when none is configured. */
export async function candidatePolicies(
  options: PoliciesOptions,
): Promise<PolicyManager | undefined> {
  const { shadow } = options.configuration.pdp.pdp
  if (!shadow) return undefined
  const bundles = shadow.bundles.map((one) => ({ ...one, name: `shadow-${one.name}` }))
  return manage(options, await Promise.all(bundles.map((one) => managed(options, one))))
}

function manage(
  { configuration, metrics, log }: PoliciesOptions,
  bundles: readonly ManagedBundle[],
  onActivated?: ManagerParts['onActivated'],
): Promise<PolicyManager> {
  return startPolicyManager({
    bundles,
    ...(onActivated && { onActivated }),
    config_digest: configuration.digest,
    entrypoints: [DECISION_ENTRYPOINT],
    metrics,
    log,
    now: Date.now,
  })
}

/** `pdp.bundle`, or the bundle that comes along; in development what its sources build. */
function single(
  { configuration, folder }: PoliciesOptions,
  path: string | undefined,
): ManagedBundle {
  const { base, pdp } = configuration
  const bundle = path === undefined ? DEFAULT_BUNDLE_PATH : within(base, path)
  const sources = join(bundle, '..', '..', 'rego')
  const develops = pdp.development && existsSync(join(sources, 'data'))
  const source = develops
    ? developmentSource({
        name: 'default',
        bundle,
        sources,
        cases: join(sources, '..', 'test', 'decisions'),
        out: join(folder, 'development.tar.gz'),
      })
    : fileSource('default', bundle)
  return { source, verify: () => {} }
}

async function managed(options: PoliciesOptions, config: BundleConfig): Promise<ManagedBundle> {
  const { folder } = options
  const persist = config.persist ?? config.url !== undefined
  return {
    source: sourceOf(options, config),
    verify: await verifierOf(options, config),
    ...(persist && { kept: createLastKnownGood(join(folder, 'bundles'), config.name) }),
  }
}

/** Unsigned bundles are taken where the configuration does not say who signs them. */
async function verifierOf(
  { configuration, env }: PoliciesOptions,
  { name, signing }: BundleConfig,
): Promise<ManagedBundle['verify']> {
  if (!signing) return () => {}
  const { bundle_keys } = configuration.pdp.pdp
  const keys: VerificationKey[] = []
  for (const id of signing.keys) {
    const key = bundle_keys[id]
    if (!key)
      throw new StartError(`pdp.bundles ${name}: there is no key ${id} under pdp.bundle_keys`)
    const text = await required(key.key, env, `pdp.bundle_keys ${id}`)
    keys.push(verificationKey(id, key.algorithm, text, key.scope))
  }
  const { scope, exclude_files: excludeFiles } = signing
  return ({ files }) => verifySignatures(files, { keys, scope, excludeFiles })
}

function sourceOf({ configuration, env }: PoliciesOptions, config: BundleConfig): BundleSource {
  const { name, file, folder, url, token, polling, headers } = config
  if (file !== undefined) return fileSource(name, within(configuration.base, file))
  if (folder !== undefined) return folderSource(name, within(configuration.base, folder))
  return httpSource({
    name,
    url: new URL(url ?? ''),
    polling,
    headers,
    ...(token && { token: () => required(token, env, `pdp.bundles ${name} token`) }),
  })
}
