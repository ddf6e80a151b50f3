import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { Pool } from 'undici'
import { exportEvidence } from '../../../pdp/evidence/export.ts'
import { readExport } from '../../../pdp/evidence/export-format.ts'
import { readCheckpoint } from '../../../pdp/evidence/checkpoint.ts'
import { leafHash } from '../../../pdp/evidence/merkle/hash.ts'
import { isIncluded } from '../../../pdp/evidence/merkle/verify.ts'
import type { Signer } from '../../../pdp/evidence/signer.ts'
import { verifyExport } from '../../evidence/verify.ts'
import { percentile, remark, type Report } from '../report.ts'
import { buildLargeLog, type LargeLog } from './large-log.ts'
import { benchSigner, type Server, type Service, startService } from './service.ts'

const PROOFS = 1_000
/** Most leaves of the export. */
const VERIFIED = 1_000_000

/** Proofs over HTTP from a log of `leaves` leaves, and an export of its first million with what it takes to verify it. */
export async function proofs(report: Report, server: Server, leaves: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const database = await server.database('large')
  const { signer, seed } = await benchSigner()
  const signed = Math.min(VERIFIED, leaves)
  try {
    remark(`evidence: a log of ${leaves} leaves is built`)
    const log = await buildLargeLog({ database, folder, leaves, signed, signer })
    const suite = 'evidence'
    report({ suite, metric: `a log of ${leaves} leaves built`, unit: 's', ours: [log.seconds] })
    try {
      await exported(report, log, signer, join(folder, 'export.gz'))
    } finally {
      await log.store.close()
    }
    const service = await startService(database.url, seed)
    try {
      await proven(report, service, leaves)
    } finally {
      await service.stop()
    }
  } finally {
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function exported(
  report: Report,
  { store }: LargeLog,
  signer: Signer,
  path: string,
): Promise<void> {
  const suite = 'evidence'
  const timed = async (run: () => Promise<void>): Promise<number> => {
    const started = performance.now()
    await run()
    return (performance.now() - started) / 1000
  }
  remark('evidence: export')
  const exporting = await timed(() =>
    pipeline(
      exportEvidence({ store: store.log, origin: signer.key.name }),
      createGzip({ level: 1 }),
      createWriteStream(path),
    ),
  )
  remark('evidence: verify')
  let leaves = 0
  const verifying = await timed(async () => {
    const found = await verifyExport(readExport(path), { keys: [signer.key] })
    if (found.problem_count > 0) throw new Error(`it does not verify: ${JSON.stringify(found)}`)
    leaves = found.leaves
  })
  report({ suite, metric: `export of ${leaves} leaves`, unit: 's', ours: [exporting] })
  report({
    suite,
    metric: `export of ${leaves} leaves, size`,
    unit: 'MB',
    ours: [(await stat(path)).size / 1e6],
  })
  report({
    suite,
    metric: `verify of ${leaves} leaves`,
    unit: 's',
    ours: [verifying],
    goal: 30,
    lower_is_better: true,
  })
}

type Inclusion = { readonly leaf: string; readonly size: number; readonly proof: readonly string[] }
type Consistency = { readonly hashes: readonly string[] }

async function proven(report: Report, service: Service, leaves: number): Promise<void> {
  const pool = new Pool(service.url, { connections: 1 })
  const authorization = `Bearer ${await service.auditor()}`
  const ask = async (path: string): Promise<unknown> => {
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path,
      headers: { authorization },
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text.slice(0, 300)}`)
    return path === CHECKPOINT ? text : JSON.parse(text)
  }
  const head = await signedHead(ask, leaves)
  const random = (below: number): number => Math.floor(Math.random() * below)
  const inclusion: number[] = []
  const consistency: number[] = []
  for (let n = 0; n < WARM_UP + PROOFS; n += 1) {
    const index = random(leaves)
    let started = performance.now()
    const found = (await ask(`/v1/evidence/leaves/${index}?size=${head.size}`)) as Inclusion
    inclusion.push(performance.now() - started)
    const leaf = leafHash(found.leaf)
    const proof = found.proof.map(bytes)
    if (!isIncluded({ index, size: head.size, leaf, root: head.root, proof }))
      throw new Error(`the proof of leaf ${index} does not prove it`)
    const from = 1 + random(leaves - 1)
    started = performance.now()
    const extension = (await ask(
      `/v1/evidence/consistency?from=${from}&to=${head.size}`,
    )) as Consistency
    consistency.push(performance.now() - started)
    if (extension.hashes.length === 0) throw new Error(`no proof from ${from}`)
  }
  await pool.close()
  for (const [name, took] of [
    ['inclusion', inclusion.slice(WARM_UP)],
    ['consistency', consistency.slice(WARM_UP)],
  ] as const)
    for (const p of [0.5, 0.99])
      report({
        suite: 'evidence',
        metric: `${name} proof of ${leaves} leaves, p${p * 100}`,
        unit: 'ms',
        ours: [percentile(took, p)],
        goal: 10,
        lower_is_better: true,
      })
}

const WARM_UP = 20
const CHECKPOINT = '/v1/evidence/checkpoint'
const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex')

/** The newest checkpoint, once it covers all that was there when the service started. */
async function signedHead(
  ask: (path: string) => Promise<unknown>,
  leaves: number,
): Promise<{ readonly size: number; readonly root: Uint8Array }> {
  const deadline = performance.now() + 30_000
  for (;;) {
    const note = await ask(CHECKPOINT).catch(() => '')
    const checkpoint = readCheckpoint(String(note))
    if (checkpoint.ok && checkpoint.value.size >= leaves) return checkpoint.value
    if (performance.now() > deadline) throw new Error(`the log is not signed: ${String(note)}`)
    await new Promise((done) => setTimeout(done, 200))
  }
}
