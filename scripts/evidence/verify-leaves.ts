import { createHash } from 'node:crypto'
import { keysOf } from '../../pdp/evidence/key-leaf.ts'
import { type VerifierKey, parseVerifierKey } from '../../pdp/evidence/note.ts'
import type { Findings, Rotation } from './report.ts'

/** What a leaf says as far as a verifier looks at it; nothing of it is to be trusted to have its type. */
type Leaf = {
  readonly v?: unknown
  readonly kind?: unknown
  readonly name?: unknown
  readonly time_ms?: unknown
  readonly logged_ms?: unknown
  readonly source?: { readonly pep?: unknown; readonly epoch?: unknown; readonly seq?: unknown }
  readonly content?: {
    readonly key?: unknown
    readonly sealed?: unknown
    readonly blocks?: unknown
  }
  readonly vkey?: unknown
  readonly before?: unknown
}

export type LeafChecks = {
  /** Checks a leaf by itself and against those before it. @param text whose hash was already compared. */
  readonly leaf: (index: number, text: string) => void
  /** Checks bytes that stand behind their leaf. */
  readonly content: (kind: 'sealed' | 'block', index: number, base64: string) => void
  readonly times: () => { readonly first_ms?: number; readonly last_ms?: number }
  readonly rotations: () => readonly Rotation[]
  /** Keys that leaves of the log name, which a checkpoint of the whole vouches for. */
  readonly keys: () => readonly VerifierKey[]
  readonly counts: () => { readonly sealed: number; readonly blocks: number }
  /** To be called behind the last leaf. */
  readonly finish: () => void
}

/** Last time that a date has, milliseconds: ECMA-262, Time Values and Time Range. */
const LAST_MS = 8.64e15

/** @param whole whether the log is here from its first leaf on, so that every epoch begins at 0. */
export function createLeafChecks({ problem, warn }: Findings, whole: boolean): LeafChecks {
  /** Next seq by enforcement point and epoch. */
  const next = new Map<string, number>()
  const rotations: Rotation[] = []
  const keys = new Map<string, VerifierKey>()
  const counts = { sealed: 0, blocks: 0 }
  let first_ms: number | undefined
  let last_ms: number | undefined
  let told_back = false
  let current: { index: number; content: Leaf['content'] } | undefined
  const pieces = createPieceChecks(problem)
  /** Says what is wrong with bytes; what is missing in their place is not named a second time. */
  const spoilt: typeof problem = (found) => {
    pieces.excuse()
    problem(found)
  }

  function numbering(index: number, { pep, epoch, seq }: NonNullable<Leaf['source']>): void {
    if (pep === undefined) return
    if (typeof pep !== 'string' || typeof epoch !== 'string' || !Number.isSafeInteger(seq)) {
      problem({
        code: 'leaf_malformed',
        index,
        message: `leaf ${index} has no number of its journal`,
      })
      return
    }
    const journal = JSON.stringify([pep, epoch])
    const number = Number(seq)
    const expected = next.get(journal) ?? (whole ? 0 : number)
    if (number < expected)
      problem({
        code: 'journal_repeat',
        index,
        message: `leaf ${index}: ${number} of journal ${journal} comes again`,
      })
    else if (number > expected)
      problem({
        code: 'journal_gap',
        index,
        message: `leaf ${index}: ${expected} to ${number - 1} of journal ${journal} are not in the log`,
      })
    next.set(journal, Math.max(number, expected - 1) + 1)
  }

  function clock(index: number, { logged_ms, name, source }: Leaf): void {
    if (typeof logged_ms !== 'number' || Math.abs(logged_ms) > LAST_MS) {
      problem({ code: 'leaf_malformed', index, message: `leaf ${index} has no logged_ms` })
      return
    }
    // Only the log says so of itself.
    const told = name === 'clock.back' && source?.pep === undefined
    if (last_ms !== undefined && logged_ms < last_ms && !told && !told_back)
      warn({
        code: 'clock_back',
        index,
        message: `leaf ${index} was taken ${last_ms - logged_ms} ms before the one in front of it, and no event says why`,
      })
    told_back = told
    first_ms ??= logged_ms
    last_ms = logged_ms
  }

  function rotation(index: number, text: string, { time_ms, vkey, before }: Leaf): void {
    const named = keysOf(text)
    for (const one of typeof before === 'string' ? [...named, before] : named) {
      const key = parseVerifierKey(one)
      if (key.ok) keys.set(one, key.value)
    }
    rotations.push({
      index,
      time_ms: typeof time_ms === 'number' ? time_ms : 0,
      vkey: typeof vkey === 'string' ? vkey : '',
      ...(typeof before === 'string' && { before }),
    })
  }

  return {
    leaf(index, text) {
      pieces.next()
      current = { index, content: undefined }
      const leaf = parse(text)
      if (!leaf) {
        problem({
          code: 'leaf_malformed',
          index,
          message: `leaf ${index} is no JSON object of version 1`,
        })
        return
      }
      current = { index, content: leaf.content }
      pieces.named(index, leaf.content)
      if (leaf.source) numbering(index, leaf.source)
      clock(index, leaf)
      if (leaf.kind === 'key') rotation(index, text, leaf)
    },
    content(kind, index, base64) {
      if (current?.index !== index) {
        spoilt({
          code: 'content_misplaced',
          index,
          message: `bytes of leaf ${index} do not stand behind it`,
        })
        return
      }
      const digest = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex')
      const { sealed, blocks } = current.content ?? {}
      pieces.found(digest)
      if (kind === 'sealed') {
        if (digest === sealed) counts.sealed += 1
        else
          spoilt({
            code: 'sealed_replaced',
            index,
            message: `the sealed bytes of leaf ${index} are not those that it names`,
          })
      } else if (Array.isArray(blocks) && blocks.includes(digest)) counts.blocks += 1
      else
        spoilt({
          code: 'block_replaced',
          index,
          message: `a sealed block of leaf ${index} is none that it names`,
        })
    },
    times: () => ({
      ...(first_ms !== undefined && { first_ms }),
      ...(last_ms !== undefined && { last_ms }),
    }),
    rotations: () => rotations,
    keys: () => [...keys.values()],
    counts: () => counts,
    finish: () => pieces.finish(),
  }
}

/** Keys that are remembered. */
const MOST_KEYS = 1_000_000

/**
 * Whether pieces of content are missing that others of the same key are there beside. Erasing takes all that a key
 * sealed, so what lacks some of it was not erased: it was deleted, or replaced by what no leaf names.
 */
function createPieceChecks(problem: Findings['problem']) {
  const keys = new Map<string, { there: boolean; lacks?: number }>()
  let excused = false
  let open: { index: number; key: string; left: Set<unknown>; found: boolean } | undefined

  /** What is behind a leaf is all there now. */
  function next(): void {
    if (!open) return
    const { index, key, left, found } = open
    open = undefined
    const known = keys.get(key) ?? { there: false }
    known.there ||= found
    if (left.size > 0) known.lacks ??= index
    if (keys.size < MOST_KEYS) keys.set(key, known)
  }

  return {
    next,
    excuse: () => void (excused = true),
    named(index: number, content: Leaf['content'] | null): void {
      const { key, sealed, blocks } = content ?? {}
      if (typeof key !== 'string') return
      const left = new Set<unknown>([sealed, ...(Array.isArray(blocks) ? blocks : [])])
      open = { index, key, left, found: false }
    },
    found(digest: string): void {
      if (open?.left.delete(digest)) open.found = true
    },
    finish(): void {
      next()
      if (excused) return
      for (const { there, lacks } of keys.values())
        if (there && lacks !== undefined)
          problem({
            code: 'content_missing',
            index: lacks,
            message: `sealed bytes of leaf ${lacks} are missing, and others under the same key are there: they were deleted or replaced, and not erased`,
          })
    },
  }
}

function parse(text: string): Leaf | undefined {
  try {
    const value = JSON.parse(text) as Leaf | null
    return typeof value === 'object' && value?.v === 1 ? value : undefined
  } catch {
    return undefined
  }
}
