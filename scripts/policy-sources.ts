import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BundleContents } from '../pdp/bundle/bundle.ts'
import { DECISION_ENTRYPOINT } from '../pdp/decide/ask.ts'
import { readLimited } from '../pdp/bundle/source/read.ts'
import { loadPolicy, openBundle } from '../pdp/policy/load.ts'
import type { ActivePolicy } from '../pdp/policy/policy.ts'
import { buildBundle } from './build-bundle.ts'

/**
 * A policy for a comparison.
 * @param what a bundle, a folder of sources, or `git:<revision>`.
 * @throws {Error} that says what cannot be read or built.
 */
export async function policyOf(what: string): Promise<ActivePolicy> {
  const loaded = await withBundle(what, (path) =>
    loadPolicy(path, { entrypoints: [DECISION_ENTRYPOINT] }),
  )
  if (!loaded.ok) throw loaded.error
  return loaded.value.policy
}

/** The same as a bundle, to be activated beside others. @throws {Error} as `policyOf`. */
export const contentsOf = (what: string): Promise<BundleContents> =>
  withBundle(what, async (path) => {
    try {
      return openBundle(what, await readLimited(path))
    } catch (cause) {
      throw new Error(`${what}: ${(cause as Error).message}`, { cause })
    }
  })

/** @param use of a file, which may be gone afterwards. */
async function withBundle<T>(what: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-policy-'))
  try {
    return await use(await bundleOf(what, folder))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function bundleOf(what: string, folder: string): Promise<string> {
  const out = join(folder, 'bundle.tar.gz')
  if (what.startsWith('git:')) {
    const source = join(folder, 'rego')
    await extract(what.slice('git:'.length), folder)
    await buildBundle({ source, out, cases: false })
    return out
  }
  const found = await stat(what).catch(() => undefined)
  if (!found) throw new Error(`${what}: there is no bundle, folder or git:<revision> of this name`)
  if (!found.isDirectory()) return what
  await buildBundle({ source: what, out, cases: false })
  return out
}

/** The sources at a revision, without touching what is checked out. */
function extract(revision: string, folder: string): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/~^@{}-]*$/.test(revision))
    throw new Error(`git:${revision}: not a revision`)
  const archive = join(folder, 'sources.tar')
  const run = (file: string, args: readonly string[]): Promise<void> =>
    new Promise((done, fail) => {
      execFile(file, args, (error, _, stderr) => {
        if (error) fail(new Error(`git:${revision}: ${stderr.trim() || error.message}`))
        else done()
      })
    })
  return run('git', ['archive', '--format', 'tar', '--output', archive, revision, 'rego']).then(
    () => run('tar', ['-xf', archive, '-C', folder]),
  )
}
