import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres, { type Sql } from 'postgres'
import { ensureRole, grantRights, type ServiceRole } from './roles.ts'

const FOLDER = fileURLToPath(new URL('migrations', import.meta.url))
/** Any number, the same for all: who holds this advisory lock migrates. */
const LOCK = 4_277_001_953

/**
 * Brings the tables up to date as their owner, and the service's rights with them. Several processes may start at once.
 *
 * @param service the role to make; a name alone when an administrator made it.
 * @throws {Error} of the driver. Each migration is one transaction together with all others that are due.
 */
export async function migrateStore(url: string, service: ServiceRole | string): Promise<void> {
  const owner = postgres(url, {
    max: 1,
    connect_timeout: 4,
    onnotice: () => undefined,
    connection: { application_name: 'countersign-migrate' },
  })
  try {
    // On the one connection there is; the lock ends with it.
    await owner`select pg_advisory_lock(${LOCK})`
    await migrateTables(owner)
    if (typeof service !== 'string') await ensureRole(owner, service)
    await grantRights(owner, typeof service === 'string' ? service : service.username)
  } finally {
    await owner.end({ timeout: 2 })
  }
}

async function migrateTables(owner: Sql): Promise<void> {
  await migrate(drizzle(owner), { migrationsFolder: FOLDER, migrationsSchema: 'countersign' })
}
