import { leafHash, sameHash } from '../../pdp/evidence/merkle/hash.ts'
import { type GrowingRange, growRange, rangeLength } from '../../pdp/evidence/merkle/range.ts'
import type { VerifierKey } from '../../pdp/evidence/note.ts'
import {
  ExportDamaged,
  type ExportHeader,
  type ExportLine,
  parseHeader,
  parseLine,
} from '../../pdp/evidence/export-format.ts'
import { createFindings, type Findings, type Report } from './report.ts'
import { createAnchorChecks } from './verify-anchors.ts'
import { createCheckpointChecks } from './verify-checkpoints.ts'
import { createLeafChecks } from './verify-leaves.ts'

export type VerifyOptions = {
  /** Keys of the log that whoever verifies trusts; keys of witnesses may be among them. */
  readonly keys: readonly VerifierKey[]
  /** Signed notes that were kept outside. */
  readonly anchors?: readonly string[]
  readonly onProgress?: (done: number, total: number) => void
}

const PROGRESS_EVERY = 10_000
/** Holes that are remembered, to see whether what is missing comes late. */
const MOST_HOLES = 1000

/**
 * Verifies an export without database and network, in one pass and in memory that does not grow with it.
 * @param lines without their newlines.
 * @returns whatever is wrong, by name; it never stops at the first.
 */
export async function verifyExport(
  lines: AsyncIterable<string>,
  { keys, anchors = [], onProgress }: VerifyOptions,
): Promise<Report> {
  const findings = createFindings()
  let checks: Checks | undefined
  let [number, done] = [0, 0]
  try {
    for await (const text of lines) {
      number += 1
      if (!checks) {
        const header = parseHeader(text)
        if (!header.ok) {
          findings.problem({ code: 'header_malformed', message: header.error })
          return reportOf(NO_HEADER, findings)
        }
        checks = createChecks(header.value, { keys, anchors }, findings)
        continue
      }
      const line = parseLine(text)
      if (line.ok) checks.line(line.value)
      else findings.problem({ code: 'line_malformed', message: `line ${number}: ${line.error}` })
      if (line.ok && 'leaf' in line.value && (done += 1) % PROGRESS_EVERY === 0)
        onProgress?.(done, checks.total)
    }
  } catch (error) {
    if (!(error instanceof ExportDamaged)) throw error
    findings.problem({ code: `export_${error.code}`, message: error.message })
  }
  if (!checks) {
    findings.problem({ code: 'export_cut', message: 'the file ends before its first line' })
    return reportOf(NO_HEADER, findings)
  }
  onProgress?.(done, checks.total)
  return checks.finish()
}

type Checks = {
  readonly total: number
  readonly line: (line: ExportLine) => void
  readonly finish: () => Report
}

const NO_HEADER = { origin: '', leaves: 0, from: 0, size: 0, exported_ms: 0, checkpoints: 0 }

const reportOf = (
  found: Omit<
    Report,
    'freshness' | 'keys' | 'rotations' | 'sealed' | 'blocks' | keyof ReturnType<Findings['all']>
  > &
    Partial<Report>,
  findings: Findings,
): Report => ({
  freshness: 'unproven',
  keys: [],
  rotations: [],
  sealed: 0,
  blocks: 0,
  ...found,
  ...findings.all(),
})

function createChecks(
  header: ExportHeader,
  { keys, anchors: notes }: { keys: readonly VerifierKey[]; anchors: readonly string[] },
  findings: Findings,
): Checks {
  const { origin, from, size } = header
  const leaves = createLeafChecks(findings, from === 0)
  const checkpoints = createCheckpointChecks({
    findings,
    origin,
    from,
    given: keys,
    named: leaves.keys,
  })
  const anchors = createAnchorChecks(notes, header, findings)
  const tree = createTree(header, findings)
  let seen = 0
  let end: number | undefined

  function noteRoot(): void {
    const root = anchors.wants(tree.next()) ? tree.root() : undefined
    if (root) anchors.root(tree.next(), root)
  }
  noteRoot()

  return {
    total: size - from,
    line(line) {
      if (end !== undefined)
        findings.problem({ code: 'line_malformed', message: 'there are lines behind the last one' })
      if ('leaf' in line) {
        seen += 1
        if (!tree.leaf(line)) return
        leaves.leaf(line.index, line.leaf)
        noteRoot()
      } else if ('checkpoint' in line) checkpoints.at(line.checkpoint, tree.next(), tree.root())
      else if ('sealed' in line) leaves.content('sealed', line.sealed.index, line.sealed.bytes)
      else if ('block' in line) leaves.content('block', line.block.index, line.block.bytes)
      else if ('consistency' in line) anchors.consistency(line.consistency)
      else end = line.end.leaves
    },
    finish() {
      tree.finish()
      leaves.finish()
      if (end === undefined)
        findings.problem({
          code: 'export_cut',
          message: `the export was cut behind leaf ${tree.next() - 1}: its last line is missing`,
        })
      else {
        if (end !== seen)
          findings.problem({
            code: 'count_wrong',
            message: `the file says that it has ${end} leaves, and has ${seen}`,
          })
        if (tree.next() < size)
          findings.problem({
            code: 'tail_cut',
            range: [tree.next(), size],
            message: `leaves ${tree.next()} to ${size - 1} are missing at the end`,
          })
      }
      const whole = tree.next() === size ? tree.root() : undefined
      // Fail closed: whatever was found or not, without this nothing is proven.
      if (!checkpoints.final(header.checkpoint, size, whole) && findings.all().problem_count === 0)
        findings.problem({
          code: 'leaves_do_not_fit',
          range: [from, size],
          message: `leaves ${from} to ${size - 1} could not be compared with the checkpoint at ${size}`,
        })
      const confirmed = anchors.finish([...keys, ...leaves.keys()])
      return reportOf(
        {
          origin,
          leaves: seen,
          from,
          size,
          exported_ms: header.exported_ms,
          checkpoints: checkpoints.fitting(),
          ...leaves.times(),
          freshness: confirmed === undefined ? 'unproven' : 'anchored',
          ...(confirmed !== undefined && { anchored_size: confirmed }),
          keys: checkpoints.keys(),
          rotations: leaves.rotations(),
          ...leaves.counts(),
        },
        findings,
      )
    },
  }
}

/** The tree as it grows, as far as no leaf is missing: what comes behind a hole cannot be hashed together. */
function createTree({ from, size, range: hashes }: ExportHeader, { problem }: Findings) {
  let range: GrowingRange | undefined
  if (hashes.length === rangeLength(from))
    range = growRange({ size: from, hashes: hashes.map((hash) => Buffer.from(hash, 'hex')) })
  else
    problem({
      code: 'header_malformed',
      message: `the compact range of ${from} leaves has ${hashes.length} hashes`,
    })
  let next = from
  /** Indexes that were passed over, as ranges; what comes late is only out of order. */
  let missing: { from: number; to: number }[] = []

  function dropped({ from, to }: { readonly from: number; readonly to: number }): void {
    const message =
      to - from === 1 ? `leaf ${from} is missing` : `leaves ${from} to ${to - 1} are missing`
    problem({ code: 'dropped', range: [from, to], message })
  }

  /** A leaf whose index was already passed. */
  function late(index: number): void {
    const hole = missing.find(({ from, to }) => index >= from && index < to)
    if (!hole) {
      problem({ code: 'duplicate', index, message: `there is more than one leaf ${index}` })
      return
    }
    problem({ code: 'reordered', index, message: `leaf ${index} is not in its place` })
    missing = missing.flatMap((one) =>
      one === hole
        ? [
            { from: one.from, to: index },
            { from: index + 1, to: one.to },
          ].filter(({ from, to }) => from < to)
        : [one],
    )
  }

  return {
    next: () => next,
    root: () => range?.root(),
    /** @returns whether it is the next one, or one behind a hole. */
    leaf({ index, leaf, hash }: Extract<ExportLine, { leaf: string }>): boolean {
      if (index < next) {
        late(index)
        return false
      }
      if (index > next) {
        if (missing.length < MOST_HOLES) missing.push({ from: next, to: index })
        else dropped({ from: next, to: index })
        range = undefined
      }
      if (index >= size)
        problem({
          code: 'inserted',
          index,
          message: `leaf ${index} is not part of the tree of ${size} leaves`,
        })
      next = index + 1
      const stored = Buffer.from(hash, 'hex')
      // The tree goes on with the hash as it was stored: when that fits, it is this one text that was changed.
      if (!leaf.isWellFormed() || !sameHash(leafHash(leaf), stored))
        problem({
          code: 'leaf_changed',
          index,
          message: `the text of leaf ${index} is not what was hashed: it was changed`,
        })
      range?.append(stored)
      return true
    },
    finish: () => missing.forEach(dropped),
  }
}
