import { type Body, createBody, type Difference, differences } from './body.ts'
import type { Content, Moment, MomentOf } from './moment.ts'
import type { PageBody, PageData, PageNote, PageOperation, Range } from './page-data.ts'
import { type Direction, directions } from './step.ts'
import { names } from './words.ts'

/** Most characters of one body that a page holds. */
const MAX_CHARS = 2 * 1024 * 1024
/** Most bytes of a body that a page also holds as they came. */
const MAX_RAW = 64 * 1024

type Making = Omit<PageOperation, 'bodies' | 'parent'> & {
  readonly approvals: PageOperation['approvals'][number][]
  readonly gaps: PageOperation['gaps'][number][]
  readonly kept: Map<Direction, Kept>
  readonly contents: Map<Direction, Exclude<Content, { readonly bytes: Buffer }>>
}
type Kept = { readonly body: Body; readonly raw: Uint8Array[] }

/** Gathers a session for its page. Unlike the terminal it holds the whole session. */
export async function buildPageData(
  session: string,
  masked: boolean,
  moments: AsyncIterable<Moment>,
  made_ms: number,
): Promise<PageData> {
  const operations = new Map<string, Making>()
  const notes: PageNote[] = []
  const leaves = new Map<number, string>()
  const stops: PageData['stops'][number][] = []
  const streamed = new Set<string>()

  for await (const moment of moments) {
    if (moment.operation_id !== undefined) leaves.set(moment.index, moment.operation_id)
    take(moment)
    const what = stopOf(moment)
    if (what !== undefined) stops.push({ at_ms: moment.at_ms, index: moment.index, what })
  }
  return finish()

  function take(moment: Moment): void {
    const { at_ms, index } = moment
    switch (moment.kind) {
      case 'began':
        return began(moment)
      case 'decided': {
        const { forwarded, kind: _kind, operation_id: _id, ...decided } = moment
        change(moment, { decided })
        if (forwarded) content(moment, 'forwarded', forwarded)
        return
      }
      case 'piece':
        return keep(of(moment), moment.direction, at_ms, moment.bytes)
      case 'outcome': {
        const { kind: _kind, operation_id: _id, ...outcome } = moment
        const incomplete = of(moment).incomplete || moment.truncated.length > 0
        return change(moment, { outcome, incomplete })
      }
      case 'approval':
        of(moment).approvals.push(moment)
        return
      case 'gap':
        if (moment.operation_id === undefined)
          notes.push({ at_ms, index, text: moment.text, gap: true })
        else {
          of(moment).gaps.push({ at_ms, index, text: moment.text })
          change(moment, { incomplete: true })
        }
        return
      case 'noted':
        notes.push({ at_ms, index, text: moment.text, gap: false })
        return
      default:
        moment satisfies never
    }
  }

  function began(moment: MomentOf<'began'>): void {
    const { operation, sent } = moment
    const { subject, session_label, parent_id } = operation
    const what =
      operation.method === undefined
        ? operation.resource
        : `${operation.method} ${operation.target ?? ''}`
    change(moment, {
      at_ms: Math.min(of(moment).at_ms, moment.at_ms),
      index: moment.index,
      action: operation.action,
      connection: operation.connection,
      what,
      resource: operation.resource,
      headers: operation.headers,
      tool_call: operation.tool_call,
      ...(parent_id !== undefined && { parent_id }),
      ...(subject && { who: `${subject.type} ${subject.id}` }),
      ...(session_label !== undefined && { label: session_label }),
    })
    content(moment, 'sent', sent)
  }

  function content(moment: Moment, direction: Direction, what: Content): void {
    const made = of(moment)
    if ('bytes' in what) keep(made, direction, moment.at_ms, what.bytes)
    else made.contents.set(direction, what)
  }

  function keep(made: Making, direction: Direction, at_ms: number, bytes: Buffer): void {
    let kept = made.kept.get(direction)
    if (!kept) {
      kept = { body: createBody(MAX_CHARS), raw: [] }
      made.kept.set(direction, kept)
    }
    kept.body.push(at_ms, bytes)
    if (kept.body.size() <= MAX_RAW) kept.raw.push(bytes)
  }

  /** An operation is made where it is first heard of: an approval comes before what it is for. */
  function of({ operation_id = '', at_ms, index }: Moment): Making {
    const known = operations.get(operation_id)
    if (known) return known
    const made: Making = {
      id: operation_id,
      at_ms,
      index,
      action: 'unknown',
      connection: 'unknown',
      what: '',
      resource: '',
      headers: [],
      tool_call: false,
      incomplete: false,
      approvals: [],
      gaps: [],
      kept: new Map(),
      contents: new Map(),
      ended_ms: at_ms,
    }
    operations.set(operation_id, made)
    return made
  }

  function change(moment: Moment, changes: Partial<Making>): void {
    const made = of(moment)
    const ended_ms = Math.max(made.ended_ms, moment.at_ms)
    operations.set(made.id, { ...made, ended_ms, ...changes })
  }

  function stopOf(moment: Moment): string | undefined {
    const { kind } = moment
    if (kind === 'piece') {
      const stream = `${moment.direction} ${moment.operation_id ?? ''}`
      if (streamed.has(stream)) return undefined
      streamed.add(stream)
      return `begin of what ${names[moment.direction]}`
    }
    if (kind === 'began') return `${moment.operation.action}: what the agent sent`
    if (kind === 'decided') return `decision: ${moment.effect}`
    if (kind === 'outcome') return `end: ${moment.result}`
    if (kind === 'approval') return `approval ${moment.event}`
    return moment.text
  }

  function finish(): PageData {
    const texts = createTexts()
    const all = [...operations.values()].toSorted((a, b) => a.at_ms - b.at_ms || a.index - b.index)
    const places = new Map(all.map(({ id }, at) => [id, at]))
    return {
      session,
      masked,
      made_ms,
      operations: all.map((made) => {
        const { kept: _kept, contents: _contents, ...operation } = made
        const parent = places.get(made.parent_id ?? '')
        const bodies = bodiesOf(made, texts.at)
        return { ...operation, ...(parent !== undefined && { parent }), bodies }
      }),
      notes,
      stops,
      leaves: [...leaves].flatMap(([index, id]) => {
        const place = places.get(id)
        return place === undefined ? [] : [[index, place] as const]
      }),
      texts: texts.all,
    }
  }
}

function createTexts(): { readonly all: readonly string[]; readonly at: (text: string) => number } {
  const all: string[] = []
  const places = new Map<string, number>()
  return {
    all,
    at(text) {
      const known = places.get(text)
      if (known !== undefined) return known
      places.set(text, all.length)
      return all.push(text) - 1
    },
  }
}

function bodiesOf(made: Making, textAt: (text: string) => number): PageOperation['bodies'] {
  for (const { body } of made.kept.values()) body.end()
  const marks = new Map([
    ...marksOf(made, 'sent', 'forwarded'),
    ...marksOf(made, 'received', 'delivered'),
  ])
  const [sent, forwarded, received, delivered] = directions.map((direction): PageBody => {
    const kept = made.kept.get(direction)
    if (!kept) {
      const content = made.contents.get(direction)
      if (!content) return { state: 'none' }
      return 'same' in content ? { state: 'same' } : { state: 'absent', why: content.absent }
    }
    const parts = kept.body.parts().map(({ part, text, growth }) => {
      const { key, ...shown } = part
      const ranges = marks.get(markKey(direction, key)) ?? []
      return { ...shown, text: textAt(text), growth, marks: ranges }
    })
    const raw = rawOf(kept, parts.length === 1 ? kept.body.parts()[0]?.text : undefined)
    return {
      state: 'kept',
      bytes: kept.body.size(),
      parts,
      cut: kept.body.isCut(),
      ...(raw !== undefined && { raw: textAt(raw) }),
    }
  })
  const none: PageBody = { state: 'none' }
  return {
    sent: sent ?? none,
    forwarded: forwarded ?? none,
    received: received ?? none,
    delivered: delivered ?? none,
  }
}

/** @returns `undefined` when it is too long, no text, or says nothing that the parts do not. */
function rawOf({ body, raw }: Kept, only: string | undefined): string | undefined {
  if (body.size() > MAX_RAW) return undefined
  const bytes = Buffer.concat(raw)
  const text = bytes.toString('utf8')
  return text === only || !Buffer.from(text).equals(bytes) ? undefined : text
}

const markKey = (direction: Direction, key: string): string => `${direction}\0${key}`

/** Which characters only one of two bodies has. A counterpart that is not on record proves no difference. */
function marksOf(
  { kept }: Making,
  before: Direction,
  after: Direction,
): readonly (readonly [string, readonly Range[]])[] {
  const [one, other] = [kept.get(before)?.body, kept.get(after)?.body]
  if (!one || !other || one.isCut() || other.isCut()) return []
  return differences(one.parts(), other.parts()).flatMap(({ part, hunks }) =>
    [
      [markKey(before, part.key), ranges(hunks, 'gone')] as const,
      [markKey(after, part.key), ranges(hunks, 'came')] as const,
    ].filter(([, found]) => found.length > 0),
  )
}

function ranges(hunks: Difference['hunks'], side: 'gone' | 'came'): readonly Range[] {
  const found: Range[] = []
  let at = 0
  for (const hunk of hunks) {
    const text = 'same' in hunk ? hunk.same : hunk[side]
    if (!('same' in hunk) && text !== '') found.push([at, at + text.length])
    at += text.length
  }
  return found
}
