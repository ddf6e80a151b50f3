import { createHash, hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { canonicalJson } from '../../../pdp/contract/action.ts'
import { checkpointText } from '../../../pdp/evidence/checkpoint.ts'
import { leafHash } from '../../../pdp/evidence/merkle/hash.ts'
import { growRange, type Subtree } from '../../../pdp/evidence/merkle/range.ts'
import { formatNote, signatureLine } from '../../../pdp/evidence/note.ts'
import type { Signer } from '../../../pdp/evidence/signer.ts'
import { openStore } from '../../../pdp/store/open.ts'
import type { Store } from '../../../pdp/store/store.ts'
import { remark } from '../report.ts'
import type { Database } from './service.ts'

export type LargeLog = {
  readonly store: Store
  readonly seconds: number
}

export type LargeLogOptions = {
  readonly database: Database
  readonly folder: string
  readonly leaves: number
  /** Size of a tree on the way that gets a signed checkpoint. */
  readonly signed: number
  readonly signer: Signer
}

const ROWS_AT_ONCE = 2_000
const REMARK_EVERY = 1_000_000
const BEGAN_MS = 1_767_225_600_000
const EPOCH = 'bench-epoch'

/**
 * Fills the tables of a log as its owner can: leaves as chunks become them, with real hashes, nodes and head. All that
 * a running service would have written, in minutes in place of hours.
 */
export async function buildLargeLog(options: LargeLogOptions): Promise<LargeLog> {
  const { database, folder, leaves, signed, signer } = options
  const store = await openStore({ url: database.url, folder, log: () => undefined })
  const began = performance.now()
  const range = growRange()
  const nodes: Subtree[] = []
  let root: Uint8Array | undefined

  function* lines(): Generator<string> {
    let text = ''
    for (let index = 0; index < leaves; index += 1) {
      const { leaf, columns } = leafAt(index)
      const digest = leafHash(leaf)
      nodes.push(...range.append(digest))
      text += `${index}\t${leaf}\t\\\\x${hex(digest)}\t${columns}\n`
      if (index + 1 === signed) root = range.root()
      if ((index + 1) % REMARK_EVERY === 0)
        remark(`evidence: ${(index + 1) / 1e6} of ${leaves / 1e6} million leaves are made`)
      if ((index + 1) % ROWS_AT_ONCE === 0) {
        yield text
        text = ''
      }
    }
    yield text
  }

  await database.owner.begin(async (owner) => {
    // An empty table that is filled in the transaction that emptied it is written once, and not to the write-ahead log too;
    // and frozen, as after a while it is in a log that grew.
    await owner`set local session_replication_role = replica`
    await owner`truncate countersign.leaves`
    const copy = await owner`
      copy countersign.leaves (idx, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq, digest, session_id, operation_id)
      from stdin (freeze)`.writable()
    await pipeline(Readable.from(lines(), { objectMode: false }), copy)
    for (let at = 0; at < nodes.length; at += ROWS_AT_ONCE)
      await owner`
        insert into countersign.log_nodes ${owner(
          nodes
            .slice(at, at + ROWS_AT_ONCE)
            .map(({ hash, ...node }) => ({ ...node, hash: Buffer.from(hash) })),
        )}`
    await owner`
      update countersign.log_head set size = ${leaves}, range = ${Buffer.concat(range.hashes())},
        logged_ms = ${BEGAN_MS + leaves}`
  })
  remark('evidence: the tables are analysed')
  await database.owner`analyze countersign.leaves`
  if (root) await sign(store, signer, signed, root)
  return { store, seconds: (performance.now() - began) / 1000 }
}

async function sign(store: Store, signer: Signer, size: number, root: Uint8Array): Promise<void> {
  const text = checkpointText({ origin: signer.key.name, size, root })
  const note = formatNote(text, [signatureLine(signer.key, await signer.sign(text))])
  await store.log.checkpoints.add({ size, root, note, at_ms: BEGAN_MS + size })
}

/** Every leaf is another one, and as long as that of a real chunk. */
function leafAt(index: number): { readonly leaf: string; readonly columns: string } {
  const id = hash('sha256', String(index))
  const session = `session-${Math.floor(index / 1000)}`
  const operation = `operation-${Math.floor(index / 3)}`
  const time_ms = BEGAN_MS + index
  const leaf = `{"bytes":1024,"content":{"commitment":"${id}","key":"${KEY}","sealed":"${id}"},"direction":"received","kind":"chunk","logged_ms":${time_ms},"offset":0,"operation_id":"${operation}","session_id":"${session}","source":{"epoch":"${EPOCH}","pep":"pep-1","seq":${index}},"time_ms":${time_ms},"v":1}`
  if (index === 0 && canonicalJson(JSON.parse(leaf)) !== leaf)
    throw new Error('the leaves of the bench are not canonical')
  const columns = `chunk\t${time_ms}\t${time_ms}\tpep-1\t${EPOCH}\t${index}\t\\\\x${id}\t${session}\t${operation}`
  return { leaf, columns }
}

const KEY = createHash('sha256').update('bench').digest('hex').slice(0, 32)

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
