import type { TransactionSql } from 'postgres'
import { columnText } from './insert-frames.ts'
import type { IndexedFrame } from './store.ts'

/**
 * Gives outcomes and chunks the session of their operation, whose intent came before them: in the same batch, or on
 * record. An operation's name counts only from the PEP that began it.
 */
export async function findSessions(
  sql: TransactionSql,
  pep: string,
  frames: readonly IndexedFrame[],
): Promise<readonly IndexedFrame[]> {
  const sessions = new Map<string, string>()
  for (const { index } of frames)
    if (index.operation_id !== undefined && index.session_id !== undefined)
      sessions.set(columnText(index.operation_id), index.session_id)
  const missing = new Set<string>()
  for (const { index } of frames) {
    const operation = index.operation_id && columnText(index.operation_id)
    if (operation && !sessions.has(operation)) missing.add(operation)
  }
  for (const [operation, session] of await lookUp(sql, pep, [...missing]))
    sessions.set(operation, session)
  return frames.map((frame) => place(frame, sessions))
}

async function lookUp(
  sql: TransactionSql,
  pep: string,
  operations: readonly string[],
): Promise<readonly (readonly [operation: string, session: string])[]> {
  if (operations.length === 0) return []
  const rows = await sql<{ operation_id: string; session_id: string }[]>`
    select distinct r.operation_id, r.session_id
    from json_array_elements_text(${JSON.stringify(operations)}::text::json) as o(id)
    join countersign.records r on r.operation_id = o.id
    where r.pep = ${pep} and r.session_id is not null`
  return rows.map((row) => [row.operation_id, row.session_id])
}

function place(frame: IndexedFrame, sessions: ReadonlyMap<string, string>): IndexedFrame {
  const { operation_id, session_id } = frame.index
  if (operation_id === undefined || session_id !== undefined) return frame
  const found = sessions.get(columnText(operation_id))
  return found === undefined ? frame : { ...frame, index: { ...frame.index, session_id: found } }
}
