import { createHash } from 'node:crypto'
import { checkpointText } from '../../pdp/evidence/checkpoint.ts'
import type { LeafBody } from '../../pdp/evidence/log-store.ts'
import { consistencyProof, inclusionProof } from '../../pdp/evidence/merkle/proof.ts'
import { rootOf } from '../../pdp/evidence/merkle/range.ts'
import { formatNote, signatureLine } from '../../pdp/evidence/note.ts'
import { openSigner } from '../../pdp/evidence/signer.ts'
import { createMemoryStore } from '../../pdp/evidence/testing.ts'
import { exportEvidence } from '../../pdp/evidence/export.ts'

/** The test vectors of docs/evidence-format.md, made from nothing but what stands here. */

const ORIGIN = 'countersign.example/test-log'
/** 32 bytes that everybody knows. */
const SEED = 'countersign TEST KEY: not secret'
const T = 1_700_000_000_000
const SEALED = Buffer.from('sealed bytes')

const pep = (seq: number): LeafBody['source'] => ({ pep: 'pep-1', epoch: 'e1', seq })
const leaves = (vkey: string): LeafBody[] => [
  { v: 1, kind: 'key', time_ms: T, source: { pdp: 'pdp-1' }, event: 'began', vkey },
  { v: 1, kind: 'event', time_ms: T + 1, source: pep(0), name: 'pep.started', detail: {} },
  {
    v: 1,
    kind: 'intent',
    time_ms: T + 2,
    source: pep(1),
    operation_id: 'op-1',
    session_id: 's-1',
    subject: { issuer: 'https://issuer.example', type: 'user', id: 'Zoë €' },
    connection: 'claude',
    action: 'anthropic.messages.create',
    resource_type: 'anthropic.model',
    decision: { id: 'd-1', effect: 'allow', rules: ['everyone'], revision: 'r-1', obligations: [] },
    masked: { email: 2 },
    observed: {},
    content: {
      key: 'k-1',
      commitment: createHash('sha256').update('stands for an HMAC').digest('hex'),
      sealed: createHash('sha256').update(SEALED).digest('hex'),
    },
  },
  {
    v: 1,
    kind: 'outcome',
    time_ms: T + 3,
    source: pep(2),
    operation_id: 'op-1',
    session_id: 's-1',
    result: 'completed',
    status: 200,
    bytes_in: 10,
    bytes_out: 20,
    masked: {},
    observed: {},
  },
  { v: 1, kind: 'event', time_ms: T + 4, source: pep(3), name: 'pep.stopped', detail: {} },
]

export type Vectors = {
  readonly vkey: string
  readonly leaf_hashes: readonly string[]
  readonly roots: Readonly<Record<3 | 5, string>>
  readonly inclusion_2_of_5: readonly string[]
  readonly consistency_3_to_5: readonly string[]
  readonly checkpoint: string
  readonly lines: readonly string[]
}

export async function makeVectors(): Promise<Vectors> {
  const signer = await openSigner({ env: 'SEED' }, ORIGIN, {
    SEED: Buffer.from(SEED).toString('base64'),
  })
  if (!signer.ok) throw new Error(signer.error)
  const { key, sign } = signer.value
  let logged = T + 10
  const store = createMemoryStore(() => (logged += 10))
  const roots: string[] = []
  for (const leaf of leaves(key.vkey)) {
    await store.append([leaf])
    const { size, range } = await store.head()
    const root = rootOf(range)
    roots.push(hex(root))
    if (size !== 3 && size !== 5) continue
    const text = checkpointText({ origin: ORIGIN, size, root })
    const note = formatNote(text, [signatureLine(key, await sign(text))])
    await store.checkpoints.add({ size, root, note, at_ms: T })
  }
  const lines: string[] = []
  const sealed = new Map([[2, { sealed: SEALED, blocks: [] }]])
  for await (const line of exportEvidence({
    store,
    origin: ORIGIN,
    now: () => T + 1000,
    sealed: () => Promise.resolve(sealed),
  }))
    lines.push(line.trimEnd())
  return {
    vkey: key.vkey,
    leaf_hashes: store.rows.leaves.map(({ hash }) => hex(hash)),
    roots: { 3: roots[2] ?? '', 5: roots[4] ?? '' },
    inclusion_2_of_5: (await inclusionProof(store.hashes, 2, 5)).map((hash) => hex(hash)),
    consistency_3_to_5: (await consistencyProof(store.hashes, 3, 5)).map((hash) => hex(hash)),
    checkpoint: store.rows.checkpoints[1]?.note ?? '',
    lines,
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
