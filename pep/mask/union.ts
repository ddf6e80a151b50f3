import type { Matcher } from './detectors/matcher.ts'
import type { Sink } from './scan.ts'

type Event =
  | { readonly kind: 'keep'; readonly text: string }
  | { readonly kind: 'drop'; readonly units: number }
  | { readonly kind: 'mark' }
  | {
      readonly kind: 'found'
      readonly matcher: Matcher
      readonly value: string | undefined
      readonly read: boolean
    }
type Point = Extract<Event, { kind: 'mark' | 'found' }>

const isPoint = (event: Event): event is Point => event.kind === 'mark' || event.kind === 'found'
const lengthOf = (event: Exclude<Event, Point>): number =>
  event.kind === 'keep' ? event.text.length : event.units

/** More do not end in one place. */
const MOST_TOLD = 8

/** What one scanner said and the other has not come to yet. */
class Side {
  #events: Event[] = []
  #first = 0
  /** Units of the first event that are done with. */
  done = 0
  /** Where the units began that it drops now. */
  dropsFrom: number | undefined
  /** The findings that were told last; the newest, which may go on, first. */
  told: { readonly from: number; to: number; goesOn: boolean }[] = []

  get next(): Event | undefined {
    return this.#events[this.#first]
  }

  add(event: Event): void {
    this.#events.push(event)
  }

  shift(): void {
    if (++this.#first < 1024 && this.#first < this.#events.length) return
    this.#events = this.#events.slice(this.#first)
    this.#first = 0
  }

  pass(at: number, units: number): void {
    const event = this.next
    if (!event || isPoint(event)) return
    if (event.kind === 'keep') {
      this.dropsFrom = undefined
      if (this.told[0]) this.told[0].goesOn = false
    } else {
      this.dropsFrom ??= at
      if (this.told[0]?.goesOn) this.told[0].to = at + units
    }
    this.done += units
    if (this.done < lengthOf(event)) return
    this.shift()
    this.done = 0
  }

  /** Whether what it told last has a part of `from` to `to`. */
  covers(from: number, to: number): boolean {
    return this.told.some((one) => {
      const end = one.goesOn && this.next?.kind === 'drop' ? Infinity : one.to
      return one.from < Math.max(to, from + 1) && end > from
    })
  }

  tell(from: number, to: number, goesOn: boolean): void {
    if (this.told[0]) this.told[0].goesOn = false
    this.told = [{ from, to, goesOn }, ...this.told.slice(0, MOST_TOLD - 1)]
  }
}

/**
 * Unites what two scanners say of one text: one is shown it as it stands, the other as it is read, for what reads as
 * part of something else may hide a value that stands there. A code unit goes out when both keep it; of findings that
 * overlap, the first is told.
 */
export class Union {
  readonly #sink: Sink
  readonly #stands = new Side()
  readonly #reads = new Side()
  /** Code units that went out or were dropped. */
  settled = 0

  readonly stands: Sink
  readonly reads: Sink

  /** @param inside whether the text begins inside a finding, which both then know of. */
  constructor(sink: Sink, inside: boolean) {
    this.#sink = sink
    if (inside) this.#stands.dropsFrom = this.#reads.dropsFrom = -1
    this.stands = this.#input(this.#stands)
    this.reads = this.#input(this.#reads)
  }

  #input(side: Side): Sink {
    const add = (event: Event): void => {
      side.add(event)
      this.#settle(false)
    }
    return {
      keep: (text, from, to) => add({ kind: 'keep', text: text.slice(from, to) }),
      drop: (units) => add({ kind: 'drop', units }),
      mark: () => add({ kind: 'mark' }),
      found: (matcher, value, read) => add({ kind: 'found', matcher, value, read }),
    }
  }

  /** Both have said all. */
  end(): void {
    this.#settle(true)
  }

  #settle(final: boolean): void {
    for (;;) {
      const stands = this.#stands.next
      const reads = this.#reads.next
      // Whether findings overlap is known when both have come here.
      if (!final && (!stands || !reads)) return
      if (stands && isPoint(stands)) {
        this.#stands.shift()
        this.#tell(stands, this.#stands, this.#reads)
      } else if (reads && isPoint(reads)) {
        this.#reads.shift()
        this.#tell(reads, this.#reads, this.#stands)
      } else if (stands && reads) {
        const left = lengthOf(stands) - this.#stands.done
        const units = Math.min(left, lengthOf(reads) - this.#reads.done)
        if (stands.kind === 'keep' && reads.kind === 'keep')
          this.#sink.keep(stands.text, this.#stands.done, this.#stands.done + units)
        else this.#sink.drop(units)
        this.#stands.pass(this.settled, units)
        this.#reads.pass(this.settled, units)
        this.settled += units
      } else return
    }
  }

  #tell(event: Point, side: Side, other: Side): void {
    if (event.kind === 'mark') return this.#sink.mark()
    const { matcher, value, read } = event
    const at = this.settled
    // A value of any length is told when it has ended.
    const after = matcher.tail !== undefined && value !== undefined
    const from = after ? (side.dropsFrom ?? at) : at
    side.dropsFrom = undefined
    if (other.covers(from, at)) return
    side.tell(from, at, !after)
    this.#sink.found(matcher, value, read)
  }
}
