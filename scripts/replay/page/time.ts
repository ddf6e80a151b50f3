/** Time of the session and time of its play, in which long pauses are cut. Both in milliseconds. */

/** Longest pause that is kept, ms. */
const MAX_PAUSE_MS = 10_000
/** The last things to see stay for a moment before it is over. */
const TAIL_MS = 500

export type PlayTime = {
  readonly length: number
  readonly toPlay: (at_ms: number) => number
  readonly toSession: (play: number) => number
  /** Pauses that were cut: where in the play, and how long they were. */
  readonly cuts: readonly { readonly play: number; readonly paused_ms: number }[]
}

/** @param times when something happened, any order. */
export function createPlayTime(times: readonly number[]): PlayTime {
  const sorted = [...new Set(times)].sort((a, b) => a - b)
  const first = sorted[0] ?? 0
  const knots: { at: number; play: number }[] = [{ at: first, play: 0 }]
  const cuts: { play: number; paused_ms: number }[] = []
  let play = 0
  let before = first
  for (const at of sorted) {
    const passed = at - before
    if (passed > MAX_PAUSE_MS) cuts.push({ play: play + MAX_PAUSE_MS / 2, paused_ms: passed })
    play += Math.min(passed, MAX_PAUSE_MS)
    knots.push({ at, play })
    before = at
  }
  knots.push({ at: before + TAIL_MS, play: play + TAIL_MS })
  return {
    length: play + TAIL_MS,
    toPlay: (at) => between(knots, at, 'at', 'play'),
    toSession: (play) => between(knots, play, 'play', 'at'),
    cuts,
  }
}

type Axis = 'at' | 'play'

function between(
  knots: readonly Readonly<Record<Axis, number>>[],
  value: number,
  from: Axis,
  to: Axis,
): number {
  let low = 0
  let high = knots.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((knots[middle]?.[from] ?? 0) <= value) low = middle
    else high = middle
  }
  const [a, b] = [knots[low], knots[high]]
  if (!a || !b || value <= a[from]) return a?.[to] ?? 0
  if (value >= b[from]) return b[to]
  return a[to] + ((value - a[from]) / (b[from] - a[from])) * (b[to] - a[to])
}

/** Place of the last item at or before a value, in ascending order; -1 for none. */
export function lastAt<T>(items: readonly T[], value: number, of: (item: T) => number): number {
  let low = -1
  let high = items.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    const item = items[middle]
    if (item !== undefined && of(item) <= value) low = middle
    else high = middle
  }
  return low
}

export function clockText(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().slice(11, 23)
}

export function dayText(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, 10)
}

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(1))} s`
  const minutes = Math.floor(ms / 60_000)
  const seconds = Math.floor((ms % 60_000) / 1000)
  if (minutes < 60) return seconds === 0 ? `${minutes} min` : `${minutes} min ${seconds} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
