/** What the evidence log needs of a store. PostgreSQL is behind it in production; tests have one in memory. */

export type LeafKind =
  | 'intent'
  | 'decision'
  | 'chunk'
  | 'outcome'
  | 'event'
  | 'approval'
  | 'policy'
  | 'key'
  | 'admin'

/** A leaf before the log takes it; docs/evidence-format.md has the members of each kind. The store adds `logged_ms`. */
export type LeafBody = {
  readonly v: 1
  readonly kind: LeafKind
  /** When it happened, by the clock of who reports it; milliseconds since the epoch. */
  readonly time_ms: number
  readonly source:
    | { readonly pep: string; readonly epoch: string; readonly seq: number }
    | { readonly pdp: string }
  readonly [member: string]: unknown
}

export type StoredLeaf = {
  readonly index: number
  /** The canonical text (RFC 8785). */
  readonly leaf: string
  readonly hash: Uint8Array
}

export type SignedCheckpoint = {
  /** How many leaves the tree has. */
  readonly size: number
  readonly root: Uint8Array
  /** The signed note. */
  readonly note: string
  readonly at_ms: number
}

/** The one row that is locked to append: no other statement of the log's size is ever signed. */
export type LogHead = {
  readonly size: number
  /** Compact range, largest subtree first. */
  readonly range: readonly Uint8Array[]
  /** When the newest leaf was taken. */
  readonly logged_ms: number
}

export type LogStore = {
  readonly head: () => Promise<LogHead>
  /** [from, to) in units of 2^level leaves; complete subtrees only. Level is 0, 8, 16, 24 or 32. */
  readonly hashes: (level: number, from: number, to: number) => Promise<readonly Uint8Array[]>
  /** At most `limit`, ascending from index `from` on. */
  readonly leaves: (from: number, limit: number) => Promise<readonly StoredLeaf[]>
  /** Canonicalises and numbers them, in one transaction. @returns the index of the first. */
  readonly append: (leaves: readonly LeafBody[]) => Promise<{ readonly from: number }>
  /** Text of the newest leaf of kind `key`. */
  readonly newestKeyLeaf: () => Promise<string | undefined>
  readonly checkpoints: CheckpointStore
}

export type CheckpointStore = {
  readonly newest: () => Promise<SignedCheckpoint | undefined>
  /** The first for a size counts; another one for it changes nothing. */
  readonly add: (checkpoint: SignedCheckpoint) => Promise<void>
  /** Adds a witness's signature line to the note of that size. */
  readonly cosign: (size: number, line: string) => Promise<void>
  /** Those with from ≤ size ≤ to, ascending, at most `limit`. */
  readonly between: (
    from: number,
    to: number,
    limit: number,
  ) => Promise<readonly SignedCheckpoint[]>
  /** The newest with `at_ms` ≤ `time_ms`. */
  readonly before: (time_ms: number) => Promise<SignedCheckpoint | undefined>
}
