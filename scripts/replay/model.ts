import { createHeap } from './heap.ts'
import type { Moment } from './moment.ts'
import { createStepReader } from './step-reader.ts'
import type { Step } from './step.ts'

/**
 * Most moments and bytes that are held back to bring them into the order of time. A streamed body comes to the log in
 * chunks when a part is over, so what happened meanwhile stands before it.
 */
const MAX_HELD = 50_000
const MAX_HELD_BYTES = 32 * 1024 * 1024
/** A chunk is in the log this long after its first piece at the latest, an approval after it was demanded. */
const WINDOW_MS = 15 * 60_000

type Held = { readonly moment: Moment; readonly arrived: number }

/**
 * A session as it ran: steps in the order of the log to moments in the order of time. Holds a bounded part of the
 * session at a time; what comes later than that allows is given out when it comes, with its own time.
 */
export async function* momentsOf(steps: AsyncIterable<Step>): AsyncGenerator<Moment> {
  const reader = createStepReader()
  const held = createHeap<Held>(
    (a, b) =>
      a.moment.at_ms < b.moment.at_ms ||
      (a.moment.at_ms === b.moment.at_ms && a.arrived < b.arrived),
  )
  let arrived = 0
  let bytes = 0
  let newest_ms = -Infinity
  const sizeOf = (moment: Moment): number => (moment.kind === 'piece' ? moment.bytes.length : 0)
  const next = (): Moment | undefined => {
    const least = held.pop()
    if (least) bytes -= sizeOf(least.moment)
    return least?.moment
  }
  const isDue = (): boolean =>
    held.size() > MAX_HELD || bytes > MAX_HELD_BYTES || isPast(held.peek(), newest_ms)
  const put = (moment: Moment): void => {
    held.push({ moment, arrived: arrived++ })
    bytes += sizeOf(moment)
    newest_ms = Math.max(newest_ms, moment.at_ms)
  }
  for await (const step of steps) {
    for (const moment of reader.read(step)) put(moment)
    while (isDue()) {
      const moment = next()
      if (moment) yield moment
    }
  }
  for (const moment of reader.end()) put(moment)
  for (let moment = next(); moment; moment = next()) yield moment
}

const isPast = (held: Held | undefined, newest_ms: number): boolean =>
  held !== undefined && held.moment.at_ms < newest_ms - WINDOW_MS
