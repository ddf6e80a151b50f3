import { open as openFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { PdpClient } from '../../pdp/contract/client.ts'
import type { JournalRecord } from '../../pdp/contract/record.ts'
import { PepError } from '../core/errors.ts'
import type { Journal, Log } from '../core/services.ts'
import { startChain, type Chain, type Committed } from './chain.ts'
import { openCursor } from './cursor.ts'
import { createBacklog, unshipped, type Epoch, type OpenOperation } from './epoch.ts'
import type { Sealer } from '../../sealing/sealer.ts'
import { type FolderLock, lockFolder } from '../../server/lock.ts'
import { type KeyFiles, openKeyFiles } from './keys.ts'
import { ownerOf, recordRecovery, unknown } from './open-operations.ts'
import { backlogOf, recover, type Recovered } from './recover.ts'
import type { Finding } from './scan.ts'
import { listSegments, makeFolder, newEpochName } from './segment.ts'
import { createShipper, type Shipper, type ShipperOptions } from './ship.ts'

export type JournalOptions = {
  /** Belongs to the journal alone; made with mode 0700. */
  readonly folder: string
  /** This enforcement point's name, as the PDP knows it. */
  readonly pep: string
  /** From this many unshipped bytes on nothing new is accepted, until they are below 90 % of it. */
  readonly max_backlog_bytes: number
  /** Seals what is recorded; nobody else may use it. */
  readonly seal: Sealer
  /** A segment file at least this long is followed by a new one, bytes. */
  readonly segment_bytes?: number
  /** First wait before a failed journal is tried again, milliseconds; doubles up to 32 times that. */
  readonly retry_ms?: number
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly metrics?: JournalMetrics
}

export type JournalMetrics = {
  /** A group of frames is durable. `took_ms`: write and sync. */
  readonly committed: (frames: number, bytes: number, took_ms: number) => void
  readonly shipped: (frames: number) => void
  /** Something an operator must look at: see `Alarm`. */
  readonly alarm: (alarm: Alarm) => void
}

/** `journal.failed`: cannot be written. `journal.<finding>`: found on disk. `journal.conflict`: the store has another frame under the same number. `journal.refused`: the PDP refuses frames. `journal.key_damaged`: a key on disk cannot be read, so what it sealed stays sealed. */
export type Alarm = `journal.${'failed' | 'conflict' | 'refused' | 'key_damaged' | Finding['kind']}`

export type JournalStatus = {
  readonly accepting: boolean
  /** Why nothing can be written at the moment. */
  readonly failed?: string
  readonly backlog_bytes: number
  readonly max_backlog_bytes: number
  /** Operations with an intent and no outcome yet. */
  readonly open_operations: number
  readonly epochs: readonly {
    readonly epoch: string
    readonly live: boolean
    readonly unshipped_bytes: number
    /** Why it is not shipped. */
    readonly stuck?: string
  }[]
  /** What was wrong on disk when the journal was opened. */
  readonly findings: readonly Finding[]
}

export type LocalJournal = Journal & {
  /** Starts shipping in the background; once for a journal. */
  readonly ship: (pdp: PdpClient, options?: ShipperOptions) => Shipper
  /** Bytes on disk that the PDP has not acknowledged. */
  readonly backlog: () => number
  readonly status: () => JournalStatus
  /** Commits what waits, stops shipping, frees the folder. What is not shipped yet is shipped after the next start. */
  readonly close: () => Promise<void>
}

const PROBE_BYTES = 1024 * 1024
/** An epoch that lived shorter than this does not reset the wait before the next try. */
const SETTLED_MS = 60_000

/**
 * Opens the journal of a folder: recovers what earlier processes left, closes their open intents as `unknown`, and
 * begins a new epoch.
 * @throws {PepError} PEP_JOURNAL when the folder is in use by another process, or cannot be read or written.
 */
export async function openJournal(options: JournalOptions): Promise<LocalJournal> {
  const { folder } = options
  const unusable = (cause: unknown) =>
    new PepError('PEP_JOURNAL', `cannot open the journal ${folder}: ${String(cause)}`, { cause })
  await makeFolder(folder).catch((cause: unknown) => {
    throw unusable(cause)
  })
  let lock: FolderLock
  try {
    lock = lockFolder(folder)
  } catch (cause) {
    throw unusable(cause)
  }
  try {
    const cursor = await openCursor(folder)
    if (cursor.damaged) options.log('warn', 'journal.cursor_damaged', { folder })
    const segments = await listSegments(folder)
    const recovered = await recover(segments, options.pep, cursor.damaged ? undefined : cursor.next)
    const damagedKey = (detail: Record<string, unknown>): void => {
      options.log('error', 'journal.key_damaged', detail)
      options.metrics?.alarm('journal.key_damaged')
    }
    const keys = await openKeyFiles(folder, damagedKey)
    return await start(options, recovered, cursor, keys, lock.release)
  } catch (cause) {
    lock.release()
    throw cause instanceof PepError ? cause : unusable(cause)
  }
}

async function start(
  options: JournalOptions,
  recovered: Recovered,
  cursor: Awaited<ReturnType<typeof openCursor>>,
  keys: KeyFiles,
  release: () => void,
): Promise<LocalJournal> {
  const { folder, pep, log, now, metrics, seal, segment_bytes = 64 * 1024 * 1024 } = options
  const first_wait_ms = options.retry_ms ?? 1000
  const { epochs } = recovered
  const backlog = createBacklog(options.max_backlog_bytes)
  backlog.add(backlogOf(epochs))
  const open = new Map(recovered.open)
  /** Operations whose outcome could not be written: closed as `unknown` as soon as something can be. */
  const lost = new Map<string, OpenOperation>()
  let chain: Chain | undefined
  let failure: string | undefined
  let began_ms = 0
  let wait_ms = first_wait_ms
  let timer: NodeJS.Timeout | undefined
  let reopening: Promise<void> | undefined
  let closed = false
  let shipper: Shipper | undefined

  const alarm = (kind: Alarm, detail: Record<string, unknown>): void => {
    log('error', kind, detail)
    metrics?.alarm(kind)
  }

  function committed({ records, bytes, took_ms }: Committed): void {
    for (const record of records) {
      if (record.kind === 'intent') open.set(record.operation_id, ownerOf(record))
      else if (record.kind === 'outcome') open.delete(record.operation_id)
    }
    backlog.add(bytes)
    metrics?.committed(records.length, bytes, took_ms)
    shipper?.wake()
  }

  function refused(records: readonly JournalRecord[]): void {
    for (const record of records)
      if (record.kind === 'outcome') lost.set(record.operation_id, ownerOf(record))
  }

  function failed(error: unknown, records: readonly JournalRecord[], cut: boolean): void {
    chain = undefined
    failure = String(error)
    refused(records)
    for (const record of records) {
      // Its frame may be found on disk later, although nothing was forwarded: then it needs an end as well.
      if (cut || record.kind !== 'intent') continue
      open.set(record.operation_id, ownerOf(record))
      lost.set(record.operation_id, ownerOf(record))
    }
    alarm('journal.failed', { folder, error: failure, retry_ms: wait_ms })
    retryLater()
  }

  async function begin(): Promise<Chain> {
    const id = newEpochName(now(), epochs.at(-1)?.id)
    const parts = { folder, pep, id, segment_bytes, open, seal, keys, committed, failed, refused }
    const begun = await startChain(parts)
    epochs.push(begun.epoch)
    began_ms = performance.now()
    return begun
  }

  function retryLater(): void {
    if (closed || timer) return
    timer = setTimeout(() => {
      reopening = reopen()
    }, wait_ms)
    timer.unref()
    const settled = performance.now() - began_ms > SETTLED_MS
    wait_ms = settled ? first_wait_ms : Math.min(wait_ms * 2, first_wait_ms * 32)
  }

  /** Back to service: only after room was proven, and in a new epoch, so that no seq is ever used twice. */
  async function reopen(): Promise<void> {
    try {
      await probe(folder)
      const before = epochs.at(-1)?.id
      const begun = await begin()
      const detail = { after: before, error: failure, lost: lost.size }
      await begun.append({ kind: 'event', time_ms: now(), name: 'journal.reopened', detail })
      if (closed) return await begun.close()
      chain = begun
      log('info', 'journal.reopened', detail)
      failure = undefined
      const reason = 'its outcome could not be recorded'
      // A failure here comes back through `failed`, which notes them again.
      for (const one of lost.values())
        chain.append(unknown(one, now(), reason)).catch(() => undefined)
      lost.clear()
      timer = undefined
    } catch (error) {
      failure = String(error)
      timer = undefined
      retryLater()
    }
  }

  chain = await begin()
  await recordRecovery(chain, recovered, now)
  for (const { kind, ...detail } of recovered.findings) {
    if (kind === 'torn') log('warn', 'journal.torn', detail)
    else alarm(`journal.${kind}`, detail)
  }

  return {
    get accepting() {
      return chain !== undefined && !closed && !backlog.full
    },
    append(record) {
      if (!chain || closed) {
        refused([record])
        return reject(failure ?? 'closed')
      }
      // What is under way may end; nothing new is begun, and no body grows the backlog further.
      if (backlog.full && (record.kind === 'intent' || record.kind === 'chunk'))
        return reject('the backlog is past its bound')
      return chain.append(record)
    },
    backlog: () => backlog.bytes,
    ship(pdp, shipping) {
      if (shipper) throw new PepError('PEP_INVARIANT', 'the journal is already shipped')
      const shipped = (frames: number) => metrics?.shipped(frames)
      shipper = createShipper(
        { folder, epochs, backlog, cursor, keys, pdp, log, alarm, shipped },
        shipping,
      )
      return shipper
    },
    status: () => ({
      accepting: chain !== undefined && !closed && !backlog.full,
      ...(failure !== undefined && { failed: failure }),
      backlog_bytes: backlog.bytes,
      max_backlog_bytes: options.max_backlog_bytes,
      open_operations: open.size,
      epochs: epochs.map((epoch) => describe(epoch, shipper)),
      findings: recovered.findings,
    }),
    async close() {
      if (closed) return
      closed = true
      clearTimeout(timer)
      await reopening
      await shipper?.close()
      await chain?.close()
      release()
    },
  }
}

function describe(epoch: Epoch, shipper: Shipper | undefined): JournalStatus['epochs'][number] {
  const stuck = shipper?.stuck(epoch.id)
  return {
    epoch: epoch.id,
    live: epoch.live,
    unshipped_bytes: unshipped(epoch),
    ...(stuck !== undefined && { stuck }),
  }
}

function reject(why: string): Promise<never> {
  return Promise.reject(new PepError('PEP_JOURNAL', `the journal takes no records: ${why}`))
}

/** Proves that the folder takes bytes again. @throws whatever the file system says. */
async function probe(folder: string): Promise<void> {
  const path = join(folder, 'probe.tmp')
  const handle = await openFile(path, 'w', 0o600)
  try {
    await handle.writeFile(Buffer.alloc(PROBE_BYTES))
    await handle.datasync()
  } finally {
    await handle.close()
    await unlink(path)
  }
}
