import type { LogStore, SignedCheckpoint, StoredLeaf } from './log-store.ts'
import { consistencyProof, rangeAt } from './merkle/proof.ts'
import { namedContent } from './named-content.ts'
import {
  EXPORT_FORMAT,
  EXPORT_VERSION,
  type ExportHeader,
  type ExportLine,
} from './export-format.ts'

export type ExportOptions = {
  readonly store: Pick<LogStore, 'hashes' | 'leaves' | 'checkpoints'>
  readonly origin: string
  /** Leaves from here on, milliseconds since the epoch; begins at the checkpoint before it. Default: all. */
  readonly since_ms?: number
  /** Sizes of checkpoints that somebody holds, so that older ones can be compared too. */
  readonly anchors?: readonly number[]
  /** Sealed bytes of some leaves, by index; without it the export holds none. */
  readonly sealed?: (leaves: readonly StoredLeaf[]) => Promise<ReadonlyMap<number, SealedBytes>>
  readonly onProgress?: (done: number, total: number) => void
  readonly now?: () => number
}

export type SealedBytes = {
  readonly sealed?: Uint8Array
  readonly blocks: readonly Uint8Array[]
}

/** Leaves that are read at once, and checkpoints. */
const PAGE = 1000

/**
 * Lines of an export, each with its newline, made as they are asked for. It writes down what the store has and judges
 * nothing: that is for whoever verifies it, and a store that was tampered with has to give an export that shows it.
 * @throws {Error} when nothing was signed yet, and whatever the store says.
 */
export async function* exportEvidence(options: ExportOptions): AsyncGenerator<string> {
  const { store, origin, since_ms, anchors = [], onProgress, now = Date.now } = options
  const newest = await store.checkpoints.newest()
  if (!newest) throw new Error('there is no checkpoint yet: nothing can be proven')
  const { size } = newest
  const { from, range } = await beginning(store, since_ms, size)
  yield written({
    format: EXPORT_FORMAT,
    version: EXPORT_VERSION,
    origin,
    exported_ms: now(),
    from,
    size,
    range: range.map((hash) => hexOf(hash)),
    checkpoint: newest.note,
  })
  for (const anchor of new Set(anchors)) {
    const consistency = anchor < from ? await proofFrom(store, anchor, size) : undefined
    if (consistency) yield written({ consistency })
  }

  const checkpoints = checkpointsOf(store, from, size)
  let next = await checkpoints.next()
  /** Checkpoints stand in front of the leaf that their tree does not have any more. */
  function* upTo(index: number, waiting: SignedCheckpoint): Generator<string, boolean> {
    if (waiting.size > index) return false
    yield written({ checkpoint: waiting.note })
    return true
  }
  let leaves = 0
  for await (const { leaf, contents } of leavesOf(options, from, size)) {
    while (!next.done && (yield* upTo(leaf.index, next.value))) next = await checkpoints.next()
    yield written({ index: leaf.index, leaf: leaf.leaf, hash: hexOf(leaf.hash) })
    yield* contentLines(leaf.index, contents)
    leaves += 1
    if (leaves % PAGE === 0) onProgress?.(leaves, size - from)
  }
  while (!next.done && (yield* upTo(size, next.value))) next = await checkpoints.next()
  onProgress?.(leaves, size - from)
  yield written({ end: { leaves } })
}

/** Where it begins: at the size of a checkpoint, whose root the range then shows. */
async function beginning(
  store: ExportOptions['store'],
  since_ms: number | undefined,
  size: number,
): Promise<{ from: number; range: readonly Uint8Array[] }> {
  const before = since_ms === undefined ? undefined : await store.checkpoints.before(since_ms)
  const from = Math.min(before?.size ?? 0, size)
  try {
    return { from, range: await rangeAt(store.hashes, from) }
  } catch {
    // Hashes are missing: the whole log is written down, and what is missing then shows by its index.
    return { from: 0, range: [] }
  }
}

async function proofFrom(
  store: ExportOptions['store'],
  from: number,
  to: number,
): Promise<Extract<ExportLine, { consistency: unknown }>['consistency'] | undefined> {
  try {
    const hashes = await consistencyProof(store.hashes, from, to)
    return { from, to, hashes: hashes.map((hash) => hexOf(hash)) }
  } catch {
    // Without the proof that anchor is not compared, which whoever verifies is told.
    return undefined
  }
}

async function* checkpointsOf(
  { checkpoints }: ExportOptions['store'],
  from: number,
  to: number,
): AsyncGenerator<SignedCheckpoint> {
  for (let at = from; at <= to;) {
    const page = await checkpoints.between(at, to, PAGE)
    yield* page
    const last = page.at(-1)
    if (!last || page.length < PAGE) return
    at = last.size + 1
  }
}

type LeafWithContents = { readonly leaf: StoredLeaf; readonly contents: SealedBytes | undefined }

async function* leavesOf(
  { store, sealed }: ExportOptions,
  from: number,
  to: number,
): AsyncGenerator<LeafWithContents> {
  for (let at = from; at < to;) {
    const page = (await store.leaves(at, Math.min(PAGE, to - at))).filter(({ index }) => index < to)
    for (const some of sealed ? readTogether(page) : [page]) {
      const contents = await sealed?.(some)
      for (const leaf of some) yield { leaf, contents: contents?.get(leaf.index) }
    }
    const last = page.at(-1)
    // A store that gives nothing more, or the same again, has lost the rest; the export then ends too early.
    if (!last || last.index < at) return
    at = last.index + 1
  }
}

/** Blocks that are in memory at once; the largest has 256 KiB. */
const BLOCKS_AT_ONCE = 256

/** Leaves whose sealed bytes are read at once: large requests in a row would take the memory of a service that decides. */
function* readTogether(page: readonly StoredLeaf[]): Generator<readonly StoredLeaf[]> {
  let some: StoredLeaf[] = []
  let blocks = 0
  for (const leaf of page) {
    some.push(leaf)
    blocks += namedContent(leaf)[0]?.blocks.length ?? 0
    if (blocks < BLOCKS_AT_ONCE) continue
    yield some
    some = []
    blocks = 0
  }
  if (some.length > 0) yield some
}

function* contentLines(index: number, contents: SealedBytes | undefined): Generator<string> {
  if (contents?.sealed) yield written({ sealed: { index, bytes: base64Of(contents.sealed) } })
  for (const block of contents?.blocks ?? [])
    yield written({ block: { index, bytes: base64Of(block) } })
}

const written = (line: ExportHeader | ExportLine): string => `${JSON.stringify(line)}\n`
const hexOf = (hash: Uint8Array): string => Buffer.from(hash).toString('hex')
const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
