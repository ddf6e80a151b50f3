import { type SQL, sql } from 'drizzle-orm'
import type { LeafBody } from '../../evidence/log-store.ts'
import { leafText } from '../../evidence/leaf.ts'
import { HASH_BYTES, leafHash } from '../../evidence/merkle/hash.ts'
import { growRange, type Subtree } from '../../evidence/merkle/range.ts'
import type { Transaction, Use } from '../connection.ts'
import { StoreError } from '../store.ts'
import { columnText } from '../text.ts'

export type NewLeaf = {
  readonly body: LeafBody
  /** Digest of the journal's frame that it was made from. */
  readonly digest?: Uint8Array
}

export type Head = {
  readonly size: number
  readonly range: readonly Uint8Array[]
  readonly logged_ms: number
}

/**
 * Takes leaves into the log, in the transaction of what they tell of. Who calls it holds the log until the transaction
 * ends: it comes last, and nothing slow after it.
 * @returns the index of the first.
 */
export type AppendLeaves = (
  transaction: Transaction,
  leaves: readonly NewLeaf[],
) => Promise<{ readonly from: number }>

/** What it takes to change something and say so in the log, in one transaction. */
export type Appending = {
  readonly use: Use
  readonly appendLeaves: AppendLeaves
  /** Name of this service in the leaves that it makes itself. */
  readonly source: string
}

/** Clocks of several services differ by a little; more than this is told. */
const CLOCK_BACK_MS = 2_000
/** How often it is told while it lasts. */
const TELL_AGAIN_MS = 60_000

/** @param source name of this service in the leaves that it makes itself. */
export function createAppendLeaves(source: string, now: () => number): AppendLeaves {
  let told_ms = -Infinity

  return async (transaction, leaves) => {
    const now_ms = now()
    // Before the log is held: what is made under the lock, all others wait for.
    const guess = prepare(leaves, now_ms)
    const head = await readHead(transaction, sql`for update`)
    const back_ms = head.logged_ms - now_ms
    const tell = back_ms > CLOCK_BACK_MS && performance.now() - told_ms > TELL_AGAIN_MS
    if (tell) told_ms = performance.now()
    const taken =
      back_ms <= 0
        ? guess
        : prepare(tell ? [clockBack(source, now_ms, back_ms), ...leaves] : leaves, head.logged_ms)
    await insert(transaction, head, taken, Math.max(now_ms, head.logged_ms))
    return { from: head.size + taken.length - leaves.length }
  }
}

/** Time of the log never goes back, so that leaves can be found by it. */
const clockBack = (source: string, time_ms: number, by_ms: number): NewLeaf => ({
  body: {
    v: 1,
    kind: 'event',
    time_ms,
    source: { pdp: source },
    name: 'clock.back',
    detail: { by_ms },
  },
})

type Prepared = NewLeaf & { readonly text: string; readonly hash: Uint8Array }

const prepare = (leaves: readonly NewLeaf[], logged_ms: number): readonly Prepared[] =>
  leaves.map((leaf) => {
    const text = leafText(leaf.body, logged_ms)
    return { ...leaf, text, hash: leafHash(text) }
  })

/** @param lock what to add to the query. @throws {StoreError} when there is none. */
export async function readHead(
  use: Pick<Transaction, 'execute'>,
  lock: SQL = sql``,
): Promise<Head> {
  const [row] = await use.execute<{
    size: string
    range: Buffer
    logged_ms: string
  }>(sql`select size, range, logged_ms from countersign.log_head ${lock}`)
  if (!row) throw new StoreError('STORE_BROKEN', 'the log has no head')
  const range: Uint8Array[] = []
  for (let at = 0; at < row.range.length; at += HASH_BYTES)
    range.push(row.range.subarray(at, at + HASH_BYTES))
  return { size: Number(row.size), range, logged_ms: Number(row.logged_ms) }
}

async function insert(
  transaction: Transaction,
  head: Head,
  leaves: readonly Prepared[],
  logged_ms: number,
): Promise<void> {
  const range = growRange({ size: head.size, hashes: head.range })
  const nodes: Subtree[] = []
  const rows = leaves.map(({ body, digest, text, hash }, at) => {
    nodes.push(...range.append(hash))
    return {
      idx: head.size + at,
      leaf: text,
      hash: hex(hash),
      logged_ms,
      ...columns(body),
      ...(digest && { digest: hex(digest) }),
    }
  })
  for (let at = 0; at < rows.length; at += MAX_ROWS)
    await transaction.execute(sql`
      insert into countersign.leaves
        (idx, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq, digest, session_id, operation_id, decision_id)
      select idx, leaf, decode(hash, 'hex'), kind, time_ms, logged_ms, pep, epoch, seq, decode(digest, 'hex'), session_id,
        operation_id, decision_id
      from json_to_recordset(${JSON.stringify(rows.slice(at, at + MAX_ROWS))}::text::json) as l(
        idx bigint, leaf text, hash text, kind text, time_ms bigint, logged_ms bigint, pep text, epoch text, seq bigint,
        digest text, session_id text, operation_id text, decision_id text)`)
  if (nodes.length > 0)
    await transaction.execute(sql`
      insert into countersign.log_nodes (level, n, hash)
      select level, n, decode(hash, 'hex')
      from json_to_recordset(${JSON.stringify(nodes.map((node) => ({ ...node, hash: hex(node.hash) })))}::text::json)
        as s(level integer, n bigint, hash text)`)
  await transaction.execute(sql`
    update countersign.log_head
    set size = ${range.size()}, range = ${Buffer.concat(range.hashes())}, logged_ms = ${logged_ms}`)
}

/** Most of one statement. */
const MAX_ROWS = 2_000

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** What leaves are found by. */
function columns({
  kind,
  time_ms,
  source,
  ...rest
}: LeafBody): Readonly<Record<string, string | number>> {
  const { session_id, operation_id, decision, decision_id } = rest
  const id =
    typeof decision === 'object' && decision !== null && 'id' in decision
      ? decision.id
      : decision_id
  return {
    kind,
    time_ms,
    ...('pep' in source && source),
    ...(typeof session_id === 'string' && { session_id: columnText(session_id) }),
    ...(typeof operation_id === 'string' && { operation_id: columnText(operation_id) }),
    // Of a PEP's step alone: an approval names the decision that demanded it.
    ...('pep' in source && typeof id === 'string' && { decision_id: columnText(id) }),
  }
}
