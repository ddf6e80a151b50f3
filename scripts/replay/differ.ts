/** What two texts have in common and what only one of them has, in order. */
export type Hunk =
  | { readonly same: string }
  /** `gone` stands only in the first, `came` only in the second, at the same place. */
  | { readonly gone: string; readonly came: string }

/** Most edits that are looked for; two texts further apart than that are one hunk from first to last difference. */
const MAX_EDITS = 400
/** A run of equal text shorter than this between two differences reads better as part of them. */
const MIN_SAME = 3

/**
 * Differences by word (Myers, "An O(ND) difference algorithm", 1986). All `same` and `gone` together are `before`, all
 * `same` and `came` are `after`.
 */
export function differ(before: string, after: string): readonly Hunk[] {
  if (before === after) return before === '' ? [] : [{ same: before }]
  const a = words(before)
  const b = words(after)
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (
    end < a.length - start &&
    end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]
  )
    end++
  const runs = [
    { op: 'same', text: a.slice(0, start).join('') },
    ...edits(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    { op: 'same', text: end === 0 ? '' : a.slice(-end).join('') },
  ] as const
  return joined(runs)
}

type Run = { readonly op: 'same' | 'gone' | 'came'; readonly text: string }

const words = (text: string): readonly string[] =>
  text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? []

function edits(a: readonly string[], b: readonly string[]): readonly Run[] {
  const whole: readonly Run[] = [
    { op: 'gone', text: a.join('') },
    { op: 'came', text: b.join('') },
  ]
  if (a.length === 0 || b.length === 0) return whole
  const trace = furthest(a, b)
  if (!trace) return whole
  const runs: Run[] = []
  let x = a.length
  let y = b.length
  for (let d = trace.length - 1; d >= 0; d--) {
    const reach = (k: number): number => trace[d]?.get(k) ?? -1
    const k = x - y
    const down = k === -d || (k !== d && reach(k - 1) < reach(k + 1))
    const fromX = d === 0 ? 0 : down ? reach(k + 1) : reach(k - 1)
    const fromY = d === 0 ? 0 : fromX - (down ? k + 1 : k - 1)
    const beginX = d === 0 ? 0 : down ? fromX : fromX + 1
    if (x > beginX) runs.push({ op: 'same', text: a.slice(beginX, x).join('') })
    if (d > 0) {
      runs.push(down ? { op: 'came', text: b[fromY] ?? '' } : { op: 'gone', text: a[fromX] ?? '' })
    }
    x = fromX
    y = fromY
  }
  return runs.toReversed()
}

/** For each number of edits, how far into `a` each diagonal was before it. `undefined`: too many edits. */
function furthest(
  a: readonly string[],
  b: readonly string[],
): readonly ReadonlyMap<number, number>[] | undefined {
  const reached = new Map<number, number>([[1, 0]])
  const trace: ReadonlyMap<number, number>[] = []
  for (let d = 0; d <= MAX_EDITS; d++) {
    trace.push(new Map(reached))
    for (let k = -d; k <= d; k += 2) {
      const left = reached.get(k - 1) ?? -1
      const right = reached.get(k + 1) ?? -1
      let x = k === -d || (k !== d && left < right) ? right : left + 1
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      reached.set(k, x)
      if (x >= a.length && x - k >= b.length) return trace
    }
  }
  return undefined
}

function joined(runs: readonly Run[]): readonly Hunk[] {
  const hunks: Hunk[] = []
  let same = ''
  let gone = ''
  let came = ''
  const close = (): void => {
    if (gone !== '' || came !== '') hunks.push({ gone, came })
    gone = ''
    came = ''
  }
  const flush = (last: boolean): void => {
    if (same === '') return
    const inside = (gone !== '' || came !== '') && !last
    if (inside && same.length < MIN_SAME) {
      gone += same
      came += same
    } else {
      close()
      hunks.push({ same })
    }
    same = ''
  }
  for (const { op, text } of runs) {
    if (text === '') continue
    if (op === 'same') {
      same += text
      continue
    }
    flush(false)
    if (op === 'gone') gone += text
    else came += text
  }
  flush(true)
  close()
  return hunks
}
