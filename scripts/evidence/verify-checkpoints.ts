import { openCheckpoint, readCheckpoint } from '../../pdp/evidence/checkpoint.ts'
import { sameHash } from '../../pdp/evidence/merkle/hash.ts'
import type { VerifierKey } from '../../pdp/evidence/note.ts'
import type { Findings, Problem, ProblemCode } from './report.ts'

export type CheckpointChecks = {
  /**
   * Checks a checkpoint that stands where the tree has `size` leaves.
   * @param root of the tree there; `undefined` when leaves are missing, so that nobody knows it.
   */
  readonly at: (note: string, size: number, root: Uint8Array | undefined) => void
  /**
   * Checks the one that the whole file hangs on. It has to be of a key that was given.
   * @returns whether it is, and the leaves are its.
   */
  readonly final: (note: string, size: number, root: Uint8Array | undefined) => boolean
  /** How many fit. */
  readonly fitting: () => number
  readonly keys: () => readonly { readonly vkey: string; readonly checkpoints: number }[]
}

/** Notes whose key is not known when they are read; a later leaf may name it. */
const MOST_DEFERRED = 100_000
const MOST_MISFITS = 100

export type CheckpointParts = {
  readonly findings: Findings
  readonly origin: string
  /** Where the file begins. */
  readonly from: number
  /** Those whom the person who verifies trusts. */
  readonly given: readonly VerifierKey[]
  /** Those that leaves read so far name. */
  readonly named: () => readonly VerifierKey[]
}

export function createCheckpointChecks(parts: CheckpointParts): CheckpointChecks {
  const { findings, origin, from, given, named } = parts
  const signers = new Map<string, number>()
  const deferred: { note: string; size: number }[] = []
  /** Sizes of signed checkpoints that the leaves do not fit, since the last one that they do. */
  let misfits: number[] = []
  /** Sizes of checkpoints that stand in front of leaves that they are of. */
  const early: number[] = []
  let [fitting, fits_at] = [0, from]

  /** @returns whether it is signed, or may turn out to be. */
  function isSigned(
    note: string,
    size: number,
    keys: readonly VerifierKey[],
    last: boolean,
  ): boolean {
    const opened = openCheckpoint(note, keys, origin)
    if (opened.ok) {
      for (const { key } of opened.value.by) signers.set(key.vkey, (signers.get(key.vkey) ?? 0) + 1)
      return true
    }
    if (opened.error === 'unknown_key' && !last && deferred.length < MOST_DEFERRED) {
      deferred.push({ note, size })
      return true
    }
    const [code, message] = FAULTS[opened.error]
    findings.problem({ code, range: [size, size], message: `the checkpoint at ${size} ${message}` })
    return false
  }

  function compare(root: Uint8Array, tree: Uint8Array, size: number): void {
    if (!sameHash(root, tree)) {
      if (misfits.length < MOST_MISFITS) misfits.push(size)
      return
    }
    // What fits behind them shows that the leaves are right: those checkpoints are of another log.
    for (const other of misfits) fork(other)
    misfits = []
    if (fitting === 0 || fits_at !== size) fitting += 1
    fits_at = size
  }

  const misplaced = (size: number): void =>
    findings.problem({
      code: 'checkpoint_misplaced',
      range: [size, size],
      message: `the checkpoint at ${size} does not stand in front of leaf ${size}`,
    })

  const fork = (size: number): void =>
    findings.problem({
      code: 'fork',
      range: [size, size],
      message: `the checkpoint at ${size} is of another tree than the leaves, and later ones are of theirs: the log was forked`,
    })

  return {
    at(note, size, root) {
      const read = readCheckpoint(note)
      const claimed = read.ok ? read.value.size : size
      if (!isSigned(note, claimed, [...given, ...named()], false) || !read.ok || !root) return
      if (claimed === size) compare(read.value.root, root, size)
      else if (claimed < size) misplaced(claimed)
      else if (early.length < MOST_MISFITS) early.push(claimed)
    },
    final(note, size, root) {
      // Where leaves are missing at the end it is they that are named.
      if (root) for (const claimed of early) misplaced(claimed)
      const read = readCheckpoint(note)
      const signed = isSigned(note, size, given, true)
      if (signed && read.ok && read.value.size !== size)
        findings.problem({
          code: 'checkpoint_misplaced',
          range: [size, size],
          message: `the checkpoint of the whole is at ${read.value.size}, and the file says ${size}`,
        })
      else if (signed && read.ok && root) {
        const before = fits_at
        compare(read.value.root, root, size)
        const [first] = misfits
        if (first !== undefined) findings.problem(misfit(before, first))
      }
      const late = named()
      for (const one of deferred) isSigned(one.note, one.size, [...given, ...late], true)
      return signed && fitting > 0 && fits_at === size
    },
    fitting: () => fitting,
    keys: () => [...signers].map(([vkey, checkpoints]) => ({ vkey, checkpoints })),
  }
}

/** @param first size of the first checkpoint that does not fit, `before` of the last one that does. */
const misfit = (before: number, first: number): Problem =>
  first === before
    ? {
        code: 'leaves_do_not_fit',
        range: [0, first],
        message: `what is in front of leaf ${first} is not what was signed: export the whole log to see where`,
      }
    : {
        code: 'leaves_do_not_fit',
        range: [before, first],
        message: `leaves ${before} to ${first - 1} are not those that were signed: one or more were changed, inserted, dropped or reordered, or the log was forked there`,
      }

const FAULTS = {
  malformed: ['checkpoint_altered', 'is none'],
  bad_signature: ['checkpoint_altered', 'has a signature that does not hold: it was altered'],
  unknown_key: [
    'unknown_key',
    'is signed by no key that was given, nor by one that a leaf of this log names',
  ],
  wrong_origin: ['wrong_origin', 'is of another log'],
} as const satisfies Record<string, readonly [ProblemCode, string]>
