import { paint, shown, table } from '../commands/output.ts'
import { type FirstByte, median } from './first-byte.ts'
import type { Judged } from './run.ts'

/** All cases of one kind of secret in one place. */
export type Row = {
  readonly kind: string
  readonly place: string
  readonly cases: number
  readonly leaked: number
  /** The first leaking case in the order of the suite. */
  readonly first_leak: { readonly id: string; readonly says: string; readonly seen: string } | null
  readonly broken: number
  readonly altered: number
  readonly refused: number
  readonly cut: number
  /** Median with several streams at once; `first_byte` of the report has the one that compares. */
  readonly first_byte_ms: number | null
}

export type Report = {
  readonly target: string
  readonly seconds: number
  readonly cases: number
  readonly leaked: number
  readonly broken: number
  readonly altered: number
  readonly refused: number
  readonly cut: number
  /** Control cases, and how many of them came back byte by byte. */
  readonly controls: number
  readonly identical: number
  readonly first_byte: readonly FirstByte[]
  readonly rows: readonly Row[]
  /** Every case in which something is wrong. */
  readonly findings: readonly Finding[]
}

export type Finding = {
  readonly id: string
  readonly says: string
  readonly leaked?: string
  readonly broken?: string
  readonly altered?: string
}

export function reportOf(
  target: string,
  judged: readonly Judged[],
  first_byte: readonly FirstByte[],
  seconds: number,
): Report {
  const groups = Map.groupBy(judged, ({ case: one }) => `${one.kind} ${one.place}`)
  const controls = judged.filter(({ case: one }) => !one.secret)
  return {
    target,
    seconds: rounded(seconds),
    ...counts(judged),
    controls: controls.length,
    identical: controls.filter(({ verdict }) => verdict.identical).length,
    first_byte: first_byte.map(({ place, ...times }) => ({
      place,
      direct_ms: rounded(times.direct_ms),
      through_ms: rounded(times.through_ms),
      added_ms: rounded(times.added_ms),
    })),
    rows: [...groups.values()].map(rowOf),
    findings: judged.flatMap(findingOf),
  }
}

function counts(judged: readonly Judged[]): Pick<Report, 'cases' | Counted> {
  const count = (holds: (one: Judged['verdict']) => boolean): number =>
    judged.filter(({ verdict }) => holds(verdict)).length
  return {
    cases: judged.length,
    leaked: count(({ leaked }) => leaked !== undefined),
    broken: count(({ broken }) => broken !== undefined),
    altered: count(({ altered }) => altered !== undefined),
    refused: count(({ refused }) => refused),
    cut: count(({ cut }) => cut),
  }
}

type Counted = 'leaked' | 'broken' | 'altered' | 'refused' | 'cut'

function rowOf(judged: readonly Judged[]): Row {
  const leak = judged.find(({ verdict }) => verdict.leaked !== undefined)
  const first = median(judged.flatMap(({ verdict }) => verdict.first_ms ?? []))
  return {
    kind: judged[0]?.case.kind ?? '',
    place: judged[0]?.case.place ?? '',
    ...counts(judged),
    first_leak: leak
      ? { id: leak.case.id, says: leak.case.says, seen: leak.verdict.leaked ?? '' }
      : null,
    first_byte_ms: first === undefined ? null : rounded(first),
  }
}

function findingOf({ case: { id, says }, verdict }: Judged): Finding[] {
  const { leaked, broken, altered } = verdict
  if (leaked === undefined && broken === undefined && altered === undefined) return []
  return [
    {
      id,
      says,
      ...(leaked !== undefined && { leaked }),
      ...(broken !== undefined && { broken }),
      ...(altered !== undefined && { altered }),
    },
  ]
}

const rounded = (value: number): number => Number(value.toFixed(2))

const MOST_FINDINGS = 20

/** For people. */
export function reportText(report: Report): string {
  const wrong = report.findings.filter(({ broken, altered }) => broken ?? altered)
  return [
    table(
      [
        'kind',
        'place',
        'cases',
        'leaked',
        'broken',
        'altered',
        'refused',
        'cut',
        'first byte',
        'first leak',
      ],
      report.rows.map(cells),
    ),
    '',
    ...wrong.slice(0, MOST_FINDINGS).map(wrongText),
    ...(wrong.length > MOST_FINDINGS
      ? [`… and ${wrong.length - MOST_FINDINGS} more: --json has them all`]
      : []),
    ...(wrong.length > 0 ? [''] : []),
    ...report.first_byte.map(firstByteText),
    summary(report),
  ].join('\n')
}

const cells = (row: Row): string[] => [
  row.kind,
  row.place,
  ...[row.cases, row.leaked, row.broken, row.altered, row.refused, row.cut].map(String),
  row.first_byte_ms === null ? '–' : `${row.first_byte_ms.toFixed(1)} ms`,
  row.first_leak ? `leaked at ${row.first_leak.says}, in ${row.first_leak.seen}` : '',
]

const wrongText = ({ id, broken, altered }: Finding): string =>
  broken === undefined
    ? `ALTERED ${id}: ${shown(altered ?? '')}`
    : `BROKEN  ${id}: ${shown(broken)}`

const firstByteText = ({ place, direct_ms, through_ms, added_ms }: FirstByte): string =>
  `first byte of ${place}: ${through_ms} ms through the gateway, ${direct_ms} ms directly: ` +
  `${added_ms} ms added`

function summary(report: Report): string {
  const { cases, leaked, broken, altered, refused, cut, controls, identical, seconds } = report
  const text =
    `${cases} cases in ${seconds.toFixed(0)} s: ${leaked} leaked, ${broken} broken, ` +
    `${altered} altered, ${refused} refused, ${cut} cut; ` +
    `${identical} of ${controls} controls came back byte by byte`
  return paint(leaked > 0 ? 'red' : broken + altered > 0 ? 'yellow' : 'green', text)
}
