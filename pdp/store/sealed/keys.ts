import { and, eq, sql } from 'drizzle-orm'
import type { Connection, Use } from '../connection.ts'
import { sealed_blocks, session_keys } from '../schema.ts'
import type { KeyStore, NamedContent } from '../store.ts'
import { columnText } from '../text.ts'

export function createKeyStore(use: Use): KeyStore {
  return {
    find: (id) =>
      use(async ({ db }) => {
        const [row] = await db
          .select()
          .from(session_keys)
          .where(eq(session_keys.id, columnText(id)))
        if (!row) return undefined
        const { wrapped, session_id, connection, created_ms } = row
        return wrapped ? { id, session_id, connection, created_ms, wrapped } : 'erased'
      }),
    block: (key, block) =>
      use(async ({ db }) => {
        const [row] = await db
          .select({ sealed: sealed_blocks.sealed })
          .from(sealed_blocks)
          .where(
            and(
              eq(sealed_blocks.key_id, columnText(key)),
              eq(sealed_blocks.block_id, columnText(block)),
            ),
          )
        return row?.sealed
      }),
    sealed: (leaves) => use(({ db }) => sealed(db, leaves)),
  }
}

async function sealed(
  db: Connection['db'],
  leaves: readonly NamedContent[],
): ReturnType<KeyStore['sealed']> {
  const found = new Map<number, { sealed?: Uint8Array; blocks: Uint8Array[] }>()
  const at = (index: number) => {
    const known = found.get(index) ?? { blocks: [] }
    found.set(index, known)
    return known
  }
  const rows = await db.execute<{ idx: string; sealed: Uint8Array }>(sql`
    select l.idx, s.sealed
    from json_array_elements_text(${JSON.stringify(leaves.map(({ index }) => index))}::text::json) as w(idx)
    join countersign.leaves l on l.idx = w.idx::bigint
    join countersign.sealed_records s on s.pep = l.pep and s.epoch = l.epoch and s.seq = l.seq`)
  for (const row of rows) at(Number(row.idx)).sealed = row.sealed
  const blocks = leaves.flatMap(({ index, key, blocks: hashes }) =>
    hashes.map((hash) => ({ idx: index, key, hash })),
  )
  if (blocks.length === 0) return found
  const parts = await db.execute<{ idx: string; sealed: Uint8Array }>(sql`
    select w.idx, b.sealed
    from json_to_recordset(${JSON.stringify(blocks)}::text::json) as w(idx bigint, key text, hash text)
    join countersign.sealed_blocks b on b.key_id = w.key and b.hash = decode(w.hash, 'hex')`)
  for (const part of parts) at(Number(part.idx)).blocks.push(part.sealed)
  return found
}
