import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve, sep } from 'node:path'
import canonicalize from 'canonicalize'
import { readArchive, writeArchive } from '../pdp/bundle/archive.ts'
import type { PolicyIndex } from '../pdp/bundle/policy-index.ts'
import type { SelfTestCase } from '../pdp/bundle/self-test.ts'
import { DOCUMENTS } from '../pdp/policy/documents.ts'
import { compileRego, regoErrors, RegoError, withRego } from './compile-rego.ts'
import { findOpa, type Opa, OPA_VERSION } from './opa.ts'
import { loadCases } from './policy-data/cases.ts'
import { decideWithOpa } from './policy-data/evaluate-opa.ts'
import { readPolicyData } from './policy-data/read.ts'
import { makePolicyIndex } from './policy-index.ts'
import { documentsModule, regoDocuments } from './rego-documents.ts'
import { type Prepared, prepareData } from './prepare-data.ts'

export type BuildOptions = {
  /** Folder with rules at any depth and `data/*.yaml`. */
  readonly source: string
  /** Path of the bundle, `….tar.gz`. */
  readonly out: string
  readonly entrypoints?: readonly string[]
  /** Folder of decision cases that the bundle brings along as its self-test. Default: `test/decisions` beside the source, if there. */
  readonly cases?: string | false
  readonly prepare?: (sources: Readonly<Record<string, unknown>>) => Prepared
  /** OPA of the pinned version; found when it is not given. */
  readonly opa?: Opa
}

export type BuiltBundle = {
  readonly path: string
  /** sha256 hex over all that the bundle was made of. */
  readonly revision: string
  /** sha256 hex of the file. */
  readonly sha256: string
  readonly bytes: number
}

export const DEFAULT_SOURCE = 'rego'
export const DEFAULT_BUNDLE = 'bundles/default.tar.gz'
const DECISION = 'countersign/decision/decision'
const MOST_UNPACKED_BYTES = 256 * 1024 * 1024

/** The sources cannot be built; the message is OPA's or the data's own, with file and line. */
export class BuildError extends Error {
  readonly code: 'BUILD_OPA' | 'BUILD_DATA' | 'BUILD_REGO'
  constructor(code: BuildError['code'], message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'BuildError'
    this.code = code
  }
}

/**
 * Builds a bundle in OPA's format, with the sources and the extraction profile in it. The same sources give the same
 * bytes, on any machine: no times, no compressor, one version of OPA.
 * @throws {BuildError} and leaves `out` as it was.
 */
export async function buildBundle(options: BuildOptions): Promise<BuiltBundle> {
  const wanted = options.entrypoints ?? [DECISION]
  const opa = options.opa ?? (await pinnedOpa())
  const rego = await readRego(options.source)
  const { data, profile } = await readData(options)
  const documents = await located(opa, options.source, rego, () => regoDocuments(opa.run, rego))
  const entrypoints = [...wanted, ...documents.map((path) => `${DOCUMENTS}/all/${path}`)].sort()
  const compiled = new Map<string, string | Uint8Array>([
    ...rego,
    [`${DOCUMENTS}.rego`, documentsModule(documents)],
  ])
  const wasm = await located(opa, options.source, rego, () =>
    compileRego(opa, compiled, entrypoints, capabilitiesOf(options.source)),
  )
  const [index, cases] = await Promise.all([
    located(opa, options.source, rego, () => indexOf(opa, options.source, rego, wanted)),
    selfTest(opa, options, rego, data),
  ])

  const files = new Map<string, Uint8Array>(rego)
  files.set('data.json', json(data))
  files.set('extraction.json', json(profile))
  files.set('policy.wasm', wasm)
  files.set('policy-index.json', json(index))
  if (cases.length > 0) files.set('self-test.json', json(cases))
  const revision = contentHash(files)
  const manifest = {
    metadata: { opa: OPA_VERSION },
    rego_version: 1,
    revision,
    roots: roots(data, rego),
    wasm: entrypoints.map((entrypoint) => ({ entrypoint, module: '/policy.wasm' })),
  }
  files.set('.manifest', json(manifest))

  const archive = writeArchive(files)
  await replaceFile(options.out, archive)
  const sha256 = createHash('sha256').update(archive).digest('hex')
  return { path: options.out, revision, sha256, bytes: archive.length }
}

/**
 * Builds again, beside, and compares.
 * @returns what differs, one line each; empty when the committed bundle is what its sources build.
 * @throws {BuildError}
 */
export async function checkBundleIsCurrent(
  options: Partial<BuildOptions> = {},
): Promise<readonly string[]> {
  const { source = DEFAULT_SOURCE, out = DEFAULT_BUNDLE, ...rest } = options
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bundle-'))
  try {
    const built = await buildBundle({ ...rest, source, out: join(folder, 'built.tar.gz') })
    const wanted = await readFile(built.path)
    const committed = await readFile(out).catch(() => undefined)
    if (committed === undefined) return [`${out}: is missing; run countersign policy build`]
    if (committed.equals(wanted)) return []
    const differing = differences(committed, wanted)
    const which = differing.length > 0 ? differing.join(', ') : 'the archive'
    return [`${out}: is not what ${source}/ builds (${which}); run countersign policy build`]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function differences(committed: Uint8Array, built: Uint8Array): string[] {
  let old: ReadonlyMap<string, Uint8Array>
  try {
    old = readArchive(committed, MOST_UNPACKED_BYTES)
  } catch (error) {
    return [`cannot be read: ${(error as Error).message}`]
  }
  const now = readArchive(built, MOST_UNPACKED_BYTES)
  const names = [...new Set([...old.keys(), ...now.keys()])].sort()
  return names.filter((name) => {
    const [a, b] = [old.get(name), now.get(name)]
    return a === undefined || b === undefined || Buffer.compare(a, b) !== 0
  })
}

async function pinnedOpa(): Promise<Opa> {
  const found = await findOpa({ purpose: 'build' })
  if (found.ok) return found.value
  throw new BuildError('BUILD_OPA', found.error.message)
}

/** Rules by path from the source folder, with `/`; tests stay behind. */
async function readRego(source: string): Promise<Map<string, Uint8Array>> {
  const names = (await readdir(source, { recursive: true }))
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('.rego') && !name.endsWith('_test.rego'))
    .sort()
  if (names.length === 0) throw new BuildError('BUILD_REGO', `${source}: there are no .rego files`)
  const files = new Map<string, Uint8Array>()
  for (const name of names) files.set(name, await readFile(join(source, name)))
  return files
}

async function readData({ source, prepare = prepareData }: BuildOptions): Promise<Prepared> {
  try {
    return prepare(await readPolicyData(join(source, 'data')))
  } catch (cause) {
    throw new BuildError('BUILD_DATA', (cause as Error).message, { cause })
  }
}

const indexOf = (
  opa: Opa,
  source: string,
  rego: ReadonlyMap<string, Uint8Array>,
  entrypoints: readonly string[],
): Promise<PolicyIndex> =>
  withRego(rego, (folder) => makePolicyIndex(opa.run, folder, resolve(source, 'data'), entrypoints))

/** The decision cases with what OPA says of them; an engine that says otherwise never goes live. */
async function selfTest(
  opa: Opa,
  { source, cases: folder = join(dirname(source), 'test', 'decisions') }: BuildOptions,
  rego: ReadonlyMap<string, Uint8Array>,
  data: Readonly<Record<string, unknown>>,
): Promise<SelfTestCase[]> {
  if (folder === false || !existsSync(folder)) return []
  const cases = await loadCases(folder)
  const inputs = cases.map((one) => one.input)
  const verdicts = await withRego(rego, (rules) =>
    decideWithOpa(opa.run, { folder: rules, data }, inputs),
  )
  return cases.map(({ description, input }, at) => ({
    description,
    entrypoint: DECISION,
    input,
    ...(verdicts[at] !== undefined && { want: verdicts[at] }),
  }))
}

/** OPA's errors with paths as its reader has them. @throws {BuildError} BUILD_REGO */
async function located<T>(
  opa: Opa,
  source: string,
  rego: ReadonlyMap<string, Uint8Array>,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (!(cause instanceof RegoError)) throw cause
    const found = (await regoErrors(opa, rego, capabilitiesOf(source))) ?? cause.message
    const message = found.replace(/(\S+\.rego)(?=:\d)/g, (name) =>
      rego.has(name) ? join(source, name) : name,
    )
    throw new BuildError('BUILD_REGO', message, { cause })
  }
}

/** Beside the rules; a source without it may call whatever OPA has. */
function capabilitiesOf(source: string): string | undefined {
  const path = join(source, 'capabilities.json')
  return existsSync(path) ? path : undefined
}

/** Top-level names of data and packages: what the bundle owns below `data`. */
function roots(
  data: Readonly<Record<string, unknown>>,
  rego: ReadonlyMap<string, Uint8Array>,
): string[] {
  const packages = [...rego.values()].flatMap((content) => {
    const name = /^package\s+(\w+)/m.exec(Buffer.from(content).toString())?.[1]
    return name === undefined ? [] : [name]
  })
  return [...new Set([...Object.keys(data), ...packages])].sort()
}

/** RFC 8785: keys in one order, numbers in one form. */
function json(value: unknown): Uint8Array {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('there is no JSON of this value')
  return Buffer.from(`${text}\n`)
}

/** sha256 over names, lengths and contents, in the order of names. */
function contentHash(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256')
  for (const name of [...files.keys()].sort()) {
    const content = files.get(name) ?? new Uint8Array()
    hash.update(`${JSON.stringify(name)} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

/** A reader sees the old file or the new one. */
async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}`)
  try {
    await writeFile(beside, content)
    await rename(beside, path)
  } finally {
    await rm(beside, { force: true })
  }
}
