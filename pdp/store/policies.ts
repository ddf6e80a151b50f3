import { hash } from 'node:crypto'
import { eq, inArray, sql } from 'drizzle-orm'
import type { LeafBody } from '../evidence/log-store.ts'
import { type Appending, readHead } from './log/append.ts'
import { bundle_archives, policy_revisions } from './schema.ts'
import type { KeptPolicy, PolicyStore } from './store.ts'

export function createPolicyStore({ use, appendLeaves, source }: Appending): PolicyStore {
  return {
    keep: (policy, time_ms) =>
      use(({ db }) =>
        db.transaction(async (transaction) => {
          const { revision, config_digest } = policy
          const archives = policy.bundles.map(({ archive }) => ({
            digest: hash('sha256', archive),
            archive,
          }))
          const bundles = policy.bundles.map(({ archive, ...bundle }) => ({
            ...bundle,
            archive: hash('sha256', archive),
          }))
          await transaction.insert(bundle_archives).values(archives).onConflictDoNothing()
          await transaction
            .insert(policy_revisions)
            .values({ revision, config_digest, bundles, first_ms: time_ms })
            .onConflictDoNothing()
          // One after the other: of two services that activate it at once, one says so.
          await readHead(transaction, sql`for update`)
          const [newest] = await transaction.execute<{ leaf: string }>(
            sql`select leaf from countersign.leaves where kind = 'policy' order by idx desc limit 1`,
          )
          const active =
            newest && (JSON.parse(newest.leaf) as { readonly revision?: unknown }).revision
          if (active === revision) return
          const body: LeafBody = {
            v: 1,
            kind: 'policy',
            time_ms,
            source: { pdp: source },
            revision,
            config_digest,
            bundles,
          }
          await appendLeaves(transaction, [{ body }])
        }),
      ),
    find: (revision) =>
      use(async ({ db }): Promise<KeptPolicy | undefined> => {
        const [row] = await db
          .select()
          .from(policy_revisions)
          .where(eq(policy_revisions.revision, revision))
        if (!row) return undefined
        const found = await db
          .select()
          .from(bundle_archives)
          .where(
            inArray(
              bundle_archives.digest,
              row.bundles.map(({ archive }) => archive),
            ),
          )
        const byDigest = new Map(found.map(({ digest, archive }) => [digest, archive]))
        const bundles = row.bundles.flatMap(({ archive: digest, ...bundle }) => {
          const archive = byDigest.get(digest)
          return archive ? [{ ...bundle, archive }] : []
        })
        const { config_digest } = row
        return bundles.length === row.bundles.length
          ? { revision, config_digest, bundles }
          : undefined
      }),
  }
}
