import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { extractionProfile, type ExtractionProfile } from '../contract/profile.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { createEngine, type Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/errors.ts'
import { type ArchiveFiles, readArchive } from './archive.ts'
import { BundleError } from './errors.ts'
import { checkRoots, type Manifest, readManifest } from './manifest.ts'

/** A policy that was verified, loaded and tried. */
export type Bundle = {
  /** sha256 hex of the file. */
  readonly digest: string
  /** The manifest's revision: a hash of the sources. */
  readonly revision: string
  readonly manifest: Manifest
  readonly profile: ExtractionProfile
  readonly engine: Engine
  /** Rego sources by path, for explanations. */
  readonly sources: ReadonlyMap<string, string>
}

export type BundleOptions = {
  /** Entrypoints that the bundle must have, `a/b/c`. */
  readonly entrypoints?: readonly string[]
  /** Most bytes of the file. Default 64 MiB; unpacked it may have four times as many. */
  readonly mostBytes?: number
}

const MOST_BYTES = 64 * 1024 * 1024
const UNPACKED = 4

/**
 * Verify → compile → instantiate → load data → try.
 * @returns a bundle that answers, or why it was refused; then whatever was active stays so.
 */
export async function loadBundle(
  path: string,
  options: BundleOptions = {},
): Promise<Result<Bundle, BundleError>> {
  const mostBytes = options.mostBytes ?? MOST_BYTES
  try {
    return ok(openBundle(await readLimited(path, mostBytes), options))
  } catch (cause) {
    // Fail closed: also a defect of ours refuses the bundle, and the one before stays active.
    const code = cause instanceof BundleError ? cause.code : 'BUNDLE_INTERNAL'
    return err(new BundleError(code, `${path}: ${(cause as Error).message}`, { cause }))
  }
}

/** @throws {BundleError} */
export function openBundle(bytes: Uint8Array, options: BundleOptions = {}): Bundle {
  const files = readArchive(bytes, UNPACKED * (options.mostBytes ?? MOST_BYTES))
  refuseUnsupported(files)
  const manifest = readManifest(required(files, '.manifest', 'BUNDLE_MANIFEST'))
  const data = required(files, 'data.json', 'BUNDLE_DATA')
  checkRoots(manifest.roots, jsonObject(data, 'data.json', 'BUNDLE_DATA'))
  const profile = readProfile(required(files, 'extraction.json', 'BUNDLE_PROFILE'))
  const wasm = required(files, 'policy.wasm', 'BUNDLE_POLICY')
  const engine = openEngine(wasm, data, manifest)
  checkEntrypoints(engine, manifest, options.entrypoints ?? [])
  selfTest(engine)
  return {
    digest: createHash('sha256').update(bytes).digest('hex'),
    revision: manifest.revision,
    manifest,
    profile,
    engine,
    sources: new Map(
      [...files]
        .filter(([path]) => path.endsWith('.rego'))
        .map(([path, content]) => [path, utf8(content, path, 'BUNDLE_ARCHIVE')]),
    ),
  }
}

/** Never reads more than the limit, whatever the file system says of the size. */
async function readLimited(path: string, mostBytes: number): Promise<Uint8Array> {
  try {
    await using file = await open(path)
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of file.createReadStream({ autoClose: false, end: mostBytes })) {
      chunks.push(chunk as Uint8Array)
      bytes += (chunk as Uint8Array).length
    }
    if (bytes > mostBytes)
      throw new BundleError('BUNDLE_TOO_LARGE', `has more than ${mostBytes} bytes`)
    return Buffer.concat(chunks)
  } catch (cause) {
    if (cause instanceof BundleError) throw cause
    throw new BundleError('BUNDLE_READ', `cannot be read (${(cause as Error).message})`, { cause })
  }
}

/** Files that mean something to OPA and that we would leave out, so that a rule or its data would be missing. */
function refuseUnsupported(files: ArchiveFiles): void {
  for (const path of files.keys()) {
    const name = path.split('/').at(-1) ?? ''
    const why =
      path === '.signatures.json'
        ? 'signatures cannot be verified'
        : name === 'patch.json'
          ? 'delta bundles are not supported'
          : (name === 'data.json' && path !== 'data.json') || /^data\.ya?ml$/.test(name)
            ? 'all data must be in /data.json'
            : name.endsWith('.wasm') && path !== 'policy.wasm'
              ? 'the only module may be /policy.wasm'
              : undefined
    if (why !== undefined) throw new BundleError('BUNDLE_UNSUPPORTED', `${path}: ${why}`)
  }
}

function required(files: ArchiveFiles, path: string, code: BundleError['code']): Uint8Array {
  const content = files.get(path)
  if (!content)
    throw new BundleError(code, `${path} is missing; build with countersign policy build`)
  return content
}

function utf8(content: Uint8Array, path: string, code: BundleError['code']): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch (cause) {
    throw new BundleError(code, `${path} is not UTF-8`, { cause })
  }
}

function jsonObject(
  content: Uint8Array,
  path: string,
  code: BundleError['code'],
): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(utf8(content, path, code))
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch (cause) {
    if (cause instanceof BundleError) throw cause
    throw new BundleError(code, `${path} is not JSON (${(cause as Error).message})`, { cause })
  }
  throw new BundleError(code, `${path} is not a JSON object`)
}

function readProfile(content: Uint8Array): ExtractionProfile {
  const parsed = extractionProfile.safeParse(
    jsonObject(content, 'extraction.json', 'BUNDLE_PROFILE'),
  )
  if (parsed.success) return parsed.data
  throw new BundleError('BUNDLE_PROFILE', `extraction.json: ${parsed.error.message}`)
}

function openEngine(wasm: Uint8Array, data: Uint8Array, manifest: Manifest): Engine {
  try {
    return createEngine({ wasm, data, revision: manifest.revision })
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause
    const file = cause.code === 'ENGINE_DATA' ? 'data.json' : 'policy.wasm'
    throw new BundleError('BUNDLE_POLICY', `${file}: ${cause.message}`, { cause })
  }
}

function checkEntrypoints(engine: Engine, manifest: Manifest, wanted: readonly string[]): void {
  for (const entrypoint of [...manifest.wasm.map((one) => one.entrypoint), ...wanted]) {
    if (!engine.entrypoints.includes(entrypoint))
      throw new BundleError('BUNDLE_POLICY', `policy.wasm has no entrypoint ${entrypoint}`)
  }
}

/** Asks every entrypoint about an empty request: no answer is an answer, a failure is not. */
function selfTest(engine: Engine): void {
  for (const entrypoint of engine.entrypoints) {
    const answer = engine.evaluate(entrypoint, {})
    if (answer.ok) continue
    const { code, message } = answer.error
    throw new BundleError('BUNDLE_SELF_TEST', `${entrypoint} fails on {}: ${code} ${message}`)
  }
}
