/** What a verification found. */

export type ProblemCode =
  // The file itself.
  | 'header_malformed'
  | 'line_malformed'
  | 'export_cut'
  | 'export_damaged'
  | 'count_wrong'
  // Leaves.
  | 'leaf_changed'
  | 'leaf_malformed'
  | 'dropped'
  | 'duplicate'
  | 'reordered'
  | 'inserted'
  | 'leaves_do_not_fit'
  | 'tail_cut'
  // Checkpoints.
  | 'checkpoint_altered'
  | 'unknown_key'
  | 'wrong_origin'
  | 'checkpoint_misplaced'
  | 'fork'
  // Anchors.
  | 'anchor_invalid'
  | 'rolled_back'
  | 'consistency_invalid'
  // Sealed bytes.
  | 'sealed_replaced'
  | 'block_replaced'
  | 'content_misplaced'
  | 'content_missing'
  // Numbers of enforcement points.
  | 'journal_gap'
  | 'journal_repeat'

export type Problem = {
  readonly code: ProblemCode
  readonly message: string
  readonly index?: number
  /** Leaves from the first up to, not including, the second. */
  readonly range?: readonly [number, number]
}

export type Warning = {
  readonly code: 'clock_back' | 'anchor_not_compared' | 'key_rotated'
  readonly message: string
  readonly index?: number
}

export type Rotation = {
  readonly index: number
  readonly time_ms: number
  readonly vkey: string
  readonly before?: string
}

export type Report = {
  readonly origin: string
  /** How many leaves the file holds. */
  readonly leaves: number
  readonly from: number
  /** Of the tree that the file proves. */
  readonly size: number
  readonly exported_ms: number
  /** How many were compared with the leaves and fit. */
  readonly checkpoints: number
  /** `logged_ms` of the first and the last leaf. */
  readonly first_ms?: number
  readonly last_ms?: number
  /** At most 1,000; `problem_count` has them all. */
  readonly problems: readonly Problem[]
  readonly problem_count: number
  readonly warnings: readonly Warning[]
  readonly warning_count: number
  /** `anchored`: an anchor from outside fits, so that nothing of up to `anchored_size` leaves is missing. */
  readonly freshness: 'anchored' | 'unproven'
  readonly anchored_size?: number
  /** Keys that signed, and how many checkpoints each. */
  readonly keys: readonly { readonly vkey: string; readonly checkpoints: number }[]
  readonly rotations: readonly Rotation[]
  /** Sealed bytes that were there and are what their leaves say. */
  readonly sealed: number
  readonly blocks: number
}

/** 0: proven; 5: everything fits, but nothing from outside says that it is all; 1: problems. 2 is wrong usage. */
export const exitCodeOf = ({ problem_count, freshness }: Report): 0 | 1 | 5 =>
  problem_count > 0 ? 1 : freshness === 'anchored' ? 0 : 5

const MOST = 1000

/** Gathers what is found; a file of nothing but faults fills no memory. */
export function createFindings(): {
  readonly problem: (problem: Problem) => void
  readonly warn: (warning: Warning) => void
  readonly all: () => Pick<Report, 'problems' | 'problem_count' | 'warnings' | 'warning_count'>
} {
  const problems: Problem[] = []
  const warnings: Warning[] = []
  let [problem_count, warning_count] = [0, 0]
  return {
    problem(problem) {
      problem_count += 1
      if (problems.length < MOST) problems.push(problem)
    },
    warn(warning) {
      warning_count += 1
      if (warnings.length < MOST) warnings.push(warning)
    },
    all: () => ({ problems, problem_count, warnings, warning_count }),
  }
}
export type Findings = ReturnType<typeof createFindings>
