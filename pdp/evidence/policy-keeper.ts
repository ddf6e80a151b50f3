import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Log } from '../../server/log.ts'
import { writeArchive } from '../bundle/archive.ts'
import type { BundleContents } from '../bundle/bundle.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import type { KeptPolicy, PolicyStore } from '../store/store.ts'

/** Puts on record which policy is active, and keeps it, so that what it decided can be decided again. */
export type PolicyKeeper = {
  readonly activated: (policy: ActivePolicy, bundles: readonly BundleContents[]) => void
  /** From now on there is a store; what was activated before is kept first. */
  readonly begin: (policies: PolicyStore) => void
  readonly close: () => Promise<void>
}

export type PolicyKeeperOptions = {
  /** Of `countersign.yaml`: revisions cover it. */
  readonly config_digest: string
  readonly log: Log
  readonly now: () => number
  /** First wait before it is tried again, milliseconds; doubles up to a minute. */
  readonly retry_ms?: number
}

const MAX_WAIT_MS = 60_000

export function createPolicyKeeper(options: PolicyKeeperOptions): PolicyKeeper {
  const { config_digest, log, now, retry_ms = 500 } = options
  const waiting: { readonly policy: KeptPolicy; readonly at_ms: number }[] = []
  const ending = new AbortController()
  let store: PolicyStore | undefined
  let running: Promise<void> | undefined

  async function keepAll(to: PolicyStore): Promise<void> {
    let wait_ms = retry_ms
    for (let [first] = waiting; first && !ending.signal.aborted; [first] = waiting) {
      try {
        await to.keep(first.policy, first.at_ms)
        waiting.shift()
        wait_ms = retry_ms
      } catch (error) {
        // It decides all the same; until it is kept, decisions of it are named as of a policy that nobody has.
        log('error', 'policy.not_recorded', {
          revision: first.policy.revision,
          error: String(error),
        })
        await sleep(wait_ms, undefined, { signal: ending.signal, ref: false }).catch(
          () => undefined,
        )
        wait_ms = Math.min(wait_ms * 2, MAX_WAIT_MS)
      }
    }
    running = undefined
  }

  const wake = (): void => {
    // With nothing to keep it would end before it is known to run, and be taken for running ever after.
    if (store && waiting.length > 0) running ??= keepAll(store)
  }

  return {
    activated({ revision }, bundles) {
      const kept = bundles.flatMap((bundle) => keptBundle(bundle, log))
      // Without one of its bundles it is no policy.
      if (kept.length < bundles.length) return
      waiting.push({ policy: { revision, config_digest, bundles: kept }, at_ms: now() })
      wake()
    },
    begin(policies) {
      store = policies
      wake()
    },
    async close() {
      ending.abort()
      await running
    },
  }
}

/** What `countersign policy build --git` adds to a manifest. */
const metadata = z.looseObject({
  metadata: z.looseObject({ git_revision: z.string().min(1).max(128).optional() }).optional(),
})

function keptBundle(
  { name, revision, digest, files, manifest }: BundleContents,
  log: Log,
): KeptPolicy['bundles'] {
  const git_revision = metadata.safeParse(manifest).data?.metadata?.git_revision
  try {
    const archive = writeArchive(files)
    return [
      { name, revision, digest, ...(git_revision !== undefined && { git_revision }), archive },
    ]
  } catch (error) {
    // A path that no tar of ours takes: what this policy decides cannot be decided again from the record.
    log('error', 'policy.not_recorded', { bundle: name, error: String(error) })
    return []
  }
}
