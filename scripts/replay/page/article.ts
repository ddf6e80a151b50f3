import type { PageData, PageNote, PageOperation } from '../page-data.ts'
import type { Counts } from '../step.ts'
import { el, inert, stepLink } from './dom.ts'
import { panel } from './panels.ts'
import type { Spots } from './spots.ts'
import { clockText, durationText, sizeText } from './time.ts'

/** Something that shows itself at its time. */
export type Timed = { readonly element: HTMLElement; readonly at_ms: number }

export type Verdict = 'allowed' | 'refused' | 'unclear'

export function verdictOf({ decided, outcome }: PageOperation): Verdict {
  if (!decided) return 'unclear'
  if (decided.refused !== undefined || decided.effect === 'deny') return 'refused'
  return outcome && outcome.result !== 'completed' ? 'unclear' : 'allowed'
}

const counted = (counts: Counts): string =>
  counts.map(([name, count]) => `${name} × ${count}`).join(', ')

/** One operation from first to last. */
export function article(
  data: PageData,
  operation: PageOperation,
  depth: number,
  spots: Spots,
  timed: Timed[],
): HTMLElement {
  const { at_ms, index, action, connection, what } = operation
  const verdict = verdictOf(operation)
  const root = el('article', `operation ${verdict}`)
  root.id = `step-${index}`
  root.tabIndex = -1
  if (depth > 0) root.classList.add('child')
  timed.push({ element: root, at_ms })
  const heading = el(
    'h2',
    '',
    stepLink(index, `#${index}`),
    spots.text('bdi', 'action', action),
    spots.text('bdi', 'connection', connection),
    spots.text('code', 'what', what),
  )
  root.append(heading, about(data, operation, spots))
  const put = (element: HTMLElement | undefined, shown_ms: number): void => {
    if (!element) return
    root.append(element)
    timed.push({ element, at_ms: shown_ms })
  }
  const decided_ms = operation.decided?.at_ms ?? at_ms
  const first = (direction: 'received' | 'delivered'): number => {
    const body = operation.bodies[direction]
    const times =
      body.state === 'kept' ? body.parts.map(({ growth }) => growth[0]?.[0] ?? at_ms) : []
    return times.length === 0 ? decided_ms : Math.min(...times)
  }
  put(panel(data, operation, 'sent', spots), at_ms)
  put(gate(operation, spots, timed), at_ms)
  put(panel(data, operation, 'forwarded', spots), decided_ms)
  put(panel(data, operation, 'received', spots), first('received'))
  put(panel(data, operation, 'delivered', spots), first('delivered'))
  put(end(operation, spots), operation.outcome?.at_ms ?? operation.ended_ms)
  return root
}

function about(data: PageData, operation: PageOperation, spots: Spots): HTMLElement {
  const { at_ms, id, who, label, parent, headers, resource } = operation
  const line = el('p', 'about', clockText(at_ms), ' · ', spots.text('bdi', '', id))
  if (resource !== operation.what) line.append(' · ', spots.text('bdi', '', resource))
  if (who !== undefined) line.append(' · ', spots.text('bdi', '', who))
  if (label !== undefined) line.append(' · called “', spots.text('bdi', '', label), '”')
  const within = parent === undefined ? undefined : data.operations[parent]
  if (within) line.append(' · part of ', stepLink(within.index, `#${within.index}`))
  if (headers.length === 0) return line
  const list = el('dl', 'headers')
  for (const [name, value] of headers)
    list.append(el('dt', '', inert(name)), el('dd', '', spots.text('bdi', '', value)))
  return el(
    'div',
    '',
    line,
    el('details', 'fold', el('summary', '', `${headers.length} headers`), list),
  )
}

/** What policy said, and whom it asked. */
function gate(operation: PageOperation, spots: Spots, timed: Timed[]): HTMLElement {
  const { decided, approvals } = operation
  const box = el('section', 'gate')
  for (const approval of approvals) {
    const { event, by, approve, waited_ms, approvers, count, covers } = approval
    const after =
      waited_ms === undefined || event === 'consumed' ? '' : ` after ${durationText(waited_ms)}`
    const line = el(
      'p',
      `approval ${stateOf(event, approve)}`,
      stepLink(approval.index, `#${approval.index}`),
    )
    line.id = `step-${approval.index}`
    line.tabIndex = -1
    if (event === 'demanded')
      line.append(`Waits for ${count ?? 1} of `, spots.text('bdi', '', approvers.join(', ')))
    else if (event === 'voted')
      line.append(
        spots.text('bdi', 'who', by?.id ?? 'somebody'),
        `${approve === false ? ' denied' : ' approved'}${after}`,
      )
    else line.append(spots.text('bdi', '', event), after)
    if (covers !== undefined) {
      const covered = el('details', 'fold', el('summary', '', 'What exactly was asked for'))
      covered.append(
        spots.text('div', 'text code', covers, { reveal: () => (covered.open = true) }),
      )
      line.append(covered)
    }
    box.append(line)
    timed.push({ element: line, at_ms: approval.at_ms })
  }
  if (decided) {
    const line = verdictLine(operation, decided, spots)
    box.append(line)
    timed.push({ element: line, at_ms: decided.at_ms })
  }
  return box
}

const stateOf = (event: string, approve: boolean | undefined): string =>
  event === 'approved' || (event === 'voted' && approve !== false)
    ? 'yes'
    : event === 'denied' || event === 'expired' || event === 'voted'
      ? 'no'
      : 'waits'

function verdictLine(
  operation: PageOperation,
  decided: NonNullable<PageOperation['decided']>,
  spots: Spots,
): HTMLElement {
  const refused = verdictOf(operation) === 'refused'
  const badge = el(
    'span',
    `badge ${refused ? 'no' : 'yes'}`,
    refused ? '✗ refused' : '✓ let through',
  )
  const box = el('div', 'verdict', el('p', '', badge))
  const line = box.firstElementChild
  for (const { rule, message } of decided.rules) {
    const said = message === undefined ? undefined : spots.text('bdi', 'message', message)
    line?.append(el('span', 'rule', said, spots.text('code', '', rule)))
  }
  const code = decided.refused === undefined ? '' : `, refusal ${decided.refused}`
  const facts = [`effect ${decided.effect}${code}`]
  if (decided.obligations.length > 0) facts.push(`obliges to ${decided.obligations.join(', ')}`)
  if (decided.approval_id !== undefined) facts.push(`by approval ${decided.approval_id}`)
  if (decided.revision !== undefined) facts.push(`policy ${decided.revision.slice(0, 12)}`)
  if (decided.decision_id !== undefined) facts.push(decided.decision_id)
  box.append(spots.text('p', 'about', facts.join(' · ')))
  if (decided.masked.length > 0)
    box.append(spots.text('p', 'masked', `Masked in the request: ${counted(decided.masked)}`))
  if (decided.observed.length > 0)
    box.append(spots.text('p', 'masked', `Seen in the request: ${counted(decided.observed)}`))
  return box
}

/** How it ended, and what is missing. */
function end(operation: PageOperation, spots: Spots): HTMLElement | undefined {
  const { outcome, gaps } = operation
  if (!outcome && gaps.length === 0) return undefined
  const box = el('section', 'end')
  if (outcome) {
    const { result, status, reason, bytes_in, bytes_out, masked, observed, truncated } = outcome
    const facts = [
      ...(status === undefined ? [] : [`status ${status}`]),
      ...(bytes_in === undefined ? [] : [`${sizeText(bytes_in)} came back`]),
      ...(bytes_out === undefined ? [] : [`the agent got ${sizeText(bytes_out)}`]),
      `${durationText(outcome.at_ms - operation.at_ms)} in all`,
    ]
    const good = result === 'completed' ? 'yes' : 'no'
    const line = el('p', '', stepLink(outcome.index, `#${outcome.index}`))
    line.append(spots.text('span', `badge ${good}`, result), ` ${facts.join(' · ')} `)
    if (reason !== undefined) line.append('· ', spots.text('bdi', 'message', reason))
    line.id = `step-${outcome.index}`
    line.tabIndex = -1
    box.append(line)
    if (masked.length > 0)
      box.append(spots.text('p', 'masked', `Masked in the reply: ${counted(masked)}`))
    if (observed.length > 0)
      box.append(spots.text('p', 'masked', `Seen in the reply: ${counted(observed)}`))
    for (const { direction, limit_bytes } of truncated)
      box.append(
        el('p', 'warn', `What was ${direction} is on record up to ${sizeText(limit_bytes)} only.`),
      )
  }
  for (const { text } of gaps) box.append(spots.text('p', 'warn', text))
  return box
}

/** Policy, keys, administration, events. */
export function note(
  { at_ms, index, text, gap }: PageNote,
  spots: Spots,
  timed: Timed[],
): HTMLElement {
  const line = el(
    'p',
    gap ? 'note warn' : 'note',
    stepLink(index, `#${index}`),
    `${clockText(at_ms)} · `,
  )
  line.append(spots.text('bdi', '', text))
  line.id = `step-${index}`
  line.tabIndex = -1
  timed.push({ element: line, at_ms })
  return line
}
