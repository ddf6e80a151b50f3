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
          .select({ wrapped: session_keys.wrapped })
          .from(session_keys)
          .where(eq(session_keys.id, columnText(id)))
        return row
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
