import type { CheckpointerStatus } from '../evidence/checkpointer.ts'
import type { BundleStatus } from '../policy/manager.ts'

/** What `/health?ready` says. Ready: a policy is active and the store answers. */
export type Health = {
  readonly ready: boolean
  readonly revision: string
  readonly bundles: readonly BundleStatus[]
  readonly store: { readonly ok: boolean; readonly message?: string }
  readonly records: { readonly conflicts: number }
  /** Checkpoints of the log; `rolled_back` or `forked` means that somebody changed the database. */
  readonly evidence: CheckpointerStatus
  readonly issuers: readonly { readonly issuer: string; readonly problem?: string }[]
}
