import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BundleError } from '../../pdp/bundle/errors.ts'
import { changed } from '../../pdp/bundle/source/change.ts'
import { digestOf, fetchedArchive, readLimited } from '../../pdp/bundle/source/read.ts'
import type { BundleSource } from '../../pdp/bundle/source/source.ts'
import { BuildError, buildBundle } from '../build-bundle.ts'

/**
 * The policy of a running development service: the committed bundle to begin with, and from then on what its sources
 * build, as soon as one of them is saved. Built beside, never into `bundles/`.
 */
export function developmentSource(options: {
  readonly name: string
  readonly bundle: string
  /** Rules and data. */
  readonly sources: string
  /** Decision cases, the bundle's self-test. */
  readonly cases: string
  /** Where it is built, of this process alone. */
  readonly out: string
}): BundleSource {
  const { name, bundle, sources, cases, out } = options
  const look = (): Promise<string> => listing(sources).catch(() => 'missing')
  let started = false
  // Nothing was built yet: the first wait ends at once.
  let seen: string | undefined

  return {
    name,
    where: sources,
    async read(known) {
      if (!started) {
        started = true
        return fetchedArchive(await readLimited(bundle))
      }
      const first = seen === undefined
      seen = await look()
      try {
        await buildBundle({ source: sources, out, cases: cases })
      } catch (cause) {
        if (!(cause instanceof BuildError)) throw cause
        // Without OPA nobody can edit policy here; the committed bundle is what they run.
        if (first && cause.code === 'BUILD_OPA') return 'unchanged'
        throw new BundleError('BUNDLE_BUILD', cause.message, { cause })
      }
      const bytes = await readLimited(out)
      await rm(out, { force: true })
      return digestOf(bytes) === known ? 'unchanged' : fetchedArchive(bytes)
    },
    wait: (signal) => changed(sources, true, seen, look, signal),
  }
}

async function listing(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(
    (entry) => entry.isFile() && /\.(?:rego|ya?ml|json)$/.test(entry.name),
  )
  const lines = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    const { ino, mtimeMs, size } = await stat(path)
    return `${path} ${ino} ${mtimeMs} ${size}`
  })
  return (await Promise.all(lines)).sort().join('\n')
}
