import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PdpClient, PdpError } from '../../pdp/contract/client.ts'
import {
  frameDigest,
  type JournalRecord,
  type RecordAck,
  type RecordBatch,
  sealedRecord,
  type SealedRecord,
  type WrappedKey,
} from '../../pdp/contract/record.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Step } from '../../pdp/contract/step.ts'
import { openAll, testIntent, testOutcome, testSealer } from '../../sealing/testing.ts'
import { decodePayload } from './frame.ts'
import { openJournal, type JournalOptions, type LocalJournal } from './journal.ts'

/** What the journal's tests share. */

export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'journal-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export type Logged = { readonly level: string; readonly event: string; readonly detail: unknown }

/** Opens a journal with small bounds. Log lines go to `logged`. */
export async function openSmall(
  folder: string,
  options: Partial<JournalOptions> = {},
  logged: Logged[] = [],
): Promise<LocalJournal> {
  return openJournal({
    folder,
    pep: 'pep-test',
    seal: options.seal ?? (await testSealer()),
    max_backlog_bytes: 1e9,
    retry_ms: 20,
    log: (level, event, detail) => logged.push({ level, event, detail }),
    now: Date.now,
    ...options,
  })
}

export function intent(operation_id: string, body: Uint8Array = new Uint8Array(0)): JournalRecord {
  return testIntent({
    operation_id,
    connection: 'customers',
    exchange: { method: 'POST', target: '/customers', body_bytes: body.length, body },
  })
}

export function outcome(operation_id: string): JournalRecord {
  return testOutcome({ operation_id, connection: 'customers' })
}

export function chunk(operation_id: string, body: Uint8Array): JournalRecord {
  return {
    kind: 'chunk',
    operation_id,
    time_ms: 1_700_000_000_000,
    session_id: 's-1',
    connection: 'customers',
    direction: 'delivered',
    offset: 0,
    pieces: [[1_700_000_000_000, body.length]],
    body,
  }
}

type Stored = { readonly digest: string; readonly record: SealedRecord }

export type MemoryStore = PdpClient & {
  /** Frames by pep and epoch, then by seq: each once, as the contract says. */
  readonly epochs: Map<string, Map<number, Stored>>
  readonly records: () => Step[]
  /** The same, opened under the tests' master key. @throws {Error} for one that does not open. */
  readonly opened: () => Promise<JournalRecord[]>
  /** Keys that came, each once. */
  readonly keys: Map<string, WrappedKey>
  /** How many frames came in, duplicates counted. */
  readonly received: () => number
  /** When set, asked before a batch is stored; an error is the answer, and `lose` stores it without an answer. */
  fault: ((batch: RecordBatch) => PdpError | 'lose' | undefined) | undefined
}

/** A PDP that stores records as the contract says, in memory. It decides nothing. */
export function createMemoryStore(): MemoryStore {
  const epochs: MemoryStore['epochs'] = new Map()
  const keys: MemoryStore['keys'] = new Map()
  const all = (): SealedRecord[] =>
    [...epochs.values()].flatMap((epoch) => [...epoch.values()].map((stored) => stored.record))
  let received = 0
  const unavailable = async (): Promise<Result<never, PdpError>> =>
    err({ code: 'PDP_UNAVAILABLE', message: 'stores records only' })

  const store: MemoryStore = {
    epochs,
    fault: undefined,
    received: () => received,
    keys,
    records: () => all().map((record) => record.step),
    opened: () => openAll(all(), keys.values()),
    decide: unavailable,
    profile: unavailable,
    demandApproval: unavailable,
    awaitApproval: unavailable,
    useApproval: unavailable,
    async append(batch) {
      await new Promise((resolve) => setImmediate(resolve))
      const fault = store.fault?.(batch)
      if (fault && fault !== 'lose') return err(fault)
      const answer = take(epochs, batch)
      if (answer.ok) for (const key of batch.keys) keys.set(key.id, key)
      received += batch.frames.length
      if (fault === 'lose') return err({ code: 'PDP_UNAVAILABLE', message: 'the answer was lost' })
      return answer
    },
  }
  return store
}

function take(
  epochs: MemoryStore['epochs'],
  { pep, epoch, frames }: RecordBatch,
): Result<RecordAck, PdpError> {
  const name = `${pep} ${epoch}`
  const stored = epochs.get(name) ?? new Map<number, Stored>()
  epochs.set(name, stored)
  let seq = -1
  for (const frame of frames) {
    const digest = Buffer.from(frame.digest).toString('hex')
    if (seq >= 0 && frame.seq !== seq + 1) return refused(`frame ${frame.seq} after ${seq}`)
    if (frameDigest(frame.prev, frame.payload).toString('hex') !== digest)
      return refused(`the digest of frame ${frame.seq} is wrong`)
    const before = stored.get(frame.seq)
    if (before && before.digest !== digest) {
      return err({ code: 'PDP_RECORD_CONFLICT', message: `frame ${frame.seq} has another digest` })
    }
    const previous = stored.get(frame.seq - 1)
    if (previous && previous.digest !== Buffer.from(frame.prev).toString('hex'))
      return refused(`frame ${frame.seq} does not continue the chain`)
    if (!before)
      stored.set(frame.seq, { digest, record: sealedRecord.parse(decodePayload(frame.payload)) })
    ;({ seq } = frame)
  }
  return ok({ seq })
}

function refused(message: string): Result<never, PdpError> {
  return err({ code: 'PDP_REFUSED', message })
}

/** Waits for what a background task will make true. @throws when it does not within 10 s. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const until = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > until) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
