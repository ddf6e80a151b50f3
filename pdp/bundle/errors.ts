export type BundleErrorCode =
  | 'BUNDLE_READ'
  | 'BUNDLE_TOO_LARGE'
  | 'BUNDLE_ARCHIVE'
  | 'BUNDLE_UNSUPPORTED'
  | 'BUNDLE_MANIFEST'
  | 'BUNDLE_DATA'
  | 'BUNDLE_PROFILE'
  | 'BUNDLE_POLICY'
  | 'BUNDLE_INDEX'
  /** Its sources do not build. */
  | 'BUNDLE_BUILD'
  /** Bundles that cannot stand beside each other. */
  | 'BUNDLE_CONFLICT'
  | 'BUNDLE_SELF_TEST'
  /** Not signed as the configuration wants. */
  | 'BUNDLE_SIGNATURE'
  /** A key of the configuration that is none. */
  | 'BUNDLE_KEY'
  /** Reading it failed in a way that nobody foresaw. */
  | 'BUNDLE_INTERNAL'

/** Why a bundle was refused. The message names the file within the bundle. */
export class BundleError extends Error {
  readonly code: BundleErrorCode
  constructor(code: BundleErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'BundleError'
    this.code = code
  }
}
