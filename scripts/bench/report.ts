import { availableParallelism } from 'node:os'

/** One figure of a suite. `ratio` is such that higher is better; `goal` is for it, or for `ours` without a peer. */
export type Figure = {
  readonly suite: string
  readonly metric: string
  readonly unit: string
  readonly ours: number
  readonly peer: number | null
  readonly peer_name: string | null
  readonly ratio: number | null
  /** Absent for figures that are there to be known. */
  readonly goal: number | null
  readonly met: boolean | null
}

/** Takes what was measured and prints its figure. */
export type Report = (measured: Measured) => void

type Measured = {
  readonly suite: string
  readonly metric: string
  readonly unit: string
  /** One value a round. */
  readonly ours: readonly number[]
  readonly peer?: readonly number[]
  readonly peer_name?: string
  readonly goal?: number
  /** For latencies, memory and the like. */
  readonly lower_is_better?: boolean
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  const lower = sorted[middle - 1]
  if (upper === undefined) throw new Error('median of nothing')
  return sorted.length % 2 === 0 && lower !== undefined ? (lower + upper) / 2 : upper
}

/** @returns the value below which the fraction `p` of them lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]
  if (value === undefined) throw new Error('percentile of nothing')
  return value
}

/** Medians over rounds; the ratio is the median of the ratios of rounds that ran next to each other. */
export function figure(measured: Measured): Figure {
  const { suite, metric, unit, goal = null, peer } = measured
  const ours = median(measured.ours)
  const lower = measured.lower_is_better ?? false
  const ratio = peer
    ? median(
        measured.ours.map((value, round) => {
          const other = peer[round] ?? Number.NaN
          return lower ? other / value : value / other
        }),
      )
    : null
  const reached = (value: number, limit: number, under: boolean): boolean =>
    under ? value <= limit : value >= limit
  const met = goal === null ? null : reached(ratio ?? ours, goal, ratio === null && lower)
  return {
    suite,
    metric,
    unit,
    ours: round(ours),
    peer: peer ? round(median(peer)) : null,
    peer_name: measured.peer_name ?? null,
    ratio: ratio === null ? null : round(ratio),
    goal,
    met,
  }
}

const round = (value: number): number => Number(value.toPrecision(5))

/** Prints figures as they come: a JSON object a line, or a line for people. */
export function createReporter(json: boolean): Report {
  if (!json) console.log(`${availableParallelism()} cores, Node ${process.versions.node}`)
  return (measured) => {
    const f = figure(measured)
    if (json) {
      console.log(JSON.stringify(f))
      return
    }
    const peer = f.ratio === null ? '' : `  ${f.peer_name} ${f.peer} ${f.unit}  ratio ${f.ratio}`
    const sign = measured.lower_is_better && f.ratio === null ? '≤' : '≥'
    const verdict = f.met === null ? '    ' : f.met ? 'met ' : 'MISS'
    const goal = f.goal === null ? '' : `  (goal ${sign} ${f.goal})`
    console.log(`${verdict} ${f.suite} ${f.metric}: ${f.ours} ${f.unit}${peer}${goal}`)
  }
}

/** Progress and remarks go to stderr, so that `--json` stays clean. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`)
}
