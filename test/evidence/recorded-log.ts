import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Packr } from 'msgpackr'
import { createApprovalVault } from '../../pdp/approvals/vault.ts'
import type { CanonicalAction } from '../../pdp/contract/action.ts'
import { frameDigest, type JournalRecord, type RecordFrame } from '../../pdp/contract/record.ts'
import { fileAnchor } from '../../pdp/evidence/anchors/file.ts'
import { createCheckpointer } from '../../pdp/evidence/checkpointer.ts'
import { COSIGNATURE, ED25519, splitNotes } from '../../pdp/evidence/note.ts'
import { type TestKey, testKey } from '../../pdp/evidence/testing.ts'
import { createRecords, type Records } from '../../pdp/records/records.ts'
import type { Store } from '../../pdp/store/store.ts'
import { openTestStore } from '../../pdp/store/testing.ts'
import type { Sealer } from '../../sealing/sealer.ts'
import { testIntent, testMaster, testOutcome, testSealer } from '../../sealing/testing.ts'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'

/** Name of the log. */
export const ORIGIN = 'tampering.example/log'

/** A log of a real database, as several enforcement points and people fill one. */
export type RecordedLog = {
  /** As the owner of the database, a superuser. */
  readonly url: string
  readonly store: Store
  /** Signed checkpoints, the newest first: one after the other was rotated out. */
  readonly keys: readonly [TestKey, ...TestKey[]]
  /** Cosigned one of the checkpoints. */
  readonly witness: TestKey
  /** All checkpoints that were ever signed, as a file outside kept them. */
  readonly anchors: readonly string[]
}

const KEYS = ['one', 'two', 'three'].map((seed) => testKey(ORIGIN, ED25519, seed))
const PEPS = ['pep-1', 'pep-2', 'pep-3']
const packr = new Packr({ useRecords: false })

/** @param rounds how often each enforcement point ships, and a checkpoint is signed. */
export async function recordLog(rounds: number): Promise<RecordedLog> {
  const { store, url, folder } = await openTestStore()
  const [one, two, three] = KEYS
  if (!one || !two || !three) throw new Error('there are three keys')
  const journals = await Promise.all(PEPS.map(async (pep) => openJournal(pep, await testSealer())))
  const records = recordsOver(store)
  const path = join(folder, 'outside.txt')
  const witness = testKey('witness.example', COSIGNATURE)
  const signers = [[one], [two, one], [three, two]] as const
  for (let round = 0; round < rounds; round += 1) {
    const checkpoints = createCheckpointer({
      store: store.log,
      signers: signers[Math.floor((round * signers.length) / rounds)] ?? [three],
      origin: ORIGIN,
      anchors: [fileAnchor({ name: 'outside', path, every_ms: 0, log: () => undefined })],
      folder,
      log: () => undefined,
      every_ms: 3_600_000,
    })
    for (const journal of journals) {
      const shipped = await records.append(journal(round))
      if (!shipped.ok) throw new Error(shipped.error.message)
    }
    await people(store, round)
    const signed = await checkpoints.flush()
    await checkpoints.close()
    if (!signed) throw new Error('nothing was signed')
    const text = signed.note.slice(0, signed.note.indexOf('\n\n') + 1)
    if (round === 1)
      await store.log.checkpoints.cosign(signed.size, witness.line(text, 1_700_000_000))
  }
  return {
    url,
    store,
    keys: [three, two, one],
    witness,
    anchors: splitNotes(await readFile(path, 'utf8')),
  }
}

/** What a decision service takes journals with. */
export const recordsOver = (store: Store): Records =>
  createRecords({
    store: store.records,
    metrics: { frames: { inc: () => undefined }, conflicts: { inc: () => undefined } } as never,
    onAppended: () => undefined,
    log: () => undefined,
    now: Date.now,
  })

/** A journal of an enforcement point: batches as it ships them. */
export function openJournal(pep: string, sealer: Sealer) {
  const epoch = randomUUID()
  let seq = 0
  let prev: Buffer = Buffer.alloc(32)

  return (round: number) => {
    const sealed = recordsOf(pep, round).map((record) => sealer.seal(record))
    const frames = sealed.map(({ record }): RecordFrame => {
      const payload = packr.pack(record)
      const frame = { seq, prev, digest: frameDigest(prev, payload), payload }
      seq += 1
      prev = frame.digest
      return frame
    })
    return { pep, epoch, keys: sealed.flatMap(({ key }) => key ?? []), frames }
  }
}

function recordsOf(pep: string, round: number): JournalRecord[] {
  const time_ms = Date.now()
  const event = (name: string): JournalRecord => ({ kind: 'event', time_ms, name, detail: {} })
  const operation_id = `${pep}-${round}`
  const intent = testIntent({ operation_id, time_ms })
  intent.request.context.session.id = `s-${pep}-${round % 2}`
  const session_id = intent.request.context.session.id
  // Long enough for blocks, of which later turns repeat the first.
  const body = Buffer.concat([Buffer.alloc(5000, session_id), Buffer.alloc(4200 + round, 'turn')])
  intent.exchange = { body_bytes: body.length, body, cuts: [5000] }
  const told = { operation_id, session_id, connection: 'claude', time_ms }
  return [
    event(round === 0 ? 'pep.started' : 'pep.alive'),
    intent,
    {
      kind: 'chunk',
      ...told,
      direction: 'delivered',
      offset: 0,
      pieces: [[time_ms, 11]],
      body: Buffer.from(`reply ${round} €`),
    },
    testOutcome({ ...told, status: 200, bytes_in: body.length, bytes_out: 11, masked: { ssn: 2 } }),
    {
      ...testIntent({ operation_id: `${operation_id}-b`, time_ms }),
      kind: 'decision',
      refused: 'denied',
    },
  ]
}

/** An approval that is demanded, voted on and used, and what an administrator does. */
export async function people(store: Store, round: number): Promise<void> {
  const now_ms = Date.now()
  const [id, session_id, connection] = [randomUUID(), `s-pep-1-${round % 2}`, 'claude']
  const tool = { tool: 'Bash', input: { command: `rm ${id}` } }
  const action: CanonicalAction = { type: 'anthropic.tool_use', connection, ...tool }
  const vault = createApprovalVault(await createWrapper(testMaster), createUnwrapper(testMaster))
  const action_digest = `${round}`.padStart(64, '0')
  const requester = { issuer: 'https://issuer', type: 'agent', id: 'agent-1' }
  const use = { decision_id: randomUUID(), revision: '0'.repeat(64), operation_id: randomUUID() }
  await store.approvals.demand(
    {
      id,
      requester,
      session_id,
      connection,
      action_name: 'anthropic.tool_use',
      action_digest,
      content: vault.seal({ id, session_id, connection }, { action, reasons: [] }),
      approvers: ['leads'],
      count: 1,
      valid_s: 600,
      operation_id: use.operation_id,
      demand: use,
    },
    now_ms,
  )
  const approver = { issuer: 'https://issuer', type: 'user', id: 'olivia' }
  await store.approvals.vote({ id, action_digest, approver, approve: true, now_ms })
  await store.approvals.consume({ id, action_digest, ...use, now_ms })
  const [by, source] = [approver, { pdp: 'pdp-1' }]
  await store.log.append([
    {
      v: 1,
      kind: 'admin',
      time_ms: now_ms,
      source,
      name: 'unmask',
      by,
      reason: 'Why.',
      detail: { round },
    },
  ])
}
