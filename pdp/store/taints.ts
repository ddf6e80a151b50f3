import { and, eq } from 'drizzle-orm'
import type { Use } from './connection.ts'
import { columnText } from './text.ts'
import { session_taints } from './schema.ts'
import type { SessionHolder, TaintStore } from './store.ts'

export function createTaintStore(use: Use): TaintStore {
  return {
    of: (holder) =>
      use(async ({ db }) => {
        const key = columns(holder)
        const rows = await db
          .select({ taint: session_taints.taint })
          .from(session_taints)
          .where(
            and(
              eq(session_taints.session_id, key.session_id),
              eq(session_taints.issuer, key.issuer),
              eq(session_taints.subject_type, key.subject_type),
              eq(session_taints.subject_id, key.subject_id),
            ),
          )
        return rows.map(({ taint }) => taint).sort()
      }),
    add: (holder, taints, by) =>
      use(async ({ db }) => {
        if (taints.length === 0) return
        const rows = taints.map((taint) => ({
          ...columns(holder),
          ...by,
          taint: columnText(taint),
        }))
        await db.insert(session_taints).values(rows).onConflictDoNothing()
      }),
  }
}

const columns = ({ issuer, type, id, session_id }: SessionHolder) => ({
  issuer: columnText(issuer),
  subject_type: columnText(type),
  subject_id: columnText(id),
  session_id: columnText(session_id),
})
