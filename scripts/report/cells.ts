import type { Cell, Column } from '../../pdp/store/report/figure.ts'

/** Cells as people read them. */

/** `bytes_in`: `bytes in`; `at_ms`: `at`. */
export const heading = ({ name, type }: Column): string =>
  (type === 'time' || type === 'duration' ? name.replace(/_ms$/, '') : name).replaceAll('_', ' ')

export const utc = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').slice(0, 19)

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** The two largest units of it: `2 d 3 h`. */
export function lasted(ms: number): string {
  const first = units.findIndex(([, size]) => Math.abs(ms) >= size)
  if (first === -1) return `${ms} ms`
  let rest = Math.abs(ms)
  const parts = units.slice(first, first + 2).flatMap(([unit, size]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return count > 0 ? [`${count} ${unit}`] : []
  })
  return `${ms < 0 ? '−' : ''}${parts.join(' ')}`
}

export const grouped = (value: number): string => value.toLocaleString('en-US')

/** One text a line; of a list as many as it has. */
export function texts(cell: Cell, { name, type }: Column): readonly string[] {
  if (cell === null) return []
  if (typeof cell === 'boolean') return [cell ? 'yes' : 'no']
  if (typeof cell === 'string') return [cell]
  if (typeof cell !== 'number') return cell
  if (type === 'time') return [utc(cell)]
  if (type === 'duration') return [lasted(cell)]
  // Names, not amounts.
  return [['leaf', 'seq', 'status'].includes(name) ? String(cell) : grouped(cell)]
}
