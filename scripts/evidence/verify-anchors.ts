import { type Checkpoint, openCheckpoint, readCheckpoint } from '../../pdp/evidence/checkpoint.ts'
import { sameHash } from '../../pdp/evidence/merkle/hash.ts'
import { rootOf } from '../../pdp/evidence/merkle/range.ts'
import { isConsistent } from '../../pdp/evidence/merkle/verify.ts'
import { parseNote, type VerifierKey } from '../../pdp/evidence/note.ts'
import type { ExportHeader, ExportLine } from '../../pdp/evidence/export-format.ts'
import type { Findings } from './report.ts'

type ConsistencyLine = Extract<ExportLine, { consistency: unknown }>['consistency']

export type AnchorChecks = {
  /** Tells the root of the tree whenever it has a size that an anchor is of. */
  readonly wants: (size: number) => boolean
  readonly root: (size: number, root: Uint8Array) => void
  readonly consistency: (line: ConsistencyLine) => void
  /** @returns the largest size that an anchor confirms, when each of them that could be compared fits. */
  readonly finish: (keys: readonly VerifierKey[]) => number | undefined
}

/** Signed notes that somebody kept outside: the only thing that shows a roll-back, a cut tail or a fork. */
export function createAnchorChecks(
  notes: readonly string[],
  header: ExportHeader,
  { problem, warn }: Findings,
): AnchorChecks {
  const anchors = notes.map((note) => ({
    note,
    claimed: readCheckpoint(note),
    whole: isWhole(note),
  }))
  const sizes = new Set(anchors.flatMap(({ claimed }) => (claimed.ok ? [claimed.value.size] : [])))
  const roots = new Map<number, Uint8Array>()
  const proofs = new Map<number, ConsistencyLine>()

  /** @returns the tree that a proof leads to, when its root is known here. */
  function target({ to }: ConsistencyLine): { size: number; root: Uint8Array } | undefined {
    const last = readCheckpoint(header.checkpoint)
    if (last.ok && to === header.size && last.value.size === to) return last.value
    const range = header.range.map((hash) => Buffer.from(hash, 'hex'))
    return to === header.from ? { size: to, root: rootOf(range) } : undefined
  }

  function isConfirmed({ size, root }: Checkpoint): boolean {
    if (size > header.size) {
      problem({
        code: 'rolled_back',
        range: [header.size, size],
        message: `an anchor is of ${size} leaves and the file ends at ${header.size}: the tail was cut or the log rolled back, unless the export is older than the anchor`,
      })
      return false
    }
    const found = roots.get(size)
    if (found) {
      if (sameHash(found, root)) return true
      problem({
        code: 'fork',
        range: [size, size],
        message: `the anchor at ${size} is of another tree: leaves before ${size} were rewritten, or the log was forked`,
      })
      return false
    }
    const proof = proofs.get(size)
    const second = proof && target(proof)
    if (!proof || !second) {
      warn({
        code: 'anchor_not_compared',
        message:
          size < header.from
            ? `the anchor at ${size} cannot be compared: export again with --anchor`
            : `the anchor at ${size} cannot be compared: leaves are missing`,
      })
      return false
    }
    const hashes = proof.hashes.map((hash) => Buffer.from(hash, 'hex'))
    if (isConsistent({ first: { size, root }, second, proof: hashes })) return true
    problem({
      code: 'fork',
      range: [size, size],
      message: `the log does not extend the anchor at ${size}: it was rewritten before ${size}, or forked`,
    })
    return false
  }

  /**
   * A disk that was full leaves half a note in a file that is only appended to, and says nothing against those that came
   * whole. Alone it is a fault: whoever names it wants to be held against something.
   */
  function tellBroken(confirmed: number | undefined): void {
    const broken = anchors.filter(({ whole }) => !whole).length
    if (broken === 0) return
    const message = `${broken} of ${anchors.length} anchors are no whole checkpoint`
    if (confirmed === undefined) problem({ code: 'anchor_invalid', message })
    else warn({ code: 'anchor_not_compared', message: `${message}, as a write that broke off` })
  }

  return {
    wants: (size) => sizes.has(size),
    root: (size, root) => void roots.set(size, root),
    consistency(line) {
      // One that leads elsewhere proves nothing here, and takes nobody's place.
      const leads = line.to === header.size || line.to === header.from
      if (leads && proofs.size < MOST_PROOFS) proofs.set(line.from, line)
    },
    finish(keys) {
      let confirmed: number | undefined
      for (const { note, whole } of anchors) {
        if (!whole) continue
        const opened = openCheckpoint(note, keys, header.origin)
        if (!opened.ok) {
          problem({
            code: 'anchor_invalid',
            message: `an anchor is no checkpoint of ${header.origin} under a known key (${opened.error})`,
          })
          continue
        }
        if (isConfirmed(opened.value)) confirmed = Math.max(confirmed ?? 0, opened.value.size)
      }
      tellBroken(confirmed)
      return confirmed
    },
  }
}

const MOST_PROOFS = 10_000

/** Shorter than this no signature is, of either type. */
const SIGNATURE_BYTES = 64

/** Whether it is a checkpoint to its end; whether a signature holds is another question. */
function isWhole(note: string): boolean {
  const parsed = parseNote(note)
  return (
    parsed.ok &&
    readCheckpoint(note).ok &&
    parsed.value.signatures.every(({ signature }) => signature.length >= SIGNATURE_BYTES)
  )
}
