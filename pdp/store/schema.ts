import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  json,
  pgSchema,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import type { ApprovalState } from '../contract/approval.ts'
import type { Verdict } from '../contract/decision.ts'

/**
 * Tables, as drizzle sees them. `migrations/` is generated from here (`npx drizzle-kit generate`), except for what
 * drizzle has no words for: the triggers, in `*_guards.sql`. Times are milliseconds since the epoch by the PDP's clock.
 */
export const countersign = pgSchema('countersign')

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' })
const time = (name: string) => bigint(name, { mode: 'number' })

export const approvals = countersign.table(
  'approvals',
  {
    id: uuid('id').primaryKey(),
    state: text('state').$type<ApprovalState>().notNull(),
    /** Digest of who asks for what from whom, see approvals.ts; unique while pending or approved. */
    live_key: text('live_key').notNull(),
    requester_issuer: text('requester_issuer').notNull(),
    requester_type: text('requester_type').notNull(),
    requester_id: text('requester_id').notNull(),
    session_id: text('session_id').notNull(),
    connection: text('connection').notNull(),
    action_name: text('action_name').notNull(),
    /** Empty once erased: a short action could be found again by its digest. */
    action_digest: text('action_digest').notNull(),
    /** What approvers are shown, sealed under a key of its own; both null once erased. */
    sealed: bytea('sealed'),
    wrapped_key: bytea('wrapped_key'),
    /** HMAC of the action under that key: what leaves call it by. */
    commitment: bytea('commitment'),
    erased_ms: time('erased_ms'),
    approvers: text('approvers').array().notNull(),
    count: integer('count').notNull(),
    valid_s: integer('valid_s').notNull(),
    operation_id: text('operation_id').notNull(),
    demand_decision_id: text('demand_decision_id').notNull(),
    demand_revision: text('demand_revision').notNull(),
    demanded_ms: time('demanded_ms').notNull(),
    expires_ms: time('expires_ms').notNull(),
    decided_ms: time('decided_ms'),
    consumed_decision_id: text('consumed_decision_id'),
    consumed_revision: text('consumed_revision'),
    consumed_operation_id: text('consumed_operation_id'),
    consumed_ms: time('consumed_ms'),
    /** By the database's clock, so that what changed while a listener was cut off can be found. */
    changed_ms: time('changed_ms')
      .notNull()
      .default(sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`),
  },
  (table) => [
    uniqueIndex('approvals_live')
      .on(table.live_key)
      .where(sql`${table.state} in ('pending', 'approved')`),
    index('approvals_digest').on(table.action_digest),
    index('approvals_newest').on(table.demanded_ms, table.id),
    index('approvals_changed').on(table.changed_ms),
  ],
)

export const votes = countersign.table(
  'votes',
  {
    approval_id: uuid('approval_id')
      .notNull()
      .references(() => approvals.id),
    issuer: text('issuer').notNull(),
    approver_id: text('approver_id').notNull(),
    approver_type: text('approver_type').notNull(),
    approve: boolean('approve').notNull(),
    comment: text('comment'),
    at_ms: time('at_ms').notNull(),
  },
  // One vote a person, whatever type their token says.
  (table) => [primaryKey({ columns: [table.approval_id, table.issuer, table.approver_id] })],
)

/**
 * The log: one canonical text a step, numbered without gaps (RFC 6962). Nothing is ever changed or taken away. The other
 * columns repeat what the text says, to find it by.
 */
export const leaves = countersign.table(
  'leaves',
  {
    idx: time('idx').primaryKey(),
    leaf: text('leaf').notNull(),
    /** SHA-256(0x00 ‖ leaf). */
    hash: bytea('hash').notNull(),
    kind: text('kind').notNull(),
    time_ms: time('time_ms').notNull(),
    logged_ms: time('logged_ms').notNull(),
    /** The frame of an enforcement point's journal that it was made from, with the frame's digest. */
    pep: text('pep'),
    epoch: text('epoch'),
    seq: time('seq'),
    digest: bytea('digest'),
    session_id: text('session_id'),
    operation_id: text('operation_id'),
    decision_id: text('decision_id'),
  },
  (table) => [
    uniqueIndex('leaves_frame')
      .on(table.pep, table.epoch, table.seq)
      .where(sql`${table.pep} is not null`),
    index('leaves_session')
      .on(table.session_id, table.idx)
      .where(sql`${table.session_id} is not null`),
    index('leaves_operation')
      .on(table.operation_id, table.idx)
      .where(sql`${table.operation_id} is not null`),
    index('leaves_decision')
      .on(table.decision_id)
      .where(sql`${table.decision_id} is not null`),
    index('leaves_few')
      .on(table.kind, table.idx)
      .where(sql`${table.kind} in ('approval', 'policy', 'key', 'admin')`),
  ],
)

/** One row: who holds it may append, and only what it says is ever signed. */
export const log_head = countersign.table('log_head', {
  id: integer('id').primaryKey(),
  size: time('size').notNull(),
  /** Hashes of the complete subtrees of `size` leaves, largest first, one after the other. */
  range: bytea('range').notNull(),
  /** `logged_ms` of the newest leaf. */
  logged_ms: time('logged_ms').notNull(),
})

/** Hashes of complete subtrees of 2^level leaves, level 8, 16, 24, 32: a proof reads these in place of leaves. */
export const log_nodes = countersign.table(
  'log_nodes',
  { level: integer('level').notNull(), n: time('n').notNull(), hash: bytea('hash').notNull() },
  (table) => [primaryKey({ columns: [table.level, table.n] })],
)

/** Every checkpoint that was ever published. */
export const checkpoints = countersign.table(
  'checkpoints',
  {
    size: time('size').primaryKey(),
    root: bytea('root').notNull(),
    note: text('note').notNull(),
    at_ms: time('at_ms').notNull(),
  },
  (table) => [index('checkpoints_at').on(table.at_ms)],
)

/** Signatures of witnesses that came later. */
export const cosignatures = countersign.table(
  'cosignatures',
  { size: time('size').notNull(), line: text('line').notNull() },
  (table) => [primaryKey({ columns: [table.size, table.line] })],
)

/** Data keys of sealed content, wrapped by a master key. Without `wrapped` what was sealed is erased for good. */
export const session_keys = countersign.table(
  'session_keys',
  {
    id: text('id').primaryKey(),
    session_id: text('session_id').notNull(),
    connection: text('connection').notNull(),
    wrapped: bytea('wrapped'),
    created_ms: time('created_ms').notNull(),
    erased_ms: time('erased_ms'),
  },
  (table) => [
    index('session_keys_session').on(table.session_id),
    index('session_keys_age').on(table.connection, table.created_ms),
  ],
)

/** The sealed content of a step. */
export const sealed_records = countersign.table(
  'sealed_records',
  {
    pep: text('pep').notNull(),
    epoch: text('epoch').notNull(),
    seq: time('seq').notNull(),
    key_id: text('key_id').notNull(),
    sealed: bytea('sealed').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.pep, table.epoch, table.seq] }),
    index('sealed_records_key').on(table.key_id),
  ],
)

/** Parts of bodies, each once under its key. */
export const sealed_blocks = countersign.table(
  'sealed_blocks',
  {
    key_id: text('key_id').notNull(),
    block_id: text('block_id').notNull(),
    sealed: bytea('sealed').notNull(),
    /** As leaves name it. */
    hash: bytea('hash').generatedAlwaysAs(sql`sha256(sealed)`),
  },
  (table) => [
    primaryKey({ columns: [table.key_id, table.block_id] }),
    index('sealed_blocks_hash').on(table.key_id, table.hash),
  ],
)

/** Bundles that were ever active, as archives, and the revisions they made together. */
export const bundle_archives = countersign.table('bundle_archives', {
  digest: text('digest').primaryKey(),
  archive: bytea('archive').notNull(),
})

type RevisionBundle = {
  readonly name: string
  readonly revision: string
  readonly digest: string
  readonly git_revision?: string
  /** sha256 hex of the archive that is kept. */
  readonly archive: string
}

export const policy_revisions = countersign.table('policy_revisions', {
  revision: text('revision').primaryKey(),
  config_digest: text('config_digest').notNull(),
  bundles: json('bundles').$type<readonly RevisionBundle[]>().notNull(),
  first_ms: time('first_ms').notNull(),
})

/** What no rule of retention and no erasure touches until it is released. */
export const legal_holds = countersign.table(
  'legal_holds',
  {
    id: uuid('id').primaryKey(),
    /** Exactly one of the two. */
    session_id: text('session_id'),
    connection: text('connection'),
    at_ms: time('at_ms').notNull(),
    released_ms: time('released_ms'),
  },
  (table) => [index('legal_holds_session').on(table.session_id)],
)

/** How far each sink has been sent the log: index of the next leaf. */
export const sinks = countersign.table('sinks', {
  name: text('name').primaryKey(),
  next: time('next').notNull(),
})

/** A frame that came again with another digest: someone changed a journal. */
export const record_alarms = countersign.table(
  'record_alarms',
  {
    pep: text('pep').notNull(),
    epoch: text('epoch').notNull(),
    seq: time('seq').notNull(),
    /** What is on record, and what came instead. */
    digest: bytea('digest').notNull(),
    offered: bytea('offered').notNull(),
    received_ms: time('received_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.pep, table.epoch, table.seq, table.offered] })],
)

/** What sessions have seen, by policy's names. Nothing is ever taken back. */
export const session_taints = countersign.table(
  'session_taints',
  {
    issuer: text('issuer').notNull(),
    subject_type: text('subject_type').notNull(),
    subject_id: text('subject_id').notNull(),
    session_id: text('session_id').notNull(),
    taint: text('taint').notNull(),
    /** The decision that let it in first. */
    decision_id: uuid('decision_id').notNull(),
    at_ms: time('at_ms').notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.session_id, table.issuer, table.subject_type, table.subject_id, table.taint],
    }),
  ],
)

/** What a candidate policy would have decided differently, see decide/shadow.ts. */
export const shadow_differences = countersign.table(
  'shadow_differences',
  {
    decision_id: uuid('decision_id').notNull(),
    candidate_revision: text('candidate_revision').notNull(),
    live_revision: text('live_revision').notNull(),
    at_ms: time('at_ms').notNull(),
    /** By which it is erased; none of before. */
    session_id: text('session_id'),
    subject: text('subject').notNull(),
    action: text('action').notNull(),
    resource: text('resource').notNull(),
    connection: text('connection').notNull(),
    from: json('from_verdict').$type<Verdict>().notNull(),
    to: json('to_verdict').$type<Verdict>().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.candidate_revision, table.decision_id] }),
    index('shadow_newest').on(table.at_ms),
    index('shadow_session').on(table.session_id),
  ],
)

/** Only to find sessions fast; it follows from the leaves. */
export const sessions = countersign.table(
  'sessions',
  {
    id: text('id').primaryKey(),
    subject_id: text('subject_id').notNull(),
    issuer: text('issuer').notNull(),
    first_ms: time('first_ms').notNull(),
    last_ms: time('last_ms').notNull(),
  },
  (table) => [
    index('sessions_recent').on(table.last_ms, table.id),
    index('sessions_subject').on(table.subject_id),
  ],
)

/** How many of a session's records have an `effect`, an `action`, a `result`; counted as they are appended. */
export const session_counts = countersign.table(
  'session_counts',
  {
    session_id: text('session_id').notNull(),
    /** `effect`, `action` or `result`. */
    what: text('what').notNull(),
    name: text('name').notNull(),
    count: time('count').notNull(),
  },
  (table) => [primaryKey({ columns: [table.session_id, table.what, table.name] })],
)

export const session_labels = countersign.table(
  'session_labels',
  { session_id: text('session_id').notNull(), label: text('label').notNull() },
  (table) => [
    primaryKey({ columns: [table.session_id, table.label] }),
    index('session_labels_label').on(table.label),
  ],
)
