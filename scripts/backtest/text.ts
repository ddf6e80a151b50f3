import { ownDuties } from './duties.ts'
import { changesIn, type Example, type Report, type RuleGroup, type Said } from './report.ts'
import { clock, paint, shown } from '../commands/output.ts'

/** Most groups of a kind; `--json` has all of them. */
const MOST_SHOWN = 50

/** For a terminal. */
export function told(report: Report): string {
  const { by_rule, by_subject, defect_examples, undecidable, left_out } = report
  return [
    ...head(report),
    ...section('BY RULE', by_rule.map(ruleLines), left_out.rules),
    ...section(
      'BY SUBJECT',
      by_subject.map(({ kind, count, subject, from, to }) => [
        `${kindText(kind)} ${count} × ${shown(subject.id)} (${shown(subject.type)} of ${shown(subject.issuer)}): ${from} → ${to}`,
      ]),
      left_out.subjects,
    ),
    ...section(
      'DEFECTS: what is recorded is not what its policy says',
      defect_examples.map((one) => [
        `${paint('red', shown(one.decision_id))} ${shown(one.why)}`,
        `  recorded  ${saying(one.recorded, one.evaluated)}`,
        ...(one.evaluated ? [`  evaluated ${saying(one.evaluated, one.recorded)}`] : []),
      ]),
      report.defects - defect_examples.length,
    ),
    ...section(
      'NOT COMPARED',
      undecidable.map(({ count, message, examples }) => [
        `${count} × ${message}`,
        ...examples.map(exampleLine),
      ]),
      0,
    ),
    '',
    totals(report),
  ].join('\n')
}

function head({ candidate, live, first_ms, last_ms, decisions }: Report): string[] {
  const beside = candidate.beside.length > 0 ? ` beside ${candidate.beside.join(', ')}` : ''
  const times =
    first_ms === undefined || last_ms === undefined
      ? ''
      : `, ${clock(first_ms)} to ${clock(last_ms)}`
  return [
    `${shown(candidate.name)} (${candidate.revision.slice(0, 16)}…)${shown(beside)} against ${live === undefined ? 'nothing' : `${shown(live).slice(0, 16)}…`}`,
    `${decisions} recorded decisions${times}`,
  ]
}

function section(title: string, groups: readonly (readonly string[])[], more: number): string[] {
  if (groups.length === 0) return []
  const left = more + Math.max(0, groups.length - MOST_SHOWN)
  return [
    '',
    paint('bold', title),
    ...groups.slice(0, MOST_SHOWN).flat(),
    ...(left > 0 ? [`… and ${left} more`] : []),
  ]
}

const kindText = (kind: RuleGroup['kind']): string =>
  paint(kind === 'new allow' ? 'red' : 'yellow', kind.padEnd(12))

const ruleLines = ({ kind, count, from, to, examples }: RuleGroup): string[] => [
  `${kindText(kind)} ${count} ×`,
  `  from ${saying(from, to)}`,
  `  to   ${saying(to, from)}`,
  ...examples.map(exampleLine),
]

function saying(one: Said, other: Said | undefined): string {
  const duties = ownDuties(one, other)
  return `${one.effect} by ${shown(one.rules.join(', ')) || 'no rule'}${duties === '' ? '' : ` with ${shown(duties)}`}`
}

const exampleLine = (one: Example): string =>
  paint(
    'dim',
    `    ${clock(one.time_ms)} ${shown(`${one.subject} ${one.action} ${one.connection} ${one.resource}`)}: countersign policy explain ${shown(one.decision_id)}`,
  )

function totals(report: Report): string {
  const count = (number: number, text: string): string[] =>
    number > 0 ? [`${number} ${text}`] : []
  const undecidable = report.undecidable.reduce((sum, { count: one }) => sum + one, 0)
  const parts = [
    `${changesIn(report)} change`,
    `${report.unchanged} do not`,
    ...count(report.defects, 'defects'),
    ...count(undecidable, 'cannot be told'),
    ...Object.entries(report.not_policy).map(([rule, n]) => `${n} not policy’s (${shown(rule)})`),
    ...report.unavailable.map(
      ({ revision, why, count: n }) =>
        `${n} of revision ${shown(revision).slice(0, 16)}… (${shown(why)})`,
    ),
  ]
  return `${parts.join(', ')}. ${report.evaluations.evaluated} evaluations; ${report.evaluations.known} more were of what policy had been shown before.`
}
