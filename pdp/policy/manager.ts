import { type BundleContents, readBundle } from '../bundle/bundle.ts'
import { BundleError } from '../bundle/errors.ts'
import type { LastKnownGood } from '../bundle/last-known-good.ts'
import type { BundleSource, Fetched } from '../bundle/source/source.ts'
import type { Log } from '../../server/log.ts'
import type { PdpMetrics } from '../metrics.ts'
import { activatePolicy } from './activate.ts'
import type { ActivePolicy } from './policy.ts'

/** One bundle of the configuration with what belongs to it. */
export type ManagedBundle = {
  readonly source: BundleSource
  /** Throws when the files are not signed as the configuration wants. */
  readonly verify: (fetched: Fetched) => void
  /** Kept on disk, so that a restart does not need the source. */
  readonly kept?: LastKnownGood
}

/** How a bundle stands, for `/health` and people. */
export type BundleStatus = {
  readonly name: string
  readonly where: string
  readonly active: boolean
  readonly revision?: string
  readonly digest?: string
  readonly activated_ms?: number
  /** Whether what is active came from disk, since the source could not be had at the start. */
  readonly from_disk?: boolean
  /** The newest problem; absent when the last attempt went well. */
  readonly problem?: { readonly code: string; readonly message: string; readonly at_ms: number }
}

export type PolicyManager = {
  /** The policy that decides now. @throws {BundleError} before the first activation. */
  readonly current: () => ActivePolicy
  readonly status: () => readonly BundleStatus[]
  /** Tries every source now. Resolves when that is done. */
  readonly refresh: () => Promise<void>
  readonly close: () => Promise<void>
}

export type ManagerParts = {
  readonly bundles: readonly ManagedBundle[]
  readonly config_digest: string
  readonly entrypoints: readonly string[]
  readonly metrics: Pick<PdpMetrics, 'activations' | 'bundle_info'>
  readonly log: Log
  readonly now: () => number
  /** Told of each policy that became active, and of what it is made. */
  readonly onActivated?: (policy: ActivePolicy, bundles: readonly BundleContents[]) => void
}

type Candidate = {
  readonly contents: BundleContents
  readonly fetched: Fetched
  readonly from_disk: boolean
}

type State = {
  contents?: BundleContents
  from_disk?: boolean
  problem?: NonNullable<BundleStatus['problem']>
}

/**
 * Keeps the active policy: fetch → verify → read → compile → instantiate → load data → self-test → swap → keep on disk.
 * Whatever fails leaves what is running as it is, and shows on `/health`, in the metrics and in the log.
 * @throws {BundleError} when there is no policy to begin with.
 */
export async function startPolicyManager(parts: ManagerParts): Promise<PolicyManager> {
  const { bundles, log, metrics, now } = parts
  const states = new Map<ManagedBundle, State>(bundles.map((bundle) => [bundle, {}]))
  const ending = new AbortController()
  let active: ActivePolicy | undefined
  let told: ActivePolicy | undefined
  // One change at a time: what is tried is put together from all bundles.
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work)
    turn = result.catch(() => undefined)
    return result
  }

  const stateOf = (bundle: ManagedBundle): State => states.get(bundle) ?? {}

  const activate = (all: readonly BundleContents[]): ActivePolicy => {
    const { config_digest, entrypoints } = parts
    return activatePolicy(all, { config_digest, entrypoints, now })
  }

  /** Swaps to a policy with this bundle in it, or throws and leaves everything as it was. */
  function swap(bundle: ManagedBundle, contents: BundleContents): void {
    const all = bundles.flatMap((one) => {
      const its = one === bundle ? contents : stateOf(one).contents
      return its ? [its] : []
    })
    active = activate(all)
    stateOf(bundle).contents = contents
  }

  function activated(bundle: ManagedBundle, { revision }: BundleContents): void {
    const { name } = bundle.source
    metrics.activations.inc({ bundle: name, result: 'activated' })
    metrics.bundle_info.remove({ bundle: name })
    for (const one of active?.bundles ?? [])
      if (one.name === name) metrics.bundle_info.set({ bundle: name, revision }, 1)
    log('info', 'bundle.activated', { bundle: name, revision, policy: active?.revision })
    if (!active || active === told) return
    told = active
    parts.onActivated?.(
      active,
      bundles.flatMap((one) => stateOf(one).contents ?? []),
    )
  }

  function refused(bundle: ManagedBundle, error: unknown): BundleError {
    const { name, where } = bundle.source
    const known =
      error instanceof BundleError
        ? error
        : new BundleError(
            'BUNDLE_INTERNAL',
            error instanceof Error ? error.message : String(error),
            {
              cause: error,
            },
          )
    stateOf(bundle).problem = { code: known.code, message: known.message, at_ms: now() }
    metrics.activations.inc({ bundle: name, result: known.code })
    log('error', 'bundle.refused', {
      bundle: name,
      where,
      code: known.code,
      message: known.message,
      running: active?.revision ?? 'nothing',
    })
    return known
  }

  /** @returns whether the source answered with something that runs now. */
  async function attempt(bundle: ManagedBundle): Promise<BundleError | undefined> {
    const state = stateOf(bundle)
    try {
      const fetched = await bundle.source.read(state.contents?.digest, ending.signal)
      if (fetched !== 'unchanged') {
        bundle.verify(fetched)
        const contents = readBundle(bundle.source.name, fetched.digest, fetched.files)
        swap(bundle, contents)
        state.from_disk = false
        activated(bundle, contents)
        await keep(bundle, fetched)
      }
      delete state.problem
      return undefined
    } catch (error) {
      return refused(bundle, error)
    }
  }

  async function keep(bundle: ManagedBundle, fetched: Fetched): Promise<void> {
    try {
      await bundle.kept?.save(fetched)
    } catch (error) {
      // It runs; only a restart without the source would not have it. Nor may it have what ran before.
      log('error', 'bundle.not_kept', { bundle: bundle.source.name, error: String(error) })
      await bundle.kept?.remove().catch(() => undefined)
    }
  }

  /** What a bundle can begin with: as it came, and as it was kept, the newer first; nothing of it was tried. */
  async function candidates(bundle: ManagedBundle): Promise<readonly [Candidate, ...Candidate[]]> {
    const found: Candidate[] = []
    let problem: BundleError | undefined
    try {
      const fetched = await bundle.source.read(undefined, ending.signal)
      if (fetched !== 'unchanged') found.push(candidate(bundle, fetched, false))
    } catch (error) {
      problem = refused(bundle, error)
    }
    try {
      // Verified as if it were new.
      const kept = await bundle.kept?.load()
      if (kept) found.push(candidate(bundle, kept, true))
    } catch (error) {
      if (found.length === 0) throw error
    }
    const [first, ...others] = found
    if (first) return [first, ...others]
    throw problem ?? new BundleError('BUNDLE_READ', `${bundle.source.name} cannot be had`)
  }

  function candidate(bundle: ManagedBundle, fetched: Fetched, from_disk: boolean): Candidate {
    bundle.verify(fetched)
    const { name } = bundle.source
    return { fetched, from_disk, contents: readBundle(name, fetched.digest, fetched.files) }
  }

  /**
   * The first policy: of all bundles as they came, else with what was kept in place of one of them, else of all that was
   * kept. Only what runs is kept.
   */
  async function begin(): Promise<void> {
    const offers = new Map<ManagedBundle, readonly [Candidate, ...Candidate[]]>()
    for (const bundle of bundles) offers.set(bundle, await candidates(bundle))
    const older = [...offers].flatMap(([bundle, list]) => (list.length > 1 ? [bundle] : []))
    const trials = [[], ...older.map((bundle) => [bundle]), older]
    let first: unknown
    for (const replaced of trials) {
      const chosen = new Map(
        [...offers].map(([bundle, list]) => [
          bundle,
          (replaced.includes(bundle) ? list[1] : undefined) ?? list[0],
        ]),
      )
      try {
        active = activate([...chosen.values()].map(({ contents }) => contents))
      } catch (error) {
        first ??= error
        continue
      }
      for (const bundle of replaced) refused(bundle, first)
      for (const [bundle, { contents, from_disk }] of chosen)
        Object.assign(stateOf(bundle), { contents, from_disk })
      for (const [bundle, { contents, fetched, from_disk }] of chosen) {
        if (from_disk)
          log('warn', 'bundle.from_disk', {
            bundle: bundle.source.name,
            revision: contents.revision,
          })
        activated(bundle, contents)
        if (!from_disk) await keep(bundle, fetched)
      }
      return
    }
    throw first
  }

  async function follow(bundle: ManagedBundle): Promise<void> {
    let failures = stateOf(bundle).problem ? 1 : 0
    while (!ending.signal.aborted) {
      try {
        await bundle.source.wait(ending.signal, failures)
      } catch {
        // Ended, or the source cannot say when it changes; it is asked again after the loop's own pause.
        await new Promise((resolve) =>
          setTimeout(resolve, ending.signal.aborted ? 0 : 1000).unref(),
        )
      }
      if (ending.signal.aborted) return
      failures = (await inTurn(() => attempt(bundle))) ? failures + 1 : 0
    }
  }

  if (bundles.length === 0) throw new BundleError('BUNDLE_READ', 'no bundle is configured')
  await begin()
  const followers = bundles.map(follow)

  return {
    current() {
      if (!active) throw new BundleError('BUNDLE_READ', 'no policy is active')
      return active
    },
    status: () => bundles.map((bundle) => statusOf(bundle, stateOf(bundle), active)),
    async refresh() {
      for (const bundle of bundles) await inTurn(() => attempt(bundle))
    },
    async close() {
      ending.abort()
      await Promise.all([turn, ...followers])
    },
  }
}

function statusOf(
  { source }: ManagedBundle,
  { contents, from_disk, problem }: State,
  active: ActivePolicy | undefined,
): BundleStatus {
  const running = active?.bundles.find(({ name }) => name === source.name)
  return {
    name: source.name,
    where: source.where,
    active: running !== undefined,
    ...(contents && { revision: contents.revision, digest: contents.digest }),
    ...(running && { activated_ms: running.activated_ms }),
    ...(from_disk && { from_disk }),
    ...(problem && { problem }),
  }
}
