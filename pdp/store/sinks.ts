import { eq } from 'drizzle-orm'
import type { Use } from './connection.ts'
import { sinks } from './schema.ts'
import type { SinkStore } from './store.ts'

export function createSinkStore(use: Use): SinkStore {
  return {
    read: (name) =>
      use(async ({ db }) => {
        const [row] = await db.select().from(sinks).where(eq(sinks.name, name))
        return row?.next ?? 0
      }),
    write: (name, next) =>
      use(async ({ db }) => {
        await db
          .insert(sinks)
          .values({ name, next })
          .onConflictDoUpdate({ target: sinks.name, set: { next } })
      }),
  }
}
