import type { PageData, PageOperation } from '../page-data.ts'
import { verdictOf } from './article.ts'
import { attr, el } from './dom.ts'
import type { Spots } from './spots.ts'
import { clockText, durationText, type PlayTime } from './time.ts'

/** Operations as bars over time, each a link to what happened. */
export function timeline(
  data: PageData,
  time: PlayTime,
  spots: Spots,
): { readonly element: HTMLElement; readonly at: (play: number) => void } {
  const place = (at_ms: number): string => percent(time.toPlay(at_ms), time)
  const cursors: HTMLElement[] = []
  const rows = data.operations.map((operation) => {
    const track = el('span', 'track')
    const bar = el('span', `bar ${verdictOf(operation)}`)
    bar.style.left = place(operation.at_ms)
    bar.style.width = `calc(${percent(time.toPlay(operation.ended_ms) - time.toPlay(operation.at_ms), time)} + 4px)`
    track.append(
      bar,
      ...signs(operation).map(([sign, title, at_ms]) => {
        const element = el('span', `sign ${sign}`)
        element.title = title
        element.style.left = place(at_ms)
        return element
      }),
    )
    for (const { play, paused_ms } of time.cuts) {
      const cut = el('span', 'pause')
      cut.style.left = percent(play, time)
      cut.title = `${durationText(paused_ms)} pass, cut to 10 s`
      track.append(cut)
    }
    const cursor = el('span', 'cursor')
    cursors.push(cursor)
    track.append(cursor)
    const name = el(
      'span',
      'name',
      spots.text('bdi', '', operation.action),
      ' ',
      spots.text('bdi', 'quiet', operation.what),
    )
    if (operation.parent !== undefined) name.classList.add('child')
    const link = el('a', 'row', name, track)
    link.href = `#step-${operation.index}`
    return el('li', '', link, el('span', 'unseen', described(operation)))
  })
  const list = el('ol', 'rows', ...rows)
  const legend = el(
    'p',
    'legend',
    key('bar allowed', 'let through'),
    key('bar refused', 'refused'),
    key('bar unclear', 'cut or not ended'),
    key('sign asked', 'approval'),
    key('sign mask', 'masked'),
    key('sign gap', 'missing'),
    key('pause', 'pause, cut to 10 s'),
  )
  const element = el('nav', 'timeline', list, legend)
  attr(element, 'aria-label', 'Operations over time')
  return {
    element,
    at(play) {
      for (const cursor of cursors) cursor.style.left = percent(play, time)
    },
  }
}

const percent = (play: number, { length }: PlayTime): string =>
  `${((play / Math.max(length, 1)) * 100).toFixed(3)}%`

const key = (className: string, meaning: string): HTMLElement =>
  el('span', 'key', el('span', className), meaning)

type Sign = readonly [sign: string, title: string, at_ms: number]

function signs({ approvals, decided, outcome, gaps, at_ms }: PageOperation): readonly Sign[] {
  const masked: Sign[] = []
  if (decided && decided.masked.length > 0)
    masked.push(['mask', 'masked in the request', decided.at_ms])
  if (outcome && outcome.masked.length > 0)
    masked.push(['mask', 'masked in the reply', outcome.at_ms])
  return [
    ...approvals
      .filter(({ event }) => event !== 'consumed' && event !== 'erased')
      .map((one): Sign => [
        'asked',
        `approval ${one.event === 'voted' ? 'vote' : one.event}`,
        one.at_ms,
      ]),
    ...masked,
    ...gaps.map((gap): Sign => ['gap', 'missing', Math.max(gap.at_ms, at_ms)]),
  ]
}

/** What the bar shows, for those who do not see it. */
function described(operation: PageOperation): string {
  const { at_ms, ended_ms, approvals, gaps, outcome } = operation
  const said = { allowed: 'let through', refused: 'refused', unclear: 'cut or not ended' }
  return [
    `${clockText(at_ms)}, ${durationText(ended_ms - at_ms)}`,
    said[verdictOf(operation)],
    ...(approvals.length > 0 ? ['with approval'] : []),
    ...(outcome && outcome.masked.length > 0 ? ['masked'] : []),
    ...(gaps.length > 0 ? ['parts are missing'] : []),
  ].join(', ')
}
