import { drizzle } from 'drizzle-orm/postgres-js'
import postgres, { type Sql } from 'postgres'
import { checkpointText } from '../../pdp/evidence/checkpoint.ts'
import { exportEvidence, type ExportOptions } from '../../pdp/evidence/export.ts'
import { leafHash } from '../../pdp/evidence/merkle/hash.ts'
import { growRange, rootOf, type Subtree } from '../../pdp/evidence/merkle/range.ts'
import { namedContent } from '../../pdp/evidence/named-content.ts'
import { formatNote } from '../../pdp/evidence/note.ts'
import type { TestKey } from '../../pdp/evidence/testing.ts'
import { createLog } from '../../pdp/store/log/store.ts'
import { createKeyStore } from '../../pdp/store/sealed/keys.ts'
import { ORIGIN } from './recorded-log.ts'

/** What the tables of the log hold, and how a superuser of the database changes them. */

export type LeafRow = {
  readonly idx: number
  readonly leaf: string
  readonly hash: Uint8Array
  /** The frame it was made from, as columns name it. */
  readonly frame?: { readonly pep: string; readonly epoch: string; readonly seq: number }
}
export type CheckpointRow = {
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}
export type RecordRow = {
  readonly pep: string
  readonly epoch: string
  readonly seq: number
  readonly sealed: Uint8Array
}
export type BlockRow = {
  readonly key_id: string
  readonly block_id: string
  readonly sealed: Uint8Array
}

export type Rows = {
  readonly leaves: readonly LeafRow[]
  readonly checkpoints: readonly CheckpointRow[]
  readonly cosignatures: readonly { readonly size: number; readonly line: string }[]
  readonly records: readonly RecordRow[]
  readonly blocks: readonly BlockRow[]
}

export type Superuser = {
  /** The tables as they are. */
  readonly rows: Rows
  /**
   * Puts other rows in place of them, triggers off, and has the real exporter write what there is then. All of it is
   * undone. @returns lines, each with its newline. Rejects when the exporter refuses.
   */
  readonly exportOf: (forged: Rows, options?: Partial<ExportOptions>) => Promise<string[]>
  readonly end: () => Promise<void>
}

export async function becomeSuperuser(url: string): Promise<Superuser> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  const db = drizzle(sql)
  const log = createLog(
    (work) => work({ sql, db, repeating: db }),
    () => Promise.reject(new Error('nothing is appended')),
  )
  const keys = createKeyStore((work) => work({ sql, db, repeating: db }))
  const rows = await readRows(sql)
  return {
    rows,
    async exportOf(forged, options) {
      await sql`begin`
      try {
        await sql`set local session_replication_role = replica`
        await write(sql, rows, forged)
        const lines: string[] = []
        const sealed: NonNullable<ExportOptions['sealed']> = (leaves) =>
          keys.sealed(leaves.flatMap(namedContent))
        const exported = exportEvidence({ store: log, origin: ORIGIN, sealed, ...options })
        for await (const line of exported) lines.push(line)
        return lines
      } finally {
        await sql`rollback`
      }
    },
    end: () => sql.end(),
  }
}

async function readRows(sql: Sql): Promise<Rows> {
  const leaves = await sql<
    (Omit<LeafRow, 'frame'> & { pep: string | null; epoch: string; seq: number })[]
  >`
    select idx::integer, leaf, hash, pep, epoch, seq::integer from countersign.leaves order by idx`
  return {
    leaves: leaves.map(({ idx, leaf, hash, pep, epoch, seq }) => ({
      idx,
      leaf,
      hash,
      ...(pep !== null && { frame: { pep, epoch, seq } }),
    })),
    checkpoints: await sql<CheckpointRow[]>`
      select size::integer, root, note from countersign.checkpoints order by size`,
    cosignatures: await sql<{ size: number; line: string }[]>`
      select size::integer, line from countersign.cosignatures`,
    records: await sql<RecordRow[]>`
      select pep, epoch, seq::integer, sealed from countersign.sealed_records order by pep, epoch, seq`,
    blocks: await sql<BlockRow[]>`
      select key_id, block_id, sealed from countersign.sealed_blocks order by key_id, block_id`,
  }
}

/** Only what differs is written, so that ten thousand of them take minutes. */
async function write(sql: Sql, before: Rows, after: Rows): Promise<void> {
  if (after.leaves !== before.leaves) await writeLeaves(sql, before.leaves, after.leaves)
  if (after.checkpoints !== before.checkpoints) {
    await sql`delete from countersign.checkpoints`
    if (after.checkpoints.length > 0)
      await sql`insert into countersign.checkpoints ${sql(after.checkpoints.map((row) => ({ ...row, at_ms: row.size })))}`
  }
  if (after.cosignatures !== before.cosignatures) {
    await sql`delete from countersign.cosignatures`
    if (after.cosignatures.length > 0)
      await sql`insert into countersign.cosignatures ${sql([...after.cosignatures])}`
  }
  for (const { pep, epoch, seq } of gone(before.records, after.records))
    await sql`delete from countersign.sealed_records where pep = ${pep} and epoch = ${epoch} and seq = ${seq}`
  for (const row of gone(after.records, before.records))
    await sql`insert into countersign.sealed_records ${sql({ ...row, key_id: 'k' })}`
  for (const { key_id, block_id } of gone(before.blocks, after.blocks))
    await sql`delete from countersign.sealed_blocks where key_id = ${key_id} and block_id = ${block_id}`
  for (const row of gone(after.blocks, before.blocks))
    await sql`insert into countersign.sealed_blocks ${sql(row)}`
}

const gone = <T>(before: readonly T[], after: readonly T[]): T[] => {
  const left = new Set(after)
  return before.filter((row) => !left.has(row))
}

async function writeLeaves(
  sql: Sql,
  before: readonly LeafRow[],
  after: readonly LeafRow[],
): Promise<void> {
  const old = gone(before, after).map(({ idx }) => idx)
  if (old.length > 0) await sql`delete from countersign.leaves where idx = any(${old}::bigint[])`
  const rows = gone(after, before).map(({ hash, frame, ...row }) => ({
    ...row,
    hash: Buffer.from(hash).toString('hex'),
    ...frame,
  }))
  await sql`
    insert into countersign.leaves (idx, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq)
    select idx, leaf, decode(hash, 'hex'), 'event', 0, 0, pep, epoch, seq
    from json_to_recordset(${JSON.stringify(rows)}::text::json)
      as r(idx bigint, leaf text, hash text, pep text, epoch text, seq bigint)`
  if (!isWhole(after)) return
  const { range, nodes } = treeOf(after)
  await sql`update countersign.log_head set size = ${range.size()}, range = ${Buffer.concat(range.hashes())}`
  await sql`delete from countersign.log_nodes`
  for (const { level, n, hash } of nodes)
    await sql`insert into countersign.log_nodes (level, n, hash) values (${level}, ${n}, ${Buffer.from(hash)})`
}

const isWhole = (leaves: readonly LeafRow[]): boolean => leaves.every(({ idx }, at) => idx === at)

/** @param size how many leaves of them. */
function treeOf(leaves: readonly LeafRow[], size = leaves.length) {
  const range = growRange()
  const nodes: Subtree[] = []
  for (const { hash } of leaves.slice(0, size)) nodes.push(...range.append(hash))
  return { range, nodes }
}

/** Hashes are those of the texts again, and numbers without gaps. */
export const rehashed = (leaves: readonly LeafRow[], base: readonly LeafRow[]): LeafRow[] =>
  leaves.map((row, idx) => {
    const hash = leafHash(row.leaf)
    const known = base[idx]
    // The same row where nothing changed.
    if (known?.leaf === row.leaf && known.frame === row.frame) return known
    return { ...row, idx, hash }
  })

/** Checkpoints of these leaves at the sizes of others; the newest is of all of them. */
export function resigned(
  leaves: readonly LeafRow[],
  old: readonly CheckpointRow[],
  sign: (text: string, old: string) => readonly string[],
): CheckpointRow[] {
  const sizes = new Map(
    old.filter(({ size }) => size <= leaves.length).map((row) => [row.size, row.note]),
  )
  if (!sizes.has(leaves.length)) sizes.set(leaves.length, old.at(-1)?.note ?? '')
  return [...sizes].map(([size, note]) => {
    const root = rootOf(treeOf(leaves, size).range.hashes())
    const text = checkpointText({ origin: ORIGIN, size, root })
    return { size, root, note: formatNote(text, sign(text, note)) }
  })
}

/** Signs as whoever has the key. */
export const signing = (key: TestKey) => (text: string) => [key.line(text)]

/** Leaves the signatures that were there. */
export const keptSignatures = (_: string, old: string): string[] =>
  old.slice(old.indexOf('\n\n') + 2, -1).split('\n')
