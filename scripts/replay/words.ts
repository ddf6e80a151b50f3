import { paint, shown } from '../commands/output.ts'
import type { Approval, Decided, Operation, Outcome } from './moment.ts'
import type { Counts, Direction } from './step.ts'

/** How a replay says things on one line. Everything that others wrote goes through `shown`. */

/** The four bodies, as in "what …". */
export const names: Readonly<Record<Direction, string>> = {
  sent: 'the agent sent',
  forwarded: 'went upstream',
  received: 'came back',
  delivered: 'the agent got',
}

/** Time of day with milliseconds, UTC. */
export function clockTime(ms: number): string {
  const date = new Date(ms)
  // A time outside what a date can hold is told as the number it is.
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().slice(11, 23)
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(1))} s`
  const minutes = Math.floor(ms / 60_000)
  const seconds = Math.floor((ms % 60_000) / 1000)
  if (minutes < 60) return seconds === 0 ? `${minutes} min` : `${minutes} min ${seconds} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const counted = (counts: Counts): string =>
  counts.map(([name, count]) => `${name} × ${count}`).join(', ')

export function headLines(operation: Operation): readonly string[] {
  const { action, connection, method, target, resource, subject, session_label } = operation
  const what = method === undefined ? resource : `${method} ${target ?? ''}`
  const parent = operation.parent_id === undefined ? '' : `, part of ${operation.parent_id}`
  const who = subject === undefined ? '' : ` by ${subject.type} ${subject.id}`
  const label = session_label === undefined ? '' : `, called “${session_label}”`
  return [
    paint('bold', shown(`${action}  ${connection}  ${what}`)),
    paint('dim', shown(`operation ${operation.id}${parent}${who}${label}`)),
  ]
}

export function decisionLines(decided: Decided): readonly string[] {
  const { effect, refused, rules, masked, observed, approval_id } = decided
  const let_through = refused === undefined && effect !== 'deny'
  const verdict = refused === undefined ? effect : `${effect}, refused: ${refused}`
  const by = rules.map(({ rule, message }) =>
    message === undefined ? rule : `${message} (${rule})`,
  )
  const found = [
    ...(masked.length > 0 ? [`masked in the request: ${counted(masked)}`] : []),
    ...(observed.length > 0 ? [`seen in the request: ${counted(observed)}`] : []),
  ]
  return [
    `${paint(let_through ? 'green' : 'red', shown(`${let_through ? '✓' : '✗'} ${verdict}`))}  ${shown(by.join(' '))}${approval_id === undefined ? '' : shown(`  by approval ${approval_id}`)}`,
    ...found.map((line) => paint('yellow', shown(line))),
  ]
}

export function approvalLine(approval: Approval): string {
  const { event, by, approve, approvers, count, waited_ms, approval_id } = approval
  const after = waited_ms === undefined ? '' : ` after ${duration(waited_ms)}`
  switch (event) {
    case 'demanded':
      return shown(`⏸ waits for ${count ?? 1} of ${approvers.join(', ')} (approval ${approval_id})`)
    case 'voted':
      return shown(`  ${by?.id ?? 'somebody'} ${approve === false ? 'denied' : 'approved'}${after}`)
    case 'approved':
      return paint('green', `▶ approved${after}`)
    case 'denied':
    case 'expired':
      return paint('red', `■ ${event}${after}`)
    default:
      return shown(`  approval ${event}`)
  }
}

export function outcomeLines(outcome: Outcome): readonly string[] {
  const { result, status, bytes_in, bytes_out, reason, masked, observed, truncated } = outcome
  const sizes = [
    ...(bytes_in === undefined ? [] : [`${bytes_in} bytes came back`]),
    ...(bytes_out === undefined ? [] : [`the agent got ${bytes_out}`]),
  ]
  const said = [
    ...(status === undefined ? [] : [String(status)]),
    ...sizes,
    ...(reason === undefined ? [] : [reason]),
  ]
  return [
    `${paint(result === 'completed' ? 'green' : 'red', shown(result))}  ${shown(said.join(', '))}`,
    ...(masked.length > 0
      ? [paint('yellow', shown(`masked in the reply: ${counted(masked)}`))]
      : []),
    ...(observed.length > 0 ? [paint('yellow', shown(`seen: ${counted(observed)}`))] : []),
    ...truncated.map(({ direction, limit_bytes }) =>
      paint('yellow', `! what ${names[direction]} is recorded up to ${limit_bytes} bytes only`),
    ),
  ]
}
