import { CommandError } from './output.ts'

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000 } as const

/** @param text 7d, 12h, 30m, or a date. @returns milliseconds since the epoch. @throws {CommandError} */
export function sinceMs(text: string | undefined, now_ms: number): number | undefined {
  if (text === undefined) return undefined
  const [, number, unit] = /^(\d{1,6})([dhm])$/.exec(text) ?? []
  if (number !== undefined && unit !== undefined)
    return Math.max(0, now_ms - Number(number) * UNITS[unit as keyof typeof UNITS])
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw new CommandError('usage', `--since ${text} is not 7d, 12h, 30m or a date`)
  return time
}
