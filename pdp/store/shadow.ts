import type { Transaction, Use } from './connection.ts'
import { columnText } from './text.ts'
import { sessions, shadow_differences } from './schema.ts'
import type { ShadowStore } from './store.ts'
import { desc, eq, inArray } from 'drizzle-orm'

export function createShadowStore(use: Use): ShadowStore {
  return {
    append: (differences) =>
      use(async ({ db }) => {
        if (differences.length === 0) return
        const rows = differences.map((one) => ({
          ...one,
          session_id: one.session_id === null ? null : columnText(one.session_id),
          subject: columnText(one.subject),
          action: columnText(one.action),
          resource: columnText(one.resource),
          connection: columnText(one.connection),
        }))
        await db.transaction(async (transaction) => {
          const erased = await erasedSince(transaction, rows)
          const kept = rows.filter((row) => !erased(row))
          if (kept.length === 0) return
          await transaction.insert(shadow_differences).values(kept).onConflictDoNothing()
        })
      }),
    list: ({ candidate, limit }) =>
      use(({ db }) =>
        db
          .select()
          .from(shadow_differences)
          .where(
            candidate === undefined
              ? undefined
              : eq(shadow_differences.candidate_revision, candidate),
          )
          .orderBy(desc(shadow_differences.at_ms), desc(shadow_differences.decision_id))
          .limit(limit),
      ),
  }
}

type Row = { readonly session_id: string | null; readonly at_ms: number }

/**
 * They are written some time after the decision; the session may have been erased meanwhile. Locked, so that an erasure
 * that begins now comes after them, and takes them.
 */
async function erasedSince(
  transaction: Transaction,
  rows: readonly Row[],
): Promise<(row: Row) => boolean> {
  const ids = new Set(rows.flatMap(({ session_id }) => session_id ?? []))
  const erased = await transaction
    .select({ id: sessions.id, erased_ms: sessions.erased_ms })
    .from(sessions)
    .where(inArray(sessions.id, [...ids]))
    .orderBy(sessions.id)
    .for('share')
  const at_ms = new Map(erased.map((one) => [one.id, one.erased_ms]))
  return (row) => row.at_ms <= (at_ms.get(row.session_id ?? '') ?? -1)
}
