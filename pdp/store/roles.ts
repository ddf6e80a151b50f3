import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'
import { StoreError } from './store.ts'

/** The login of the running service. It owns nothing. */
export type ServiceRole = { readonly username: string; readonly password: string }

/** Each installation has a role of its own, named after its secret: two never change each other's password. */
export function serviceRole(password: string): ServiceRole {
  const name = createHash('sha256').update(`countersign role ${password}`).digest('hex')
  return { username: `countersign_service_${name.slice(0, 12)}`, password }
}

/** Makes the role, or gives it its password again. @param owner must be able to create roles. */
export async function ensureRole(owner: Sql, role: ServiceRole): Promise<void> {
  const [known] = await owner`select 1 from pg_roles where rolname = ${role.username}`
  const verb = known ? 'ALTER' : 'CREATE'
  // The verifier goes over the wire and maybe into a log, never the password.
  await owner.unsafe(
    `${verb} ROLE ${quoted(role.username)} LOGIN PASSWORD '${scramVerifier(role.password)}'`,
  )
}

/** All that the service may do. Whatever else it was granted on these tables before is taken away. */
const RIGHTS = {
  leaves: 'INSERT, SELECT',
  log_nodes: 'INSERT, SELECT',
  checkpoints: 'INSERT, SELECT',
  cosignatures: 'INSERT, SELECT',
  log_head: 'SELECT, UPDATE (size, range, logged_ms)',
  session_keys: 'INSERT, SELECT, UPDATE (wrapped, erased_ms)',
  sealed_records: 'INSERT, SELECT, DELETE',
  sealed_blocks: 'INSERT, SELECT, DELETE',
  bundle_archives: 'INSERT, SELECT',
  policy_revisions: 'INSERT, SELECT',
  legal_holds: 'INSERT, SELECT, UPDATE (released_ms)',
  sinks: 'INSERT, SELECT, UPDATE (next)',
  record_alarms: 'INSERT, SELECT',
  votes: 'INSERT, SELECT, UPDATE (comment)',
  approvals:
    'INSERT, SELECT, UPDATE (state, live_key, action_digest, sealed, wrapped_key, erased_ms, decided_ms, consumed_decision_id, consumed_revision, consumed_operation_id, consumed_ms)',
  sessions: 'INSERT, SELECT, UPDATE (subject_id, issuer, first_ms, last_ms, erased_ms)',
  session_counts: 'INSERT, SELECT, UPDATE (count)',
  session_labels: 'INSERT, SELECT, DELETE',
  shadow_differences: 'INSERT, SELECT, DELETE',
  session_taints: 'INSERT, SELECT',
} as const

export async function grantRights(owner: Sql, username: string): Promise<void> {
  const role = quoted(username)
  const grants = Object.entries(RIGHTS).map(
    ([table, rights]) => `GRANT ${rights} ON countersign.${table} TO ${role};`,
  )
  // One message, so one transaction: nobody sees the time between.
  await owner.unsafe(`
    REVOKE ALL ON ALL TABLES IN SCHEMA countersign FROM ${role};
    REVOKE ALL ON SCHEMA countersign FROM ${role};
    GRANT USAGE ON SCHEMA countersign TO ${role};
    ${grants.join('\n')}
  `)
  // So that it can have old versions of erased rows forgotten at once; servers before 17 do not know the right.
  const [server] = await owner<{ version: number }[]>`
    select current_setting('server_version_num')::integer as version`
  if (server && server.version >= 170_000)
    await owner.unsafe(
      `GRANT MAINTAIN ON countersign.session_keys, countersign.approvals, countersign.votes, countersign.session_labels, countersign.shadow_differences TO ${role}`,
    )
}

/**
 * Fail closed: a service that owns the record, or could become its owner, or may change it, does not run.
 * @throws {StoreError} STORE_BROKEN
 */
export async function checkServiceRole(service: Sql): Promise<void> {
  const [row] = await service<{ owner: boolean | null; changes: boolean }[]>`
    select bool_or(pg_has_role(c.relowner, 'MEMBER')) as owner,
      bool_or(has_table_privilege(c.oid, 'UPDATE') or has_any_column_privilege(c.oid, 'UPDATE')
        or has_table_privilege(c.oid, 'DELETE') or has_table_privilege(c.oid, 'TRUNCATE')) as changes
    from pg_class c
    where c.oid in (
      to_regclass('countersign.leaves'), to_regclass('countersign.log_nodes'), to_regclass('countersign.checkpoints'))`
  if (row?.owner === undefined || row.owner === null)
    throw new StoreError(
      'STORE_BROKEN',
      "the tables are not there, or the service's role may not see them; start once with the owner's URL",
    )
  if (row.owner || row.changes)
    throw new StoreError(
      'STORE_BROKEN',
      "the service's role could change the record; give it a role of its own that only has what the owner's start grants",
    )
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** What PostgreSQL keeps in place of a password, see RFC 5803. */
function scramVerifier(password: string): string {
  const iterations = 4096
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64')
  const server = hmac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`
}
