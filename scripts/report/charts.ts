import type { Cell, Figure, Period, Report } from '../../pdp/store/report/figure.ts'
import { grouped, utc } from './cells.ts'
import { type Html, html, NOTHING } from './html.ts'

/** Bars over figures, drawn in SVG: they need no script, and are lines on paper. */

const DAY_MS = 86_400_000
/** Most bars of one chart; a longer time has its table alone. */
const MAX_DAYS = 400
const MAX_CONNECTIONS = 12
const MAX_POINTS = 20

export function figureNamed(report: Report, name: string): Figure | undefined {
  return report.sections.flatMap(({ figures }) => figures).find((one) => one.name === name)
}

type Row = Readonly<Record<string, Cell>>

export function namedRows(report: Report, name: string): readonly Row[] {
  const figure = figureNamed(report, name)
  if (!figure) return []
  return figure.rows.map((row) =>
    Object.fromEntries(figure.columns.map((column, at) => [column.name, row[at] ?? null])),
  )
}

const numberOf = (row: Row | undefined, name: string): number => {
  const value = row?.[name]
  return typeof value === 'number' ? value : 0
}

const textOf = (row: Row, name: string): string => {
  const value = row[name]
  return typeof value === 'string' ? value : '(unknown)'
}

export function charts(report: Report): Html {
  return html`${denialsByDay(report)}${byConnection(report)}${silences(report)}`
}

const chart = (title: string, drawing: Html, legend: Html = NOTHING): Html =>
  html`<figure class="chart">
    <figcaption>${title} ${legend}</figcaption>
    ${drawing}
  </figure>`

function denialsByDay(report: Report): Html {
  const { from_ms, to_ms } = report.period
  const first = Math.floor(from_ms / DAY_MS)
  const count = Math.ceil(to_ms / DAY_MS) - first
  if (count < 1 || count > MAX_DAYS) return NOTHING
  const byDay = new Map(namedRows(report, 'days').map((row) => [textOf(row, 'day'), row]))
  const days = Array.from({ length: count }, (_, at) => {
    const day = utc((first + at) * DAY_MS).slice(0, 10)
    const row = byDay.get(day)
    return { day, denied: numberOf(row, 'denied'), refused: numberOf(row, 'refused') }
  })
  const most = Math.max(1, ...days.map(({ denied, refused }) => Math.max(denied, refused)))
  const [width, height, base] = [720, 150, 124]
  const step = width / count
  const bar = (at: number, value: number, kind: string): Html => {
    const tall = (value / most) * (base - 16)
    // What is little and not nothing is seen.
    const seen = value > 0 ? Math.max(tall, 1.5) : 0
    const thick = Math.max(step * 0.72, 0.8)
    return html`<rect
      class="${kind}"
      x="${(at * step + (step - thick) / 2).toFixed(2)}"
      y="${(base - seen).toFixed(2)}"
      width="${thick.toFixed(2)}"
      height="${seen.toFixed(2)}"
    />`
  }
  const every = Math.ceil(count / 8)
  const bars = days.map(
    ({ day, denied, refused }, at) =>
      html`<g
        ><title>${`${day}: ${refused} refused, ${denied} of them denied by policy`}</title
        >${bar(at, refused, 'refused')}${bar(at, Math.min(denied, refused), 'denied')}</g
      >`,
  )
  const labels = days.flatMap(({ day }, at) =>
    at % every === 0
      ? [
          html`<text x="${(at * step + step / 2).toFixed(2)}" y="142" class="tick"
            >${day.slice(5)}</text
          >`,
        ]
      : [],
  )
  return chart(
    'Refused operations by day (UTC)',
    html`<svg viewBox="-20 0 760 ${height}" role="img" aria-label="Refused operations by day">
      <line x1="0" x2="${width}" y1="${base}" y2="${base}" class="axis" />
      <line x1="0" x2="${width}" y1="16" y2="16" class="grid" />
      <text x="0" y="11" class="most">${grouped(most)}</text>
      ${bars}${labels}
    </svg>`,
    html`<span class="key denied">denied by policy</span>
      <span class="key refused">for another reason</span>`,
  )
}

function byConnection(report: Report): Html {
  const rows = namedRows(report, 'connections').slice(0, MAX_CONNECTIONS)
  if (rows.length === 0) return NOTHING
  const most = Math.max(1, ...rows.map((row) => numberOf(row, 'operations')))
  const [left, room, line] = [170, 470, 24]
  const bars = rows.map((row, at) => {
    const passed = ((numberOf(row, 'operations') - numberOf(row, 'refused')) / most) * room
    const refused = (numberOf(row, 'refused') / most) * room
    const name = textOf(row, 'connection')
    const y = at * line + 4
    return html`<g
      ><title>${name}</title
      ><text x="${left - 8}" y="${y + 13}" class="name">${shortened(name)}</text
      ><rect class="passed" x="${left}" y="${y}" width="${passed.toFixed(2)}" height="16" /><rect
        class="refused"
        x="${(left + passed).toFixed(2)}"
        y="${y}"
        width="${refused.toFixed(2)}"
        height="16"
      /><text x="${(left + passed + refused + 6).toFixed(2)}" y="${y + 13}" class="value"
        >${grouped(numberOf(row, 'operations'))}</text
      ></g
    >`
  })
  return chart(
    'Operations by connection',
    html`<svg
      viewBox="0 0 720 ${rows.length * line + 4}"
      role="img"
      aria-label="Operations by connection"
    >
      ${bars}
    </svg>`,
    html`<span class="key passed">forwarded or released</span>
      <span class="key refused">refused</span>`,
  )
}

function silences(report: Report): Html {
  const gaps = namedRows(report, 'gaps')
  const names = [...new Set(gaps.map((row) => textOf(row, 'enforcement_point')))]
  if (names.length === 0) return NOTHING
  const shownNames = names.sort().slice(0, MAX_POINTS)
  const [left, room, line] = [170, 540, 24]
  const at = placeIn(report.period, room)
  const lines = shownNames.map((name, index) => {
    const y = index * line + 4
    const spans = gaps
      .filter((row) => textOf(row, 'enforcement_point') === name)
      .map((row) => {
        const from = at(numberOf(row, 'since_ms'))
        const until = row['until_ms'] === null ? room : at(numberOf(row, 'until_ms'))
        const kind = row['ended_in_order'] === true ? 'stopped' : 'silent'
        return html`<rect
          class="${kind}"
          x="${(left + from).toFixed(2)}"
          y="${y}"
          width="${Math.max(until - from, 1).toFixed(2)}"
          height="16"
        />`
      })
    return html`<g
      ><title>${name}</title
      ><text x="${left - 8}" y="${y + 13}" class="name">${shortened(name)}</text
      ><rect class="there" x="${left}" y="${y}" width="${room}" height="16" />${spans}</g
    >`
  })
  return chart(
    'Times without a recorder',
    html`<svg
      viewBox="0 0 720 ${shownNames.length * line + 4}"
      role="img"
      aria-label="Times without a recorder"
    >
      ${lines}
    </svg>`,
    html`<span class="key silent">silent</span> <span class="key stopped">stopped in order</span>`,
  )
}

/** Where a time is, of 0 to `room`. */
const placeIn =
  ({ from_ms, to_ms }: Period, room: number) =>
  (ms: number): number =>
    (Math.min(Math.max(ms - from_ms, 0), to_ms - from_ms) / (to_ms - from_ms)) * room

const shortened = (name: string): string => (name.length > 22 ? `${name.slice(0, 21)}…` : name)
