import { z } from 'zod'
import { extractionProfile, type ExtractionProfile } from '../contract/profile.ts'
import type { ArchiveFiles } from './archive.ts'
import { BundleError } from './errors.ts'
import { checkRoots, type Manifest, readManifest } from './manifest.ts'
import { NO_INDEX, policyIndex, type PolicyIndex } from './policy-index.ts'
import { type SelfTestCase, selfTestCases } from './self-test.ts'

/** What is in a bundle, read and checked as far as it can be without running it. */
export type BundleContents = {
  /** Its name in the configuration. */
  readonly name: string
  /** sha256 hex of the bundle as it came. */
  readonly digest: string
  /** The manifest's revision. */
  readonly revision: string
  /** All of it, to be kept with what it decided. */
  readonly files: ArchiveFiles
  readonly manifest: Manifest
  /** The data document as JSON. */
  readonly data: Uint8Array
  /** The policy module; a bundle may have data alone. */
  readonly wasm: Uint8Array | undefined
  /** What enforcement points extract; one bundle of all has it. */
  readonly profile: ExtractionProfile | undefined
  readonly index: PolicyIndex
  readonly cases: readonly SelfTestCase[]
  /** Rego sources by path. */
  readonly modules: ReadonlyMap<string, string>
}

/**
 * Reads a bundle's files. Everything that OPA would load and we would leave out is refused, because a rule or its data
 * would be missing.
 * @throws {BundleError}
 */
export function readBundle(name: string, digest: string, files: ArchiveFiles): BundleContents {
  refuseUnsupported(files)
  const manifest = readManifest(required(files, '.manifest', 'BUNDLE_MANIFEST'))
  const data = files.get('data.json') ?? NO_DATA
  checkRoots(manifest.roots, jsonObject(data, 'data.json', 'BUNDLE_DATA'))
  const wasm = files.get('policy.wasm')
  if (
    !wasm &&
    (manifest.wasm.length > 0 || [...files.keys()].some((path) => path.endsWith('.rego')))
  )
    throw new BundleError(
      'BUNDLE_POLICY',
      'policy.wasm is missing: build with countersign policy build, or opa build --target wasm',
    )
  return {
    name,
    digest,
    revision: manifest.revision,
    files,
    manifest,
    data,
    wasm,
    profile: optional(files, 'extraction.json', extractionProfile, 'BUNDLE_PROFILE'),
    index: optional(files, 'policy-index.json', policyIndex, 'BUNDLE_INDEX') ?? NO_INDEX,
    cases: optional(files, 'self-test.json', selfTestCases, 'BUNDLE_SELF_TEST') ?? [],
    modules: new Map(
      [...files]
        .filter(([path]) => path.endsWith('.rego'))
        .map(([path, content]) => [path, utf8(content, path, 'BUNDLE_ARCHIVE')]),
    ),
  }
}

const NO_DATA: Uint8Array = Buffer.from('{}')

/** Files that mean something to OPA and that we would leave out, so that a rule or its data would be missing. */
function refuseUnsupported(files: ArchiveFiles): void {
  for (const path of files.keys()) {
    const name = path.split('/').at(-1) ?? ''
    const why =
      name === 'patch.json'
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

function json(content: Uint8Array, path: string, code: BundleError['code']): unknown {
  try {
    return JSON.parse(utf8(content, path, code))
  } catch (cause) {
    if (cause instanceof BundleError) throw cause
    throw new BundleError(code, `${path} is not JSON (${(cause as Error).message})`, { cause })
  }
}

function jsonObject(
  content: Uint8Array,
  path: string,
  code: BundleError['code'],
): Record<string, unknown> {
  const value = json(content, path, code)
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new BundleError(code, `${path} is not a JSON object`)
}

/** A file of ours in another's format: absent, or right. */
function optional<T>(
  files: ArchiveFiles,
  path: string,
  schema: z.ZodType<T>,
  code: BundleError['code'],
): T | undefined {
  const content = files.get(path)
  if (!content) return undefined
  const parsed = schema.safeParse(json(content, path, code))
  if (parsed.success) return parsed.data
  throw new BundleError(code, `${path}: ${z.prettifyError(parsed.error)}`)
}
