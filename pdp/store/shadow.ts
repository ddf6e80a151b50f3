import type { Use } from './connection.ts'
import { columnText } from './text.ts'
import { shadow_differences } from './schema.ts'
import type { ShadowStore } from './store.ts'
import { desc, eq } from 'drizzle-orm'

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
        await db.insert(shadow_differences).values(rows).onConflictDoNothing()
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
