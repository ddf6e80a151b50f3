import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { randomUUID } from 'node:crypto'
import type { LeafBody } from '../evidence/log-store.ts'
import { approvalLeaf } from './approval-leaf.ts'
import { APPEND_DEADLINE_MS, type Connection, type Transaction } from './connection.ts'
import { type Appending, readHead } from './log/append.ts'
import { approvals, votes } from './schema.ts'
import { scrub } from './scrub.ts'
import { noteErased } from './sealed/late-keys.ts'
import type { Erased, ErasureStore, RetentionRule, Selection } from './store.ts'
import { columnText } from './text.ts'

/** Most keys, and most approvals, that one transaction erases: nobody else can append meanwhile. */
const MAX_AT_ONCE = 500

/**
 * Erases content for good by deleting its keys. Leaves stay and verify. Each step is on record in the transaction that
 * does it.
 */
export function createErasureStore({ use, appendLeaves, source }: Appending): ErasureStore {
  async function erase(
    selection: Selection,
    leaf: (erased: Erased) => LeafBody,
    now_ms: number,
  ): Promise<Erased | 'held'> {
    const done = await use(
      ({ db }) =>
        db.transaction(async (transaction) => {
          // Approvals first and the log last, as everybody does: two who wait for each other would both fail.
          if ('session_id' in selection) await lockApprovals(transaction, selection.session_id)
          // Before anything is looked at: no hold and no key comes between.
          await readHead(transaction, sql`for update`)
          if ('session_id' in selection && (await isHeld(transaction, selection))) return 'held'
          if ('session_id' in selection) await noteErased(transaction, selection.session_id, now_ms)
          const keys = await eraseKeys(transaction, selection, now_ms)
          const ended = await endApprovals(transaction, selection)
          const gone = await eraseApprovals(transaction, selection, now_ms)
          const erased = { keys: keys.length, approvals: gone.length }
          const emptied =
            'session_id' in selection
              ? [columnText(selection.session_id)]
              : await emptiedBy(transaction, keys)
          await eraseNames(transaction, emptied)
          if ('rules' in selection) await eraseDifferences(transaction, selection)
          // A session's erasure is on record also when nothing was left of it.
          if (erased.keys + erased.approvals > 0 || 'session_id' in selection)
            await appendLeaves(transaction, [
              ...ended.map((row) => approvalLeaf(source, row, 'expired', now_ms)),
              ...gone.map((row) => approvalLeaf(source, row, 'erased', now_ms)),
              { body: leaf(erased) },
            ])
          return erased
        }),
      APPEND_DEADLINE_MS,
    )
    return done
  }

  return {
    erase,
    due: (rules, now_ms) => use(({ db }) => due(db, rules, now_ms)),
    scrub: () => use(({ sql: run }) => scrub(run), APPEND_DEADLINE_MS),
    holds: (id) => use(({ db }) => holds(db, id)),
    hold: (what, leaf, now_ms) =>
      use(({ db }) =>
        db.transaction(async (transaction) => {
          const id = randomUUID()
          const { session_id = null, connection = null } = what
          await transaction.execute(sql`
            insert into countersign.legal_holds (id, session_id, connection, at_ms)
            values (${id}, ${session_id && columnText(session_id)}, ${connection && columnText(connection)}, ${now_ms})`)
          await appendLeaves(transaction, [{ body: leaf(id) }])
          return id
        }),
      ),
    release: (id, leaf, now_ms) =>
      use(({ db }) =>
        db.transaction(async (transaction) => {
          const rows = await transaction.execute(sql`
            update countersign.legal_holds set released_ms = ${now_ms}
            where id::text = ${id} and released_ms is null returning id`)
          if (rows.length === 0) return false
          await appendLeaves(transaction, [{ body: leaf }])
          return true
        }),
      ),
  }
}

async function lockApprovals(transaction: Transaction, session_id: string): Promise<void> {
  await transaction
    .select({ id: approvals.id })
    .from(approvals)
    .where(eq(approvals.session_id, session_id))
    .orderBy(approvals.id)
    .for('update')
}

async function isHeld(
  transaction: Transaction,
  { session_id }: { readonly session_id: string },
): Promise<boolean> {
  const held = await transaction.execute(sql`
    select from countersign.legal_holds h
    where h.released_ms is null and (h.session_id = ${columnText(session_id)} or h.connection in (
      select k.connection from countersign.session_keys k where k.session_id = ${columnText(session_id)}
      union select a.connection from countersign.approvals a where a.session_id = ${columnText(session_id)}))
    limit 1`)
  return held.length > 0
}

/** Not held, by session or by connection. @param t the table's alias. */
const FREE = (t: SQL): SQL => sql`not exists (
  select from countersign.legal_holds h
  where h.released_ms is null and (h.session_id = ${t}.session_id or h.connection = ${t}.connection))`

/** Which rows a selection means. @param made the column that says when. */
function meant(selection: Selection, t: SQL, made: SQL): SQL {
  if ('session_id' in selection) return sql`${t}.session_id = ${columnText(selection.session_id)}`
  const { rules, now_ms } = selection
  if (rules.length === 0) return sql`false`
  return sql`(${sql.join(
    rules.map((rule) => sql`(${ofRule(rule, rules, t)} and ${made} < ${before(rule, now_ms)})`),
    sql` or `,
  )}) and ${FREE(t)}`
}

/** A key is used for at most a day after it was made, so what it sealed is at most a day younger than itself. */
const DAY_MS = 24 * 60 * 60 * 1000
const before = ({ keep_days }: RetentionRule, now_ms: number): number =>
  now_ms - (keep_days + 1) * DAY_MS

/** `*` is every connection that no other rule names. */
function ofRule(rule: RetentionRule, rules: readonly RetentionRule[], t: SQL): SQL {
  if (rule.connection !== '*') return sql`${t}.connection = ${rule.connection}`
  const named = rules.filter(({ connection }) => connection !== '*')
  if (named.length === 0) return sql`true`
  return sql`${t}.connection not in (${sql.join(
    named.map(({ connection }) => sql`${connection}`),
    sql`, `,
  )})`
}

type ErasedKey = { readonly id: string; readonly session_id: string }

async function eraseKeys(
  transaction: Transaction,
  selection: Selection,
  now_ms: number,
): Promise<readonly ErasedKey[]> {
  const rows = await transaction.execute<ErasedKey>(sql`
    update countersign.session_keys set wrapped = null, erased_ms = ${now_ms}
    where id in (
      select k.id from countersign.session_keys k
      where k.wrapped is not null and ${meant(selection, sql`k`, sql`k.created_ms`)}
      order by k.created_ms limit ${'session_id' in selection ? null : MAX_AT_ONCE})
    returning id, session_id`)
  const ids = rows.map(({ id }) => id)
  for (let at = 0; at < ids.length; at += MAX_AT_ONCE) {
    const some = isOneOf(sql`key_id`, ids.slice(at, at + MAX_AT_ONCE))
    // Nobody can read it any more; it goes so that it takes no room.
    await transaction.execute(sql`delete from countersign.sealed_records where ${some}`)
    await transaction.execute(sql`delete from countersign.sealed_blocks where ${some}`)
  }
  return rows
}

/** Sessions that have no content left once these keys are erased. */
async function emptiedBy(
  transaction: Transaction,
  keys: readonly ErasedKey[],
): Promise<readonly string[]> {
  if (keys.length === 0) return []
  const sessions = [...new Set(keys.map(({ session_id }) => session_id))]
  const left = await transaction.execute<{ session_id: string }>(sql`
    select distinct session_id from countersign.session_keys
    where wrapped is not null and ${isOneOf(sql`session_id`, sessions)}`)
  const kept = new Set(left.map(({ session_id }) => session_id))
  return sessions.filter((session) => !kept.has(session))
}

const isOneOf = (column: SQL, values: readonly string[]): SQL =>
  sql`${column} in (${sql.join(
    values.map((value) => sql`${value}`),
    sql`, `,
  )})`

/** What still waits for people ends: they could not see any more what they approve. Rules leave it to its own end. */
async function endApprovals(transaction: Transaction, selection: Selection) {
  if (!('session_id' in selection)) return []
  const live = inArray(approvals.state, ['pending', 'approved'])
  return transaction
    .update(approvals)
    .set({ state: 'expired' })
    .where(and(live, eq(approvals.session_id, selection.session_id)))
    .returning()
}

async function eraseApprovals(transaction: Transaction, selection: Selection, now_ms: number) {
  const where = meant(selection, sql`${approvals}`, sql`${approvals.demanded_ms}`)
  const rows = await transaction
    .select({ id: approvals.id })
    .from(approvals)
    .where(
      and(
        inArray(approvals.state, ['denied', 'expired', 'consumed']),
        sql`${approvals.erased_ms} is null`,
        where,
      ),
    )
    .limit('session_id' in selection ? Number.MAX_SAFE_INTEGER : MAX_AT_ONCE)
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  await transaction.update(votes).set({ comment: null }).where(inArray(votes.approval_id, ids))
  return transaction
    .update(approvals)
    .set({
      sealed: null,
      wrapped_key: null,
      erased_ms: now_ms,
      // Digests of what was asked for: a short action could be guessed by them.
      action_digest: '',
      live_key: sql`${approvals.id}::text`,
    })
    .where(inArray(approvals.id, ids))
    .returning()
}

/** What else has something of these sessions' content. */
async function eraseNames(transaction: Transaction, sessions: readonly string[]): Promise<void> {
  if (sessions.length === 0) return
  await transaction.execute(
    sql`delete from countersign.session_labels where ${isOneOf(sql`session_id`, sessions)}`,
  )
  // A decision that a person then approved is in no leaf of its own.
  await transaction.execute(
    sql`delete from countersign.shadow_differences where ${isOneOf(sql`session_id`, sessions)}`,
  )
  // Those of before they said whose they are.
  await transaction.execute(sql`
    delete from countersign.shadow_differences where session_id is null and decision_id::text in (
      select decision_id from countersign.leaves
      where ${isOneOf(sql`session_id`, sessions)} and decision_id is not null)`)
}

/** Decisions that nobody recorded, of clients of the decision service, are differences of no session that is known. */
async function eraseDifferences(transaction: Transaction, selection: Selection): Promise<void> {
  await transaction.execute(sql`
    delete from countersign.shadow_differences d where ${meant(selection, sql`d`, sql`d.at_ms`)}`)
}

async function due(
  db: Connection['db'],
  rules: readonly RetentionRule[],
  now_ms: number,
): ReturnType<ErasureStore['due']> {
  if (rules.length === 0) return []
  const rows = await db.execute<{
    connection: string
    keys: string
    approvals: string
    oldest_ms: string
  }>(sql`
    select connection, sum(key) as keys, sum(approval) as approvals, min(made) as oldest_ms
    from (
      select k.connection, 1 as key, 0 as approval, k.created_ms as made from countersign.session_keys k
      where k.wrapped is not null and ${meant({ rules, now_ms }, sql`k`, sql`k.created_ms`)}
      union all
      select a.connection, 0, 1, a.demanded_ms from countersign.approvals a
      where a.erased_ms is null and a.state not in ('pending', 'approved')
        and ${meant({ rules, now_ms }, sql`a`, sql`a.demanded_ms`)}
    ) as old
    group by connection order by connection`)
  return rows.map((row) => ({
    connection: row.connection,
    keys: Number(row.keys),
    approvals: Number(row.approvals),
    oldest_ms: Number(row.oldest_ms),
  }))
}

async function holds(
  db: Connection['db'],
  id: string | undefined,
): ReturnType<ErasureStore['holds']> {
  const rows = await db.execute<{
    id: string
    session_id: string | null
    connection: string | null
    at_ms: string
  }>(sql`
    select id, session_id, connection, at_ms from countersign.legal_holds
    where released_ms is null ${id === undefined ? sql`` : sql`and id::text = ${columnText(id)}`}
    order by at_ms desc, id limit 1000`)
  return rows.map(({ id, session_id, connection, at_ms }) => ({
    id,
    ...(session_id !== null && { session_id }),
    ...(connection !== null && { connection }),
    at_ms: Number(at_ms),
  }))
}
