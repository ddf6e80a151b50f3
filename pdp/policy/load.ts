import { type BundleContents, readBundle } from '../bundle/bundle.ts'
import { BundleError } from '../bundle/errors.ts'
import { fetchedArchive, readLimited } from '../bundle/source/read.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { activatePolicy } from './activate.ts'
import type { ActivePolicy } from './policy.ts'

export type LoadOptions = {
  readonly entrypoints?: readonly string[]
  readonly config_digest?: string
}

/**
 * Loads one bundle from a file as it would be activated, for tools that ask it themselves.
 * @returns a policy that answers, or why the bundle is refused.
 */
export async function loadPolicy(
  path: string,
  options: LoadOptions = {},
): Promise<
  Result<{ readonly policy: ActivePolicy; readonly bundle: BundleContents }, BundleError>
> {
  try {
    const bytes = await readLimited(path)
    const bundle = openBundle(path, bytes)
    const { entrypoints = [], config_digest = '' } = options
    return ok({
      bundle,
      policy: activatePolicy([bundle], { entrypoints, config_digest, now: Date.now }),
    })
  } catch (cause) {
    // Fail closed: also a defect of ours refuses the bundle, and the one before stays active.
    const code = cause instanceof BundleError ? cause.code : 'BUNDLE_INTERNAL'
    return err(new BundleError(code, `${path}: ${(cause as Error).message}`, { cause }))
  }
}

/** @throws {BundleError} */
export function openBundle(name: string, bytes: Uint8Array): BundleContents {
  const { digest, files } = fetchedArchive(bytes)
  return readBundle(name, digest, files)
}
