import type { BundleContents } from '../../pdp/bundle/bundle.ts'
import { BundleError } from '../../pdp/bundle/errors.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import { activatePolicy, commonRoot } from '../../pdp/policy/activate.ts'
import { openBundle } from '../../pdp/policy/load.ts'
import type { ActivePolicy } from '../../pdp/policy/policy.ts'
import { BacktestError, type RecordedPolicy } from './format.ts'

/** Why decisions of a revision cannot be evaluated again. */
export type Unavailable = {
  readonly why: string
  /** It answers its own test otherwise than when it was built: that is a defect by itself. */
  readonly failsItsTest: boolean
}

export type Policies = {
  /** @throws {BacktestError} BACKTEST_POLICY when what is there is not the revision that it says it is. */
  readonly of: (revision: string) => Result<ActivePolicy, Unavailable>
}

/** Most policies that are active at a time; decisions come in order of time, and so do revisions. */
const MOST_ACTIVE = 4

/** Policies that decisions were made under, activated as they are needed. */
export function createPolicies(recorded: ReadonlyMap<string, RecordedPolicy>): Policies {
  const active = new Map<string, ActivePolicy>()
  const refused = new Map<string, Unavailable>()
  return {
    of(revision) {
      const known = active.get(revision)
      if (known) return ok(known)
      const why = refused.get(revision)
      if (why) return err(why)
      const policy = activated(recorded.get(revision))
      if (!policy.ok) {
        refused.set(revision, policy.error)
        return policy
      }
      if (active.size >= MOST_ACTIVE) {
        const [oldest] = active.keys()
        if (oldest !== undefined) active.delete(oldest)
      }
      active.set(revision, policy.value)
      return policy
    },
  }
}

function activated(recorded: RecordedPolicy | undefined): Result<ActivePolicy, Unavailable> {
  if (!recorded) return err({ why: 'its bundle is not there', failsItsTest: false })
  let policy: ActivePolicy
  try {
    policy = activate(contentsIn(recorded), recorded.config_digest)
  } catch (error) {
    if (!(error instanceof BundleError)) throw error
    return err({ why: error.message, failsItsTest: error.code === 'BUNDLE_SELF_TEST' })
  }
  // Whoever can put other rules under a revision's name can make every answer the recorded one.
  if (policy.revision !== recorded.revision)
    throw new BacktestError(
      'BACKTEST_POLICY',
      `what is recorded as policy ${recorded.revision} is ${policy.revision}`,
    )
  return ok(policy)
}

const contentsIn = ({ bundles }: RecordedPolicy): BundleContents[] =>
  bundles.map(({ name, archive }) => openBundle(name, Buffer.from(archive, 'base64')))

/** @throws {BundleError} */
const activate = (bundles: readonly BundleContents[], config_digest: string): ActivePolicy =>
  activatePolicy(bundles, { config_digest, entrypoints: [DECISION_ENTRYPOINT], now: Date.now })

export type Candidate = {
  readonly policy: ActivePolicy
  /** Names of live bundles that stay beside it. */
  readonly beside: readonly string[]
}

/**
 * Puts a candidate in the place of what it owns of the live policy, under the live configuration.
 * @throws {BundleError} when it cannot be active.
 */
export function candidateIn(bundle: BundleContents, live: RecordedPolicy | undefined): Candidate {
  const others = live ? contentsIn(live).filter((one) => !commonRoot(one, bundle)) : []
  return {
    policy: activate([...others, bundle], live?.config_digest ?? ''),
    beside: others.map(({ name }) => name),
  }
}
