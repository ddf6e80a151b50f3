import { paint, shown } from '../commands/output.ts'
import { type Body, createBody, type Difference, differences } from './body.ts'
import type { Content, Moment, MomentOf, Operation } from './moment.ts'
import type { Grown } from './part.ts'
import { type Direction, directions } from './step.ts'
import {
  approvalLine,
  clockTime,
  decisionLines,
  duration,
  headLines,
  names,
  outcomeLines,
} from './words.ts'

/** Longest pause that is kept, of the session's own time: people go to lunch. */
const MAX_PAUSE_MS = 10_000
/** A pause longer than this is told where nothing waits. */
const TOLD_PAUSE_MS = 2000
/** Most characters of a body that are kept to compare it. */
const MAX_CHARS = 512 * 1024
/** Most operations whose bodies are kept at a time; of older ones nothing more is compared. */
const MAX_RUNNING = 32

export type Terminal = {
  readonly write: (text: string) => void
  readonly sleep: (ms: number) => Promise<void>
  /** Before each step, with `--step`. */
  readonly pause?: () => Promise<void>
  /** Times as fast; 0 does not wait. */
  readonly speed: number
  /** Values are masked for whoever reads, so what looks the same may differ. */
  readonly masked: boolean
}

type Running = {
  readonly operation: Operation | undefined
  readonly bodies: ReadonlyMap<Direction, Body>
  /** Whether what went upstream was told with the decision. */
  forwarded: boolean
  /** Whether parts of its bodies are not on record. */
  incomplete: boolean
}

/** Plays a session on a terminal. What others wrote is shown with its control characters written out. */
export async function playOn(terminal: Terminal, moments: AsyncIterable<Moment>): Promise<void> {
  const page = createPage(terminal)
  const running = new Map<string, Running>()
  let before_ms: number | undefined
  let step = -1
  for await (const moment of moments) {
    const passed_ms = before_ms === undefined ? 0 : Math.max(moment.at_ms - before_ms, 0)
    before_ms = Math.max(moment.at_ms, before_ms ?? 0)
    await wait(passed_ms, moment)
    tell(moment)
  }
  page.line('')

  async function wait(passed_ms: number, moment: Moment): Promise<void> {
    const waits = terminal.speed > 0 && !terminal.pause
    const long = passed_ms > (waits ? MAX_PAUSE_MS : TOLD_PAUSE_MS)
    if (long) {
      const cut = waits ? `, cut to ${duration(MAX_PAUSE_MS)}` : ''
      page.line(paint('dim', `  … ${duration(passed_ms)} pass${cut}`))
    }
    if (terminal.pause) {
      // Pieces of one part of a body are one step.
      if (moment.index !== step || moment.kind !== 'piece') {
        page.flush()
        await terminal.pause()
      }
      step = moment.index
    } else if (waits) await terminal.sleep(Math.min(passed_ms, MAX_PAUSE_MS) / terminal.speed)
  }

  function tell(moment: Moment): void {
    switch (moment.kind) {
      case 'began':
        return began(moment)
      case 'decided':
        return decided(moment)
      case 'piece':
        return piece(moment)
      case 'outcome':
        return ended(moment)
      case 'approval':
        return page.line(at(moment) + approvalLine(moment))
      case 'noted':
        return page.line(at(moment) + shown(moment.text))
      case 'gap':
        if (moment.operation_id !== undefined) run(moment.operation_id).incomplete = true
        return page.line(at(moment) + paint('yellow', `! ${shown(moment.text)}`))
      default:
        moment satisfies never
    }
  }

  function began(moment: MomentOf<'began'>): void {
    const { operation, sent } = moment
    page.line('')
    const [head = '', ...rest] = headLines(operation)
    page.line(at(moment) + head)
    for (const line of rest) page.line(`  ${line}`)
    const one = run(operation.id, operation)
    content('sent', sent, one, moment.at_ms)
  }

  /** A body that is there at once. */
  function content(direction: Direction, what: Content, one: Running, at_ms: number): void {
    const name = nameOf(direction, one)
    if ('same' in what)
      page.line(`  ${name}: ${equal(one, one.operation?.tool_call ? 'that' : 'what was sent')}`)
    else if ('absent' in what) page.line(paint('dim', `  ${name}: ${shown(what.absent)}`))
    else if (what.bytes.length > 0) {
      const body = one.bodies.get(direction)
      page.grow(name, [...(body?.push(at_ms, what.bytes) ?? []), ...(body?.end() ?? [])])
    }
  }

  function decided(moment: MomentOf<'decided'>): void {
    for (const line of decisionLines(moment)) page.line(at(moment) + line)
    const one = run(moment.operation_id ?? '')
    if (moment.forwarded) {
      const { forwarded } = moment
      const sent = one.bodies.get('sent')
      const body = one.bodies.get('forwarded')
      if ('bytes' in forwarded && sent && body && sent.size() > 0) {
        body.push(moment.at_ms, forwarded.bytes)
        body.end()
        compared('forwarded', sent, body, one)
      } else content('forwarded', forwarded, one, moment.at_ms)
      one.forwarded = true
    }
    if (one.operation?.tool_call || moment.refused !== undefined)
      running.delete(moment.operation_id ?? '')
  }

  function piece({ direction, bytes, at_ms, operation_id = '' }: MomentOf<'piece'>): void {
    const one = run(operation_id)
    const grown = one.bodies.get(direction)?.push(at_ms, bytes) ?? []
    // What came back is told where it differs, once all of it is there: two streams at once nobody can read.
    if (direction === 'delivered' || direction === 'sent') page.grow(nameOf(direction, one), grown)
  }

  function ended(moment: MomentOf<'outcome'>): void {
    const id = moment.operation_id ?? ''
    const one = run(id)
    if (moment.truncated.length > 0) one.incomplete = true
    const bodyOf = (direction: Direction): Body => one.bodies.get(direction) ?? createBody(0)
    const [sent, forwarded, received, delivered] = directions.map(bodyOf)
    if (!sent || !forwarded || !received || !delivered) return
    if (!one.forwarded) {
      page.grow(nameOf('sent', one), sent.end())
      forwarded.end()
      if (forwarded.size() > 0) compared('forwarded', sent, forwarded, one)
    }
    page.grow(nameOf('delivered', one), delivered.end())
    received.end()
    // Of an operation whose begin is not here, or no longer, nothing is known that could be compared.
    if (!one.operation) page.line(paint('dim', '  its bodies are not compared here; --html does'))
    else if (received.size() === 0) page.line(paint('dim', `  ${names.received}: not recorded`))
    else if (delivered.size() === 0) {
      page.line(paint('red', `  ${names.delivered}: nothing of what came back`))
      page.grow(
        names.received,
        received.parts().map(({ part, text }) => ({ part, text })),
      )
    } else compared('delivered', received, delivered, one)
    for (const line of outcomeLines(moment)) page.line(at(moment) + line)
    running.delete(id)
  }

  function compared(direction: Direction, before: Body, after: Body, one: Running): void {
    const other = nameOf(direction === 'delivered' ? 'received' : 'sent', one)
    const name = nameOf(direction, one)
    if (before.isCut() || after.isCut()) {
      page.line(paint('dim', `  ${name}: too long to be compared here; --html compares more`))
      return
    }
    const found = differences(before.parts(), after.parts())
    if (found.length === 0) page.line(`  ${name}: ${equal(one, `what ${other}`)}`)
    else {
      page.line(paint('yellow', `  ≠ between what ${other} (−) and what ${name} (+):`))
      for (const one of found) difference(one)
    }
  }

  /** No more is said than the record and this view of it show. */
  function equal({ incomplete }: Running, what: string): string {
    if (incomplete) return `the same as ${what}, as far as both are on record`
    return terminal.masked
      ? `the same as ${what}, as far as this masked view shows`
      : `exactly ${what}`
  }

  function difference({ part, hunks }: Difference): void {
    page.line(paint('dim', `    ${shown(part.title || 'body')}`))
    for (const [n, hunk] of hunks.entries()) {
      if ('same' in hunk) continue
      const [left, right] = [hunks[n - 1], hunks[n + 1]]
      const lead = left && 'same' in left ? left.same.slice(-40).replace(/^.*\n/s, '') : ''
      const tail = right && 'same' in right ? right.same.slice(0, 40).replace(/\n.*$/s, '') : ''
      const side = (sign: string, colour: 'red' | 'green', text: string): void => {
        const lines = `${shown(lead)}${marked(colour, shown(text))}${shown(tail)}`
        for (const line of lines.split('\n')) page.line(`    ${paint(colour, sign)} ${line}`)
      }
      if (hunk.gone !== '') side('−', 'red', hunk.gone)
      if (hunk.came !== '' || lead !== '' || tail !== '') side('+', 'green', hunk.came)
    }
  }

  function run(id: string, operation?: Operation): Running {
    const known = running.get(id)
    if (known && !operation) return known
    const made: Running = {
      operation,
      bodies:
        known?.bodies ?? new Map(directions.map((one) => [one, createBody(MAX_CHARS)] as const)),
      forwarded: known?.forwarded ?? false,
      incomplete: known?.incomplete ?? false,
    }
    running.set(id, made)
    const [oldest] = running.keys()
    if (running.size > MAX_RUNNING && oldest !== undefined) running.delete(oldest)
    return made
  }
}

const nameOf = (direction: Direction, { operation }: Running): string =>
  operation?.tool_call === true
    ? direction === 'sent'
      ? 'the reply calls'
      : 'the agent gets'
    : names[direction]

const at = ({ at_ms, index }: Moment): string => paint('dim', `${clockTime(at_ms)} #${index}  `)

/** Each line in its colour by itself: an escape does not go over the prefix of the next one. */
const marked = (colour: 'red' | 'green', text: string): string =>
  text
    .split('\n')
    .map((line) => (line === '' ? '' : paint(colour, line)))
    .join('\n')

/** Lines, and text that grows at the end of the last one. */
function createPage({ write }: Pick<Terminal, 'write'>): {
  readonly line: (text: string) => void
  /** Ends the line that grows. */
  readonly flush: () => void
  readonly grow: (name: string, grown: readonly Grown[]) => void
} {
  let growing: string | undefined
  const flush = (): void => {
    if (growing !== undefined) write('\n')
    growing = undefined
  }
  const bar = paint('dim', '  │ ')
  return {
    line(text) {
      flush()
      write(`${text}\n`)
    },
    flush,
    grow(name, grown) {
      let earlier = 0
      for (const { part, text } of grown) {
        if (part.earlier) {
          earlier++
          continue
        }
        const place = `${name}\0${part.key}`
        if (growing !== place) {
          flush()
          const title = part.title === '' ? '' : `, ${shown(part.title)}`
          write(`  ${paint('bold', name)}${title}\n${bar}`)
          growing = place
        }
        write(shown(text).replaceAll('\n', `\n${bar}`))
      }
      if (earlier === 0) return
      flush()
      write(
        paint(
          'dim',
          `  (and ${earlier} more of earlier turns and tools; --html and --json have them)\n`,
        ),
      )
    },
  }
}
