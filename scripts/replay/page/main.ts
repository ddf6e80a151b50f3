import type { PageData, PageOperation } from '../page-data.ts'
import { article, note, type Timed, verdictOf } from './article.ts'
import { attr, el } from './dom.ts'
import { createPlayer, type Player } from './player.ts'
import { createSearch } from './search.ts'
import { createSpots, type Spots } from './spots.ts'
import { clockText, createPlayTime, dayText, durationText } from './time.ts'
import { timeline } from './timeline.ts'

/** Puts the page together. */
function start(data: PageData, app: HTMLElement): void {
  const spots = createSpots()
  const timed: Timed[] = []
  const time = createPlayTime(timesOf(data))
  const places = new Map(data.leaves)
  const find = (index: number): HTMLElement | null =>
    document.getElementById(`step-${index}`) ??
    document.getElementById(`step-${data.operations[places.get(index) ?? -1]?.index ?? ''}`)
  const bring = (index: number): void => {
    const element = find(index)
    for (const old of document.querySelectorAll('.here')) old.classList.remove('here')
    element?.classList.add('here')
    element?.scrollIntoView({ block: 'nearest' })
  }

  const bars = timeline(data, time, spots)
  const story = el('main', '', ...told(data, spots, timed))
  story.id = 'story'
  const player = createPlayer({ data, time, spots, timed, moved: bars.at, bring })
  const search = createSearch(spots, player.toEnd)
  const skip = el('a', 'skip', 'To what happened')
  skip.href = '#story'
  app.append(
    skip,
    head(data, spots),
    el('div', 'bar-top', player.element, search.element),
    bars.element,
    story,
    foot(data),
  )
  document.title = `Countersign replay ${data.session}`

  const follow = (): void => {
    const index = /^#step-(\d+)$/.exec(location.hash)?.[1]
    if (index === undefined) return
    const element = find(Number(index))
    if (element?.closest('.later')) player.toEnd()
    bring(Number(index))
    element?.focus({ preventScroll: true })
  }
  addEventListener('hashchange', follow)
  keys(player, search.focus)
  follow()
}

const timesOf = ({ operations, notes, stops }: PageData): number[] => [
  ...notes.map(({ at_ms }) => at_ms),
  ...stops.map(({ at_ms }) => at_ms),
  ...operations.flatMap(({ at_ms, ended_ms, bodies }) => [
    at_ms,
    ended_ms,
    ...Object.values(bodies).flatMap((body) =>
      body.state === 'kept' ? body.parts.flatMap(({ growth }) => growth.map(([at]) => at)) : [],
    ),
  ]),
]

/** Operations and what happened between them, by time; tool calls stand behind the message that they are in. */
function told(data: PageData, spots: Spots, timed: Timed[]): HTMLElement[] {
  const children = new Map<number, PageOperation[]>()
  for (const operation of data.operations) {
    if (operation.parent === undefined) continue
    const known = children.get(operation.parent)
    if (known) known.push(operation)
    else children.set(operation.parent, [operation])
  }
  const seen = new Set<PageOperation>()
  const withChildren = (operation: PageOperation, depth: number): HTMLElement[] => {
    // A record that says that two operations are parts of each other is shown once.
    if (seen.has(operation)) return []
    seen.add(operation)
    const parts = children.get(data.operations.indexOf(operation)) ?? []
    return [
      article(data, operation, depth, spots, timed),
      ...parts.flatMap((part) => withChildren(part, depth + 1)),
    ]
  }
  const tops = data.operations.filter(({ parent }) => parent === undefined)
  const items = [
    ...tops.map((operation) => ({
      at_ms: operation.at_ms,
      make: () => withChildren(operation, 0),
    })),
    ...data.notes.map((one) => ({ at_ms: one.at_ms, make: () => [note(one, spots, timed)] })),
  ].sort((a, b) => a.at_ms - b.at_ms)
  const elements = items.flatMap(({ make }) => make())
  return [...elements, ...data.operations.flatMap((operation) => withChildren(operation, 1))]
}

function head(data: PageData, spots: Spots): HTMLElement {
  const { operations, masked, session } = data
  const first = operations[0]
  const times = timesOf(data)
  const from = times.reduce((a, b) => Math.min(a, b), Infinity)
  const to = times.reduce((a, b) => Math.max(a, b), -Infinity)
  const refused = operations.filter((one) => verdictOf(one) === 'refused').length
  const approvals = new Set(
    operations.flatMap(({ approvals }) => approvals.map((one) => one.approval_id)),
  )
  const masks = operations
    .flatMap(({ decided, outcome }) => [...(decided?.masked ?? []), ...(outcome?.masked ?? [])])
    .reduce((sum, [, count]) => sum + count, 0)
  const gaps =
    operations.reduce((sum, { gaps }) => sum + gaps.length, 0) +
    data.notes.filter(({ gap }) => gap).length
  const figure = (n: number, one: string, many: string): HTMLElement =>
    el('span', 'figure', el('b', '', String(n)), ` ${n === 1 ? one : many}`)
  const title = el('h1', '', ...named(first?.label, session, spots))
  const about = el('p', 'about', spots.text('bdi', '', session))
  if (first?.who !== undefined) about.append(' · ', spots.text('bdi', '', first.who))
  if (Number.isFinite(from))
    about.append(
      ` · ${dayText(from)} ${clockText(from).slice(0, 8)} UTC, ${durationText(to - from)}`,
    )
  return el(
    'header',
    'head',
    el('p', 'brand', 'Countersign replay'),
    title,
    about,
    el(
      'p',
      'figures',
      figure(operations.length, 'operation', 'operations'),
      figure(refused, 'refused', 'refused'),
      figure(approvals.size, 'approval', 'approvals'),
      figure(masks, 'value masked', 'values masked'),
      figure(gaps, 'gap', 'gaps'),
    ),
    masked
      ? el(
          'p',
          'view',
          'Values are masked in this copy: what looks the same here may differ on record.',
        )
      : el(
          'p',
          'view raw',
          'Raw copy: it holds what masks hide from others. Handle it accordingly.',
        ),
  )
}

const named = (label: string | undefined, session: string, spots: Spots): (Node | string)[] =>
  label === undefined
    ? ['Session ', spots.text('bdi', '', session)]
    : ['Session “', spots.text('bdi', '', label), '”']

function foot({ made_ms }: PageData): HTMLElement {
  return el(
    'footer',
    '',
    el('p', '', 'Keys: space plays and pauses, ← → step, Home End, + − speed, / searches.'),
    el(
      'p',
      '',
      `Made ${dayText(made_ms)} ${clockText(made_ms).slice(0, 8)} UTC from the record. This page proves nothing by itself: `,
      el('code', '', 'countersign evidence verify'),
      ' does.',
    ),
  )
}

function keys(player: Player, search: () => void): void {
  const pressed: ReadonlyMap<string, () => void> = new Map([
    [' ', player.toggle],
    ['ArrowRight', () => player.step(1)],
    ['ArrowLeft', () => player.step(-1)],
    ['Home', player.toBegin],
    ['End', player.toEnd],
    ['+', () => player.faster(1)],
    ['-', () => player.faster(-1)],
    ['/', search],
  ])
  addEventListener('keydown', (event) => {
    const { target, key } = event
    // Keys belong to what has the focus, where that uses them.
    const uses =
      target instanceof Element && target.closest('input, select, textarea, summary, button, a')
    if (event.ctrlKey || event.metaKey || event.altKey || (uses && key !== '/')) return
    if (uses instanceof HTMLInputElement && uses.type === 'search') return
    const act = pressed.get(key)
    if (!act) return
    event.preventDefault()
    act()
  })
}

const app = document.getElementById('app')
const block = document.getElementById('data')
if (app && block) {
  try {
    start(JSON.parse(block.textContent) as PageData, app)
  } catch (error) {
    // Half a session would look like a whole one.
    app.replaceChildren(
      attr(el('p', 'warn', `This page is damaged: ${String(error)}`), 'role', 'alert'),
    )
  }
}
