import { createHash } from 'node:crypto'
import type { BundleContents } from '../bundle/bundle.ts'
import { BundleError } from '../bundle/errors.ts'
import { selfTest } from '../bundle/self-test.ts'
import { digestOfFiles } from '../bundle/source/read.ts'
import type { Revision } from '../contract/brand.ts'
import type { ExtractionProfile } from '../contract/profile.ts'
import { createEngine, type Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/errors.ts'
import { createDocuments, documentOf, packagesIn } from './documents.ts'
import { mergeData } from './merge-data.ts'
import type { ActivePolicy } from './policy.ts'

export type ActivationOptions = {
  /** sha256 hex of `countersign.yaml`: the revision covers it. */
  readonly config_digest: string
  /** Entrypoints that must be there, `a/b/c`. */
  readonly entrypoints?: readonly string[]
  readonly now: () => number
}

/**
 * Compile → instantiate → load data → self-test. What comes back answers; nothing before it is touched.
 * @throws {BundleError} and whatever was active stays so.
 */
export function activatePolicy(
  bundles: readonly BundleContents[],
  { config_digest, entrypoints = [], now }: ActivationOptions,
): ActivePolicy {
  refuseOverlaps(bundles)
  const data = mergeData(bundles)
  const documents = JSON.parse(Buffer.from(data).toString()) as unknown
  for (const { name, manifest } of bundles)
    for (const { entrypoint } of manifest.wasm)
      refuseShadowed(name, documentOf(entrypoint), documents)
  const engines = bundles.flatMap((bundle) => openEngine(bundle, data))
  const byEntrypoint = entrypointsOf(engines)
  for (const entrypoint of entrypoints)
    if (!byEntrypoint.has(entrypoint))
      throw new BundleError('BUNDLE_POLICY', `no bundle has the entrypoint ${entrypoint}`)
  const activated_ms = now()
  return {
    revision: revisionOf(bundles, config_digest),
    bundles: bundles.map(({ name, revision, digest }) => ({
      name,
      revision,
      digest,
      activated_ms,
    })),
    profile: profileOf(bundles),
    index: {
      complete: bundles.every(({ index }) => index.complete),
      rules: bundles.flatMap(({ index }) => index.rules),
      inputs: Object.assign({}, ...bundles.map(({ index }) => index.inputs)) as Record<
        string,
        string[]
      >,
    },
    modules: bundles
      .flatMap(({ name, modules }) =>
        [...modules].map(([path, raw]) => ({ id: `${name}/${path}`, raw })),
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    evaluate(entrypoint, input, options) {
      const engine = byEntrypoint.get(entrypoint)
      return engine
        ? engine.evaluate(entrypoint, input, options)
        : {
            ok: false,
            error: { code: 'ENGINE_ENTRYPOINT', message: `policy has no entrypoint ${entrypoint}` },
          }
    },
    document: createDocuments(byEntrypoint, data, packagesIn(bundles)),
  }
}

/** Two owners of one place would each be right. */
function refuseOverlaps(bundles: readonly BundleContents[]): void {
  if (bundles.length === 0) throw new BundleError('BUNDLE_READ', 'there is no bundle')
  for (const [at, one] of bundles.entries())
    for (const other of bundles.slice(at + 1)) {
      const root = commonRoot(one, other)
      if (root !== undefined && one.name !== other.name)
        throw new BundleError(
          'BUNDLE_CONFLICT',
          `${one.name} and ${other.name} both own data.${root.join('.')}`,
        )
    }
}

type Owner = Pick<BundleContents, 'manifest'>

/** @returns a root of the first that the second owns too, or a part of it. */
export function commonRoot(one: Owner, other: Owner): readonly string[] | undefined {
  const rootsOf = ({ manifest }: Owner): string[][] =>
    manifest.roots.map((root) => root.split('/').filter((part) => part !== ''))
  const others = rootsOf(other)
  return rootsOf(one).find((root) =>
    others.some((owned) => {
      const length = Math.min(root.length, owned.length)
      return root.slice(0, length).join('/') === owned.slice(0, length).join('/')
    }),
  )
}

/** Base data where a rule is would be one answer too many; as a package's own data it is not. */
function refuseShadowed(name: string, entrypoint: string, data: unknown): void {
  const path = entrypoint.split('/')
  let value = data
  for (const part of path) {
    if (value === undefined) return
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw conflict(name, entrypoint)
    value = (value as Record<string, unknown>)[part]
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (value !== undefined && !isObject) throw conflict(name, entrypoint)
}

const conflict = (name: string, entrypoint: string): BundleError =>
  new BundleError('BUNDLE_DATA', `${name}: data.json has a value where the rule ${entrypoint} is`)

function openEngine(bundle: BundleContents, data: Uint8Array): readonly Engine[] {
  const { wasm, manifest, name } = bundle
  if (!wasm) return []
  let engine: Engine
  try {
    engine = createEngine({ wasm, data, revision: manifest.revision })
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause
    const file = cause.code === 'ENGINE_DATA' ? 'data.json' : 'policy.wasm'
    throw new BundleError('BUNDLE_POLICY', `${name}: ${file}: ${cause.message}`, { cause })
  }
  for (const { entrypoint } of manifest.wasm)
    if (!engine.entrypoints.includes(entrypoint))
      throw new BundleError('BUNDLE_POLICY', `${name}: policy.wasm has no entrypoint ${entrypoint}`)
  const outside = engine.entrypoints.find((name) => !isOwned(documentOf(name), manifest.roots))
  if (outside !== undefined)
    throw new BundleError('BUNDLE_POLICY', `${name}: ${outside} is outside of the bundle's roots`)
  selfTest(engine, bundle.cases)
  return [engine]
}

const isOwned = (entrypoint: string, roots: readonly string[]): boolean =>
  roots.some((root) => {
    const path = root
      .split('/')
      .filter((part) => part !== '')
      .join('/')
    return path === '' || entrypoint === path || entrypoint.startsWith(`${path}/`)
  })

function entrypointsOf(engines: readonly Engine[]): ReadonlyMap<string, Engine> {
  const found = new Map<string, Engine>()
  for (const engine of engines)
    for (const entrypoint of engine.entrypoints) found.set(entrypoint, engine)
  return found
}

const NOTHING: ExtractionProfile = {
  detectors: [],
  custom_detectors: [],
  phrases: [],
  json_paths: [],
  inspect_bodies: [],
}

function profileOf(bundles: readonly BundleContents[]): ExtractionProfile {
  const [first, second] = bundles.filter(({ profile }) => profile !== undefined)
  if (first && second)
    throw new BundleError(
      'BUNDLE_CONFLICT',
      `${first.name} and ${second.name} both bring an extraction profile`,
    )
  return first?.profile ?? NOTHING
}

/** What decides: the files of every bundle and the configuration, in one hash; packed again, they are the same. */
export function revisionOf(bundles: readonly BundleContents[], config: string): Revision {
  const lines = bundles.map(({ name, files }) => `${name} ${digestOfFiles(files)}\n`).sort()
  const text = `countersign/revision/v3\n${lines.join('')}${config}\n`
  return createHash('sha256').update(text).digest('hex') as Revision
}
