import { and, eq } from 'drizzle-orm'
import type { Use } from '../connection.ts'
import { sealed_blocks, session_keys } from '../schema.ts'
import type { KeyStore } from '../store.ts'
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
  }
}
