import { err, ok, type Result } from '../contract/result.ts'
import { stepOf } from '../../sealing/step.ts'
import { type ChunkRecord, chunksOf, type JournalRecord } from '../contract/record.ts'
import type { ApprovalVault } from '../approvals/vault.ts'
import type { SessionStep, Store } from '../store/store.ts'
import type { Reader, Unreadable } from './reader.ts'
import type { ViewMask } from './view-mask.ts'

/**
 * A step of a session as people see it. A short answer is kept with its outcome: it is shown before it as the chunk that
 * it would have been, with the index of the outcome.
 */
export type ShownStep = {
  readonly index: number
  readonly leaf: Readonly<Record<string, unknown>>
  /** What was sealed, opened; bytes as `{ text }` where they are UTF-8, else `{ base64 }`. */
  readonly record?: unknown
  readonly unreadable?: {
    readonly code: Unreadable['code'] | 'not_maskable'
    readonly message: string
  }
}

export type StepsParts = {
  readonly store: Pick<Store, 'sessions' | 'approvals'>
  readonly reader: Reader
  readonly vault: ApprovalVault
  /** Absent: nothing of content is shown but to who may unmask. */
  readonly mask: ViewMask | undefined
}

/** Opens steps for people. Nothing is shown raw that was not asked for raw. */
export type Steps = {
  /** @returns the first of them, at least one: fewer than all when what they hold is more than one answer takes. */
  readonly show: (
    session: string,
    steps: readonly SessionStep[],
    raw: boolean,
  ) => Promise<readonly ShownStep[]>
  /** A record masked, or why it is not shown. */
  readonly masked: (record: JournalRecord) => Promise<Result<JournalRecord, Shortfall>>
}

type Shortfall = NonNullable<ShownStep['unreadable']>
type Leaf = Readonly<Record<string, unknown>>

/** Most records of one operation; of one that has more, bodies are not joined, and so not shown masked. */
const MOST_STEPS = 20_000

/**
 * Characters of what is shown after which an answer ends. A record may hold bodies of 32 MiB, and hundreds of them at once
 * would take the memory of a service that decides.
 */
const PAGE_CHARACTERS = 32 * 1024 * 1024

export function createSteps({ store, reader, vault, mask }: StepsParts): Steps {
  async function masked(
    record: JournalRecord,
    operation: readonly JournalRecord[] = [],
  ): Promise<Result<JournalRecord, Shortfall>> {
    if (!mask) return short('not_maskable', 'this service has nothing to mask with')
    try {
      const made = await mask(record, operation)
      return made.ok ? made : short('not_maskable', made.error)
    } catch (error) {
      // Fail closed: what could not be masked is not shown.
      const name = error instanceof Error ? error.name : 'failed'
      return short('not_maskable', `it could not be masked: ${name}`)
    }
  }

  /** The records of an operation that can be opened; of its chunks those of one direction. */
  async function recordsOf(
    session: string,
    { operation_id, direction }: ChunkRecord,
  ): Promise<Result<readonly JournalRecord[], Shortfall>> {
    const found = await store.sessions.operation({ session, id: operation_id, limit: MOST_STEPS })
    if (found.length >= MOST_STEPS)
      return short('not_maskable', 'it has too many parts to be masked together')
    const records: JournalRecord[] = []
    for (const step of found) {
      const leaf = JSON.parse(step.leaf) as Leaf
      if (leaf['kind'] === 'chunk' && leaf['direction'] !== direction) continue
      const opened = await reader.open(leaf, step.sealed)
      if (!opened.ok) return opened
      records.push(
        ...partsOf(opened.value).filter(
          (part) => part.kind !== 'chunk' || part.direction === direction,
        ),
      )
    }
    return ok(records)
  }

  /** A value may be split over chunks, so they are masked together and shown with the first of them. */
  async function maskedBody(
    session: string,
    first: ChunkRecord,
  ): Promise<Result<JournalRecord, Shortfall>> {
    const operation = await recordsOf(session, first)
    if (!operation.ok) return operation
    // It says which fields policy masks, which nothing in a body does.
    if (!operation.value.some(({ kind }) => kind === 'intent' || kind === 'decision'))
      return short('not_maskable', 'the decision that it belongs to is not on record')
    const bodies: Uint8Array[] = []
    const pieces: [number, number][] = []
    let offset = 0
    for (const part of operation.value) {
      if (part.kind !== 'chunk') continue
      if (part.offset !== offset) return short('damaged', 'parts of this body are missing')
      pieces.push(...part.pieces)
      if (part.body) bodies.push(part.body)
      offset += part.pieces.reduce((sum, [, bytes]) => sum + bytes, 0)
    }
    const whole = { ...first, offset: 0, pieces, body: Buffer.concat(bodies) }
    return masked(
      whole,
      operation.value.filter(({ kind }) => kind !== 'chunk'),
    )
  }

  function maskedStep(
    session: string,
    record: JournalRecord,
  ): Promise<Result<JournalRecord, Shortfall>> {
    if (record.kind !== 'chunk' || !record.body) return masked(record)
    return record.offset === 0
      ? maskedBody(session, record)
      : Promise.resolve(ok(withoutBody(record)))
  }

  async function approval(leaf: Leaf): Promise<Result<unknown, Shortfall>> {
    const row = await store.approvals.find(String(leaf['approval_id']))
    const opened = row ? await vault.open(row) : err('it is not there')
    return opened.ok ? opened : short(row && !row.content ? 'erased' : 'no_key', opened.error)
  }

  async function show(
    session: string,
    { index, leaf: text, sealed }: SessionStep,
    raw: boolean,
  ): Promise<readonly ShownStep[]> {
    const leaf = JSON.parse(text) as Leaf
    if (leaf['kind'] === 'approval') {
      if (!raw) return [{ index, leaf }]
      return [shown({ index, leaf }, await approval(leaf))]
    }
    if (leaf['content'] === undefined) return [{ index, leaf }]
    const opened = await reader.open(leaf, sealed)
    if (!opened.ok) return [{ index, leaf, unreadable: opened.error }]
    const all: ShownStep[] = []
    for (const part of partsOf(opened.value)) {
      const step = {
        index,
        leaf: part.kind === 'chunk' && leaf['kind'] === 'outcome' ? leafOfPart(leaf, part) : leaf,
      }
      all.push(shown(step, raw ? ok(part) : await maskedStep(session, part)))
    }
    return all
  }

  return {
    masked,
    async show(session, steps, raw) {
      const all: ShownStep[] = []
      let characters = 0
      for (const step of steps) {
        const ones = await show(session, step, raw)
        all.push(...ones)
        characters += weightOf(ones)
        if (characters >= PAGE_CHARACTERS) break
      }
      return all
    },
  }
}

const shown = (step: ShownStep, record: Result<unknown, Shortfall>): ShownStep =>
  record.ok ? { ...step, record: textual(record.value) } : { ...step, unreadable: record.error }

const short = (code: Shortfall['code'], message: string): Result<never, Shortfall> =>
  err({ code, message })

/** An outcome that has the rest of an answer, as the chunks that it stands for and itself. */
function partsOf(record: JournalRecord): readonly JournalRecord[] {
  if (record.kind !== 'outcome') return [record]
  const { chunks, bare } = chunksOf(record)
  return [...chunks, bare]
}

/** What the leaf of a chunk would say, of one that stands in an outcome. */
const leafOfPart = ({ v, source, logged_ms, content }: Leaf, part: ChunkRecord): Leaf => ({
  v,
  ...stepOf(part),
  source,
  logged_ms,
  content,
})

/** A later part: its bytes are shown with the first. */
function withoutBody({ body: _, ...record }: ChunkRecord): ChunkRecord {
  return { ...record, pieces: [] }
}

/** As JSON: bytes as `{ text }` where they are UTF-8, else `{ base64 }`. */
export function textual(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    try {
      return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value) }
    } catch {
      return { base64: Buffer.from(value).toString('base64') }
    }
  }
  if (Array.isArray(value)) return value.map(textual)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, textual(one)]))
}

/** About how many characters of JSON it takes. */
function weightOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + weightOf(one), 8)
}
