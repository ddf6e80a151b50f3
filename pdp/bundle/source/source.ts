import type { ArchiveFiles } from '../archive.ts'

/** One version of a bundle, as its source gave it. */
export type Fetched = {
  readonly files: ArchiveFiles
  /** sha256 hex of the archive; of a folder, of a listing of its files. */
  readonly digest: string
}

/** Where a bundle comes from. */
export type BundleSource = {
  /** The bundle's name in the configuration. */
  readonly name: string
  /** For people; without credentials. */
  readonly where: string
  /**
   * Reads the newest version.
   * @param known digest of the version that is had already.
   * @throws {BundleError}
   */
  readonly read: (known: string | undefined, signal: AbortSignal) => Promise<Fetched | 'unchanged'>
  /** Resolves when there may be a new version. @param failures how often reading it failed since it last went well. */
  readonly wait: (signal: AbortSignal, failures: number) => Promise<void>
}
