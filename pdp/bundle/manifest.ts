import { z } from 'zod'
import { BundleError } from './errors.ts'

/** Data is compared with every root, as deep as the longest goes. */
const MOST_ROOTS = 256
const MOST_ROOT = 512

/** OPA's `.manifest`; what OPA adds beside is left alone. */
const manifestSchema = z.looseObject({
  revision: z.string().min(1),
  /** Paths below `data` that the bundle owns; `""` is all of it. */
  roots: z.array(z.string().max(MOST_ROOT)).max(MOST_ROOTS).default(['']),
  wasm: z
    .array(z.looseObject({ entrypoint: z.string(), module: z.literal('/policy.wasm') }))
    .default([]),
})

export type Manifest = z.infer<typeof manifestSchema>

/** @throws {BundleError} BUNDLE_MANIFEST */
export function readManifest(content: Uint8Array): Manifest {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content))
  } catch (cause) {
    throw new BundleError('BUNDLE_MANIFEST', `.manifest is not JSON`, { cause })
  }
  const parsed = manifestSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new BundleError('BUNDLE_MANIFEST', `.manifest: ${where}: ${issue?.message ?? 'not valid'}`)
}

/**
 * Data must lie within the roots, as OPA demands.
 * @throws {BundleError} BUNDLE_DATA
 */
export function checkRoots(
  roots: readonly string[],
  data: Readonly<Record<string, unknown>>,
): void {
  const owned = roots.map((root) => root.split('/').filter((part) => part !== ''))
  const visit = (value: unknown, path: readonly string[]): void => {
    const within = owned.filter((root) => startsWith(root, path) || startsWith(path, root))
    if (within.some((root) => startsWith(path, root))) return
    if (within.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value))
      throw new BundleError('BUNDLE_DATA', `data.json: /${path.join('/')} is outside of the roots`)
    for (const [key, one] of Object.entries(value)) visit(one, [...path, key])
  }
  visit(data, [])
}

const startsWith = (path: readonly string[], start: readonly string[]): boolean =>
  start.every((part, at) => path[at] === part)
