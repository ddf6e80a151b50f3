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
import type { CanonicalAction } from '../contract/action.ts'
import type { ApprovalState } from '../contract/approval.ts'
import type { Reason, Verdict } from '../contract/decision.ts'

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
    action_digest: text('action_digest').notNull(),
    // `json` keeps the text as it is; `jsonb` would refuse `\u0000` and change numbers.
    action: json('action').$type<CanonicalAction>().notNull(),
    reasons: json('reasons').$type<readonly Reason[]>().notNull(),
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

export const records = countersign.table(
  'records',
  {
    pep: text('pep').notNull(),
    epoch: text('epoch').notNull(),
    seq: time('seq').notNull(),
    prev: bytea('prev').notNull(),
    digest: bytea('digest').notNull(),
    payload: bytea('payload').notNull(),
    received_ms: time('received_ms').notNull(),
    kind: text('kind').notNull(),
    time_ms: time('time_ms').notNull(),
    operation_id: text('operation_id'),
    parent_id: text('parent_id'),
    /** Also of an outcome or a chunk, which only name their operation: found when it is appended. */
    session_id: text('session_id'),
    session_label: text('session_label'),
    connection: text('connection'),
    action: text('action'),
    effect: text('effect'),
    subject_id: text('subject_id'),
    issuer: text('issuer'),
    decision_id: text('decision_id'),
    result: text('result'),
  },
  (table) => [
    primaryKey({ columns: [table.pep, table.epoch, table.seq] }),
    index('records_operation').on(table.operation_id),
    index('records_decision')
      .on(table.decision_id)
      .where(sql`${table.decision_id} is not null`),
    index('records_session')
      .on(table.session_id, table.time_ms, table.pep, table.epoch, table.seq)
      .where(sql`${table.session_id} is not null`),
  ],
)

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
  ],
)

/** Only to find sessions fast; it follows from the records. */
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
