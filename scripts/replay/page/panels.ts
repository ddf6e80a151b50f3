import type { PageBody, PageData, PageOperation, PagePart } from '../page-data.ts'
import type { Direction } from '../step.ts'
import { attr, el, inert } from './dom.ts'
import type { Spots } from './spots.ts'
import { sizeText } from './time.ts'

/** The four bodies of an operation. */

const titles: Readonly<Record<Direction, string>> = {
  sent: 'The agent sent',
  forwarded: 'Went upstream',
  received: 'Came back',
  delivered: 'The agent got',
}
const ofToolCall: Readonly<Record<Direction, string>> = {
  ...titles,
  sent: 'The reply calls',
  forwarded: 'The agent gets',
}
const counterparts: Readonly<Record<Direction, Direction>> = {
  sent: 'forwarded',
  forwarded: 'sent',
  received: 'delivered',
  delivered: 'received',
}

export function panel(
  data: PageData,
  operation: PageOperation,
  direction: Direction,
  spots: Spots,
): HTMLElement | undefined {
  const body = operation.bodies[direction]
  if (body.state === 'none') return undefined
  const name = (operation.tool_call ? ofToolCall : titles)[direction]
  const size = body.state === 'kept' ? el('span', 'size', sizeText(body.bytes)) : undefined
  const section = el('section', `panel ${direction}`, el('h3', '', name, size))
  attr(section, 'aria-label', name)
  if (body.state === 'absent') {
    section.append(spots.text('p', 'quiet', `${body.why}.`))
    section.classList.add('empty')
  } else if (body.state === 'same') {
    section.append(el('p', 'quiet', sameness(data, operation, direction)))
    section.classList.add('empty')
  } else section.append(...kept(data, operation, direction, body, spots))
  return section
}

function kept(
  data: PageData,
  operation: PageOperation,
  direction: Direction,
  body: Extract<PageBody, { readonly state: 'kept' }>,
  spots: Spots,
): readonly HTMLElement[] {
  const text = (at: number): string => data.texts[at] ?? ''
  const other = operation.bodies[counterparts[direction]]
  const isSecond = direction === 'forwarded' || direction === 'delivered'
  const marked = body.parts.some(({ marks }) => marks.length > 0)
  const otherMarked = other.state === 'kept' && other.parts.some(({ marks }) => marks.length > 0)
  const compared = other.state === 'kept' && !body.cut && !other.cut
  const out: HTMLElement[] = []
  if (isSecond && compared) {
    const same = !marked && !otherMarked
    out.push(
      same
        ? el('p', 'quiet', sameness(data, operation, direction))
        : el(
            'p',
            'differs',
            `Differs from what ${direction === 'delivered' ? 'came back' : 'the agent sent'}: marked in both.`,
          ),
    )
  }
  // Of what went upstream only what differs is worth reading twice.
  const isShort = direction === 'forwarded' && compared && (marked || otherMarked)
  const parts = isShort ? body.parts.filter(({ marks }) => marks.length > 0) : body.parts
  if (isShort && parts.length < body.parts.length)
    out.push(el('p', 'quiet', 'Other parts are the same.'))
  const earlier = parts.filter((part) => part.earlier === true)
  if (earlier.length > 0) out.push(earlierParts(earlier, direction, text, spots))
  for (const part of parts) {
    if (part.earlier !== true) out.push(shownPart(part, direction, text, spots))
  }
  if (body.cut) out.push(el('p', 'warn', 'This page holds only the begin of it.'))
  if (body.raw !== undefined) out.push(raw(text(body.raw)))
  return out
}

/** No more is said than the record and this copy of it show. */
function sameness(data: PageData, operation: PageOperation, direction: Direction): string {
  const what =
    direction === 'delivered' ? 'came back' : operation.tool_call ? 'was called' : 'the agent sent'
  if (operation.incomplete) return `The same as what ${what}, as far as both are on record.`
  if (data.masked) return `The same as what ${what}, as far as this masked copy shows.`
  return `Exactly what ${what}.`
}

function shownPart(
  part: PagePart,
  direction: Direction,
  text: (at: number) => string,
  spots: Spots,
  reveal?: () => void,
): HTMLElement {
  spots.isFirst(part.text)
  const content = spots.text('div', 'text', text(part.text), {
    growth: part.growth,
    marks: part.marks,
    mark: direction === 'sent' || direction === 'received' ? 'del' : 'ins',
    ...(reveal && { reveal }),
  })
  if (part.kind !== 'text' && part.kind !== 'thinking' && part.kind !== 'system')
    content.classList.add('code')
  const title = part.title === '' ? undefined : spots.text('div', 'part-title', part.title)
  return el('div', `part ${part.kind}`, title, content)
}

/**
 * Folded, since earlier operations have shown them, and made when they are opened: a long session sends all of its turns
 * again and again. Searched where they hold text that stands nowhere before.
 */
function earlierParts(
  parts: readonly PagePart[],
  direction: Direction,
  text: (at: number) => string,
  spots: Spots,
): HTMLElement {
  const changed = parts.filter(({ marks }) => marks.length > 0).length
  const note = changed === 0 ? '' : `, ${changed} with differences`
  const many = parts.length === 1 ? '1 part' : `${parts.length} parts`
  const summary = el('summary', '', `${many} of earlier turns, parameters and tools${note}`)
  const details = el('details', 'earlier', summary)
  const fresh = parts.filter((part) => spots.isFirst(part.text))
  let made = false
  const make = (): void => {
    if (!made) details.append(...parts.map((part) => shownPart(part, direction, text, spots, open)))
    made = true
  }
  const open = (): void => {
    details.open = true
  }
  details.addEventListener('toggle', () => {
    if (details.open) make()
  })
  spots.add({
    at: () => undefined,
    find(query) {
      if (made || query === '') return 0
      if (!fresh.some((part) => text(part.text).toLowerCase().includes(query))) return 0
      const from = spots.all.length
      make()
      return spots.all.slice(from).reduce((sum, spot) => sum + spot.find(query), 0)
    },
  })
  return details
}

function raw(text: string): HTMLElement {
  const details = el('details', 'raw', el('summary', '', 'As it is on record'))
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1)
      details.append(el('div', 'text code', inert(text)))
  })
  return details
}
