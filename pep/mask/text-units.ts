import { isRun } from './chars.ts'
import { LOOK_BACK } from './detectors/matcher.ts'

/** Texts that a scanner looks through are at most this long, in code units. */
export const MAX_UNITS = 40 * 1024
/** Copying pays from this length on: bytes are read about four times as fast as the units of a string. */
const WORTH_COPYING = 512

const units = Buffer.alloc(MAX_UNITS)
/** The text whose units' low bytes are in `units`: enough to look a pair up. Scanning is synchronous, so one is enough. */
let loaded: string | undefined

/** Makes `nextPair` fast for this text. */
export function loadUnits(s: string): void {
  const worth = s.length >= WORTH_COPYING && s.length <= MAX_UNITS
  if (worth) units.write(s, 'latin1')
  loaded = worth ? s : undefined
}

/**
 * The loop that clean text spends its time in.
 * @param pairs see `Tables.pairs`.
 * @returns the first index from `from` on where a trigger may be: its last unit counts always, as what follows is not
 * known. The length of the text when `from` is behind it.
 */
export function nextPair(pairs: Uint8Array, s: string, from: number): number {
  const last = s.length - 1
  if (from >= last) return from
  return loaded === s ? nextInUnits(pairs, from, last) : nextInString(pairs, s, from, last)
}

function nextInUnits(pairs: Uint8Array, from: number, last: number): number {
  let unit = units[from] ?? 0
  for (let at = from; at < last; at++) {
    const next = units[at + 1] ?? 0
    if (pairs[((unit & 127) << 7) | (next & 127)] !== 0) return at
    unit = next
  }
  return last
}

function nextInString(pairs: Uint8Array, s: string, from: number, last: number): number {
  let unit = s.charCodeAt(from)
  for (let at = from; at < last; at++) {
    const next = s.charCodeAt(at + 1)
    if (pairs[((unit & 127) << 7) | (next & 127)] !== 0) return at
    unit = next
  }
  return last
}

/** Where the run that ends before `t` begins, at most `LOOK_BACK` units back and not before `from`. */
export function runStart(s: string, t: number, from: number): number {
  let start = t
  const limit = Math.max(from, t - LOOK_BACK)
  while (start > limit && isRun(s.charCodeAt(start - 1))) start--
  return start
}

/** A copy that does not keep the whole string alive that it was cut from. */
export function detached(text: string): string {
  const copy = Buffer.from(text, 'latin1').toString('latin1')
  return copy === text ? copy : Buffer.from(text, 'utf16le').toString('utf16le')
}
