import type { BundleStatus } from '../policy/manager.ts'

/** What `/health?ready` says. Ready: a policy is active and the store answers. */
export type Health = {
  readonly ready: boolean
  readonly revision: string
  readonly bundles: readonly BundleStatus[]
  readonly store: { readonly ok: boolean; readonly message?: string }
  readonly records: { readonly conflicts: number }
  readonly issuers: readonly { readonly issuer: string; readonly problem?: string }[]
}
