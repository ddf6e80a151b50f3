import { type SQL, sql } from 'drizzle-orm'
import type { Transaction } from '../connection.ts'
import type { RecordAppend } from '../store.ts'
import { columnText } from '../text.ts'

/**
 * Remembers when a session's content was erased, for keys that an enforcement point still holds: made before, and
 * shipped after. To be called while the log is held.
 */
export async function noteErased(
  transaction: Transaction,
  session_id: string,
  now_ms: number,
): Promise<void> {
  await transaction.execute(sql`
    update countersign.sessions set erased_ms = greatest(erased_ms, ${now_ms}::bigint)
    where id = ${columnText(session_id)}`)
}

/**
 * Erases, of the keys that just came, those of sessions that were erased since they were made, and takes away what came
 * under keys that are erased. What is held by now stays. To be called while the log is held: no erasure comes between, and one that came before is seen.
 */
export async function eraseLate(
  transaction: Transaction,
  { keys, frames }: Pick<RecordAppend, 'keys' | 'frames'>,
): Promise<void> {
  const came = keys.map(({ id }) => columnText(id))
  const used = frames.flatMap(({ content }) => (content ? [columnText(content.key)] : []))
  if (came.length > 0)
    await transaction.execute(sql`
      update countersign.session_keys k set wrapped = null, erased_ms = s.erased_ms
      from countersign.sessions s
      where k.id in (${listed(came)}) and k.wrapped is not null and s.id = k.session_id and s.erased_ms >= k.created_ms
        and not exists (
          select from countersign.legal_holds h
          where h.released_ms is null and (h.session_id = k.session_id or h.connection = k.connection))`)
  if (used.length === 0) return
  const erased = await transaction.execute<{ id: string }>(sql`
    select id from countersign.session_keys where id in (${listed(used)}) and wrapped is null`)
  if (erased.length === 0) return
  const gone = listed(erased.map(({ id }) => id))
  await transaction.execute(sql`delete from countersign.sealed_records where key_id in (${gone})`)
  await transaction.execute(sql`delete from countersign.sealed_blocks where key_id in (${gone})`)
}

const listed = (ids: readonly string[]): SQL =>
  sql`select json_array_elements_text(${JSON.stringify([...new Set(ids)])}::text::json)`
