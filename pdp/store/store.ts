import type { ApprovalState } from '../contract/approval.ts'
import type { Verdict } from '../contract/decision.ts'
import type { RecordFrame, WrappedKey } from '../contract/record.ts'
import type { LeafBody, LogStore } from '../evidence/log-store.ts'
import type { ReportStore } from './report/figure.ts'

/** What `openStore` (open.ts) takes. */
export type StoreOptions = {
  /** The store's own folder, mode 0700: the embedded server and its data, or with a `url` the password of the service's role. */
  readonly folder: string
  /** A PostgreSQL server of one's own, as the role that owns the tables. Absent: an embedded one in `folder`. */
  readonly url?: string
  /** The service's role, made by an administrator, when the role of `url` may not create roles or several PDPs share a database. */
  readonly service_url?: string
  /** Default true. False needs `service_url`: tables and rights are there already, and `url` is not used. */
  readonly migrate?: boolean
  /** Name of this service in leaves that it makes itself. Default `pdp`. */
  readonly name?: string
  readonly log: (line: string) => void
}

/**
 * What the PDP keeps, in PostgreSQL. Every method that returns a promise, `ready` and `close` aside, throws a
 * `StoreError` when the store does not answer, within a few seconds; a caller that gets one must refuse.
 */
export type Store = {
  readonly approvals: ApprovalStore
  readonly log: EvidenceLog
  readonly records: RecordStore
  readonly keys: KeyStore
  readonly policies: PolicyStore
  readonly erasure: ErasureStore
  readonly sinks: SinkStore
  readonly sessions: SessionStore
  readonly shadow: ShadowStore
  readonly taints: TaintStore
  readonly report: ReportStore
  /** Whether the store answers now, asked with a short deadline; why not when it does not. Never throws. */
  readonly ready: () => Promise<Readiness>
  /** Ends connections, and the embedded server with them. */
  readonly close: () => Promise<void>
}

/** The log as it is read, and what the service itself adds to it. */
export type EvidenceLog = LogStore & {
  /** How many leaves there are. */
  readonly size: () => Promise<number>
}

/** A session as whoever decides knows it: by who has it, never by what a client calls it. */
export type SessionHolder = Requester & { readonly session_id: string }

/** What sessions have seen. */
export type TaintStore = {
  readonly of: (holder: SessionHolder) => Promise<readonly string[]>
  /** Resolves when they are committed; each once. */
  readonly add: (
    holder: SessionHolder,
    taints: readonly string[],
    by: { readonly decision_id: string; readonly at_ms: number },
  ) => Promise<void>
}

/** Differences that a candidate policy would have made. */
export type ShadowStore = {
  /** Each once by candidate and decision. */
  readonly append: (differences: readonly Difference[]) => Promise<void>
  /** The newest first; of one candidate, or of all. */
  readonly list: (query: {
    readonly candidate?: string
    readonly limit: number
  }) => Promise<readonly Difference[]>
}

/** A decision that a candidate policy would have made differently. */
export type Difference = {
  readonly decision_id: string
  /** Whose content it tells of; rows of before it was kept have none. */
  readonly session_id: string | null
  readonly at_ms: number
  readonly live_revision: string
  readonly candidate_revision: string
  readonly subject: string
  readonly action: string
  readonly resource: string
  readonly connection: string
  readonly from: Verdict
  readonly to: Verdict
}

export type Readiness = { readonly ok: true } | { readonly ok: false; readonly message: string }

/**
 * A person or machine as its issuer names it. To use an approval all three fields must be the same; to vote, issuer and
 * id alone tell who it is, so that nobody votes twice, or on their own request, under another type.
 */
export type Requester = { readonly issuer: string; readonly type: string; readonly id: string }

export type Vote = {
  readonly approver: Requester
  readonly approve: boolean
  readonly comment?: string
  readonly at_ms: number
}

/** What an approval is asked for with. Strings are stored as they are; the caller has checked them. */
export type NewApproval = {
  /** UUID. Ignored when a live approval is found. */
  readonly id: string
  readonly requester: Requester
  readonly session_id: string
  readonly connection: string
  readonly action_name: string
  /** sha256 hex of the action. */
  readonly action_digest: string
  /** What approvers are shown, sealed; see approvals/vault.ts. */
  readonly content: ApprovalContent
  /** Groups whose members may decide. Order does not matter. */
  readonly approvers: readonly string[]
  /** How many different people must approve. */
  readonly count: number
  /** How long it may be decided and then used, seconds from the demand. */
  readonly valid_s: number
  readonly operation_id: string
  /** The decision that demanded it. */
  readonly demand: { readonly decision_id: string; readonly revision: string }
}

export type ApprovalContent = {
  readonly sealed: Uint8Array
  readonly wrapped_key: Uint8Array
  /** HMAC of the action under that key. */
  readonly commitment: Uint8Array
}

export type ApprovalRow = Omit<NewApproval, 'content'> & {
  /** Absent once it was erased. */
  readonly content?: ApprovalContent
  /** As it is now: `expired` as soon as `expires_ms` has passed, whether or not the row says so already. */
  readonly state: ApprovalState
  readonly demanded_ms: number
  /** Pending: when the demand lapses; approved: until when it may be used. */
  readonly expires_ms: number
  /** When it was approved or denied. */
  readonly decided_ms?: number
  /** In the order they were given. */
  readonly votes: readonly Vote[]
  readonly consumed?: {
    readonly decision_id: string
    readonly revision: string
    readonly operation_id: string
    readonly at_ms: number
  }
}

export type VoteInput = {
  readonly id: string
  /** Digest of the action the approver was shown. */
  readonly action_digest: string
  readonly approver: Requester
  readonly approve: boolean
  readonly comment?: string
  readonly now_ms: number
}

export type VoteRefusal =
  | 'unknown'
  /** The action shown is not the action demanded. */
  | 'digest_differs'
  /** Nobody decides on their own request. */
  | 'requester'
  | 'already_voted'
  /** Approved, denied, expired or consumed. */
  | 'not_pending'

export type VoteResult =
  | { readonly ok: true; readonly row: ApprovalRow }
  | { readonly ok: false; readonly reason: VoteRefusal; readonly row?: ApprovalRow }

export type Consumption = {
  readonly id: string
  readonly action_digest: string
  /** When given, must be who demanded it. */
  readonly requester?: Requester
  readonly decision_id: string
  readonly revision: string
  readonly operation_id: string
  readonly now_ms: number
}

export type ApprovalQuery = {
  readonly state?: ApprovalState
  /** Only those that a member of one of these groups may decide. An empty list finds nothing. */
  readonly groups?: readonly string[]
  /** Most rows, newest first. */
  readonly limit: number
  /** Id of the last row of the page before. */
  readonly before?: string
  /** Default: the clock. */
  readonly now_ms?: number
}

export type ApprovalStore = {
  /**
   * Finds the live (pending or approved, not expired) approval of this requester for this digest with the same
   * approver groups and count, or opens a pending one. Two callers at once get one row.
   * `opened` tells whether it is new.
   */
  readonly demand: (
    approval: NewApproval,
    now_ms: number,
  ) => Promise<{ readonly row: ApprovalRow; readonly opened: boolean }>
  readonly find: (id: string, now_ms?: number) => Promise<ApprovalRow | undefined>
  /** The approved, unexpired, unconsumed approval; the one that was approved last when there are several. */
  readonly approvedFor: (
    requester: Requester,
    action_digest: string,
    now_ms: number,
  ) => Promise<ApprovalRow | undefined>
  readonly list: (query: ApprovalQuery) => Promise<readonly ApprovalRow[]>
  /** One vote a person: a deny ends it, `count` different people's approvals approve it. */
  readonly vote: (vote: VoteInput) => Promise<VoteResult>
  /** Approved, unexpired and the same digest becomes consumed: at most one caller ever gets the row. */
  readonly consume: (use: Consumption) => Promise<ApprovalRow | undefined>
  /** Ends those that lapsed. @returns how many; a sweep has a limit. */
  readonly expire: (now_ms: number) => Promise<number>
  /**
   * Calls back with the id of an approval that was demanded or changed its state, in this process or another. After a
   * lost connection what changed meanwhile is told again. Expiry by the clock is not told.
   * @returns ends it.
   */
  readonly onChange: (listener: (id: string) => void) => () => void
}

/** What only the holder of a key can read. */
export type SealedContent = {
  /** Id of the key. */
  readonly key: string
  readonly sealed: Uint8Array
  readonly blocks: readonly { readonly id: string; readonly sealed: Uint8Array }[]
}

/** A frame of a journal and the leaf that it becomes. */
export type IndexedFrame = Pick<RecordFrame, 'seq' | 'prev' | 'digest'> & {
  readonly leaf: LeafBody
  readonly content?: SealedContent
}

export type RecordAppend = {
  readonly pep: string
  readonly epoch: string
  /** Keys that some of the content is sealed under, of this batch or of later ones. */
  readonly keys: readonly WrappedKey[]
  /** In order of `seq`, without gaps. */
  readonly frames: readonly IndexedFrame[]
  readonly received_ms: number
}

/** Expected ends of an append. Only `ok: true` means that the frames are committed. */
export type AppendResult =
  /** Every frame up to `seq` of the epoch is in the log, -1 when there is none; `fresh` of them were not there before. */
  | { readonly ok: true; readonly seq: number; readonly fresh: number }
  /** Frame `conflict` is already there with another digest. Nothing of the batch was kept; an alarm was. */
  | { readonly ok: false; readonly conflict: number }
  /** The frames do not continue the chain: `expected` is the number that comes next. Nothing was kept. */
  | { readonly ok: false; readonly expected: number }

export type RecordStore = {
  /**
   * Commits a batch in one transaction. Frames that are there already with the same digest are fine. The caller has
   * checked that each digest is that of its payload; the chain from frame to frame is checked here.
   */
  readonly append: (batch: RecordAppend) => Promise<AppendResult>
  /** How many conflicts were ever seen. */
  readonly alarms: () => Promise<number>
}

export type SessionSummary = {
  readonly id: string
  /** Where it stands; hand it in as `before` for the next page. */
  readonly cursor: string
  /** What clients called it. */
  readonly labels: readonly string[]
  readonly subject_id: string
  readonly issuer: string
  readonly first_ms: number
  /** Time of its newest record. */
  readonly last_ms: number
  readonly counts: {
    /** Decided operations: forwarded, refused, or a tool call. */
    readonly operations: number
    readonly allowed: number
    readonly denied: number
    /** Those that a person had to approve: allowed by an approval, or decided with the effect `approve` and ended so. */
    readonly approvals: number
    /** Operations by action name. */
    readonly actions: Readonly<Record<string, number>>
    /** Outcomes by result: `completed`, `failed`, `cut`, … */
    readonly results: Readonly<Record<string, number>>
  }
}

export type SessionQuery = {
  /** Most rows, the one active last first. */
  readonly limit: number
  /** The last row of the page before. */
  readonly before?: string
  readonly subject?: string
  readonly label?: string
  readonly since_ms?: number
}

/** A step of a session as it is on record. */
export type SessionStep = {
  /** Index of its leaf; hand it in as `after` for what comes behind it. */
  readonly index: number
  /** Text of the leaf. */
  readonly leaf: string
  /** The sealed record; absent when it has none, or it was erased. */
  readonly sealed?: Uint8Array
}

export type SessionSteps =
  | { readonly ok: true; readonly id: string; readonly steps: readonly SessionStep[] }
  /** No session of this id or label: `sessions` is empty. Several carry the label: here they are, most recent first. */
  | { readonly ok: false; readonly sessions: readonly SessionSummary[] }

export type SessionStore = {
  readonly list: (query: SessionQuery) => Promise<readonly SessionSummary[]>
  /**
   * Steps of a session in the order of the log: every intent, decision, chunk and outcome of its operations, and its
   * approvals.
   * @param session our id, or the client's label when only one session carries it.
   */
  readonly steps: (
    session: string,
    page: { readonly after?: number; readonly limit: number },
  ) => Promise<SessionSteps>
  /** The step that a decision was written down with: an intent, or a decision after which nothing was forwarded. */
  readonly decision: (id: string) => Promise<SessionStep | undefined>
  /** Intents and decisions of the log in its order, from index `from` on. */
  readonly decisions: (query: {
    readonly from: number
    readonly limit: number
    readonly session?: string
  }) => Promise<readonly SessionStep[]>
  /** Steps of one operation, in order. */
  readonly operation: (query: {
    readonly session: string
    readonly id: string
    readonly limit: number
  }) => Promise<readonly SessionStep[]>
  /** Whose session it is, and which connections it reached. */
  readonly holder: (session: string) => Promise<
    | {
        readonly subject: { readonly issuer: string; readonly id: string }
        readonly connections: readonly string[]
      }
    | undefined
  >
  /** What the client calls it. */
  readonly label: (session: string, label: string) => Promise<void>
}

/** Keys of sealed content. */
export type KeyStore = {
  readonly find: (id: string) => Promise<WrappedKey | 'erased' | undefined>
  readonly block: (key: string, block: string) => Promise<Uint8Array | undefined>
  /** Sealed bytes by what leaves say of them; what was erased is not among them. */
  readonly sealed: (
    leaves: readonly NamedContent[],
  ) => Promise<
    ReadonlyMap<number, { readonly sealed?: Uint8Array; readonly blocks: readonly Uint8Array[] }>
  >
}

/** The content that a leaf names. */
export type NamedContent = {
  /** Of the leaf. */
  readonly index: number
  readonly key: string
  /** sha256 hex of sealed bytes. */
  readonly blocks: readonly string[]
}

/** A policy that was active, with all that it takes to evaluate it again. */
export type KeptPolicy = {
  readonly revision: string
  readonly config_digest: string
  readonly bundles: readonly {
    readonly name: string
    /** The manifest's. */
    readonly revision: string
    /** sha256 hex of the bundle as it came. */
    readonly digest: string
    readonly git_revision?: string
    /** Gzipped tar of its files. */
    readonly archive: Uint8Array
  }[]
}

export type PolicyStore = {
  /** Keeps it, and says in the log that it is active when another was before. */
  readonly keep: (policy: KeptPolicy, time_ms: number) => Promise<void>
  readonly find: (revision: string) => Promise<KeptPolicy | undefined>
}

/** How long content of a connection is kept; `*`: of every other one. */
export type RetentionRule = { readonly connection: string; readonly keep_days: number }

/** What to erase: all of a session, or what is older than rules allow and not held. */
export type Selection =
  | { readonly session_id: string }
  | { readonly rules: readonly RetentionRule[]; readonly now_ms: number }

export type Erased = { readonly keys: number; readonly approvals: number }

export type ErasureStore = {
  /**
   * Erases content for good. By rules, at most some hundred keys and approvals a call: call it until it erases none.
   * @param leaf what the log says of it; of rules only when something was erased.
   * @returns `held`: a legal hold is on the session or one of its connections; nothing was erased.
   */
  readonly erase: (
    selection: Selection,
    leaf: (erased: Erased) => LeafBody,
    now_ms: number,
  ) => Promise<Erased | 'held'>
  /** What rules would erase now. */
  readonly due: (
    rules: readonly RetentionRule[],
    now_ms: number,
  ) => Promise<readonly (Erased & { readonly connection: string; readonly oldest_ms: number })[]>
  /** Lets the server forget old versions of what was erased. @returns whether it could. */
  readonly scrub: () => Promise<boolean>
  /** Those that stand, the newest 1,000; or the one with this id. */
  readonly holds: (id?: string) => Promise<
    readonly {
      readonly id: string
      readonly session_id?: string
      readonly connection?: string
      readonly at_ms: number
    }[]
  >
  /** @param what one session or one connection. @returns the hold's id. */
  readonly hold: (
    what: { readonly session_id?: string; readonly connection?: string },
    leaf: (id: string) => LeafBody,
    now_ms: number,
  ) => Promise<string>
  /** @returns false when there is no such hold. */
  readonly release: (id: string, leaf: LeafBody, now_ms: number) => Promise<boolean>
}

/** How far sinks have been sent the log. */
export type SinkStore = {
  /** Index of the next leaf; 0 of one that has sent none. */
  readonly read: (sink: string) => Promise<number>
  readonly write: (sink: string, next: number) => Promise<void>
}

export type StoreErrorCode =
  /** No answer: unreachable, starting, overloaded, or the deadline passed. */
  | 'STORE_UNAVAILABLE'
  /** Two writers met and this one lost; trying again may succeed. */
  | 'STORE_CONFLICT'
  /** It answered what it must not: missing rights, a broken schema, a value it cannot hold. */
  | 'STORE_BROKEN'

export class StoreError extends Error {
  readonly code: StoreErrorCode
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}
