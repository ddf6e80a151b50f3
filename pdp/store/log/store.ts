import { sql } from 'drizzle-orm'
import type { CheckpointStore, SignedCheckpoint } from '../../evidence/log-store.ts'
import type { Use } from '../connection.ts'
import { type EvidenceLog, StoreError } from '../store.ts'
import { type AppendLeaves, readHead } from './append.ts'

export function createLog(use: Use, appendLeaves: AppendLeaves): EvidenceLog {
  return {
    size: () => use(async ({ db }) => (await readHead(db)).size),
    head: () => use(({ db }) => readHead(db)),
    hashes: (level, from, to) => use(({ db }) => hashes(db, level, from, to)),
    leaves: (from, limit) =>
      use(async ({ db }) => {
        const rows = await db.execute<{ idx: string; leaf: string; hash: Buffer }>(sql`
          select idx, leaf, hash from countersign.leaves where idx >= ${from} order by idx limit ${limit}`)
        return rows.map(({ idx, leaf, hash }) => ({ index: Number(idx), leaf, hash }))
      }),
    append: (leaves) =>
      use(({ db }) =>
        db.transaction((transaction) =>
          appendLeaves(
            transaction,
            leaves.map((body) => ({ body })),
          ),
        ),
      ),
    newestKeyLeaf: () =>
      use(async ({ db }) => {
        const [row] = await db.execute<{ leaf: string }>(
          sql`select leaf from countersign.leaves where kind = 'key' order by idx desc limit 1`,
        )
        return row?.leaf
      }),
    checkpoints: createCheckpoints(use),
  }
}

async function hashes(
  db: Parameters<typeof readHead>[0],
  level: number,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  const rows = await db.execute<{ hash: Buffer }>(
    level === 0
      ? sql`select hash from countersign.leaves where idx >= ${from} and idx < ${to} order by idx`
      : sql`select hash from countersign.log_nodes where level = ${level} and n >= ${from} and n < ${to} order by n`,
  )
  // Fail closed: a proof from what is there of a log that lost some would look like one of another log.
  if (rows.length !== to - from)
    throw new StoreError(
      'STORE_BROKEN',
      `the log lacks hashes of level ${level} between ${from} and ${to}`,
    )
  return rows.map(({ hash }) => hash)
}

type CheckpointRow = {
  readonly size: string
  readonly root: Buffer
  readonly note: string
  readonly at_ms: string
  readonly lines: readonly string[] | null
}

const SELECT = sql`
  select c.size, c.root, c.note, c.at_ms, (
    select array_agg(s.line order by s.line) from countersign.cosignatures s where s.size = c.size) as lines
  from countersign.checkpoints c`

const checkpoint = ({ size, root, note, at_ms, lines }: CheckpointRow): SignedCheckpoint => ({
  size: Number(size),
  root,
  note: note + (lines ?? []).map((line) => `${line}\n`).join(''),
  at_ms: Number(at_ms),
})

function createCheckpoints(use: Use): CheckpointStore {
  const newestOf = (where: ReturnType<typeof sql>) =>
    use(async ({ db }) => {
      const [row] = await db.execute<CheckpointRow>(where)
      return row && checkpoint(row)
    })
  return {
    newest: () => newestOf(sql`${SELECT} order by c.size desc limit 1`),
    before: (time_ms) =>
      newestOf(
        sql`${SELECT} where c.at_ms <= ${time_ms} order by c.at_ms desc, c.size desc limit 1`,
      ),
    add: ({ size, root, note, at_ms }) =>
      use(async ({ db }) => {
        await db.execute(sql`
          insert into countersign.checkpoints (size, root, note, at_ms)
          values (${size}, ${root}, ${note}, ${at_ms}) on conflict do nothing`)
      }),
    cosign: (size, line) =>
      use(async ({ db }) => {
        await db.execute(sql`
          insert into countersign.cosignatures (size, line) values (${size}, ${line.trimEnd()}) on conflict do nothing`)
      }),
    between: (from, to, limit) =>
      use(async ({ db }) => {
        const rows = await db.execute<CheckpointRow>(
          sql`${SELECT} where c.size between ${from} and ${to} order by c.size limit ${limit}`,
        )
        return rows.map(checkpoint)
      }),
  }
}
