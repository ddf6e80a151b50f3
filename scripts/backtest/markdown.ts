import { CHANGE_KINDS } from '../../pdp/decide/change.ts'
import { ownDuties } from './duties.ts'
import { cell, codeCell, kindCell } from '../markdown.ts'
import { createMasker, type Masker } from '../view/masker.ts'
import { maskTarget } from '../view/target.ts'
import { changesIn, type Example, isDefective, type Report, type Said } from './report.ts'

/** Most characters: a comment on GitHub may have 65,536, and others write into it as well. */
const MOST_LENGTH = 50_000
/** Most characters of one name. */
const MOST_NAME = 120
const MOST_RULES = 40
const MOST_SUBJECTS = 20
const MOST_DEFECTS = 10

/**
 * For a pull request, where others read it than who may read recorded decisions: bounded, with values masked in what was
 * asked for, and nothing that agents or upstreams named is markup in it.
 */
export function markdown(report: Report): string {
  const out = createBounded(MOST_LENGTH)
  const masker = createMasker([], [])
  out.add([headline(report), '', ...summary(report)])
  out.table(
    '| | decisions | from | to | such as |\n| --- | --- | --- | --- | --- |',
    report.by_rule.length + report.left_out.rules,
    report.by_rule
      .slice(0, MOST_RULES)
      .map(
        ({ kind, count, from, to, examples }) =>
          `| ${kindCell(kind)} | ${count} | ${said(from, to)} | ${said(to, from)} | ${such(masker, examples)} |`,
      ),
  )
  out.table(
    '| | decisions | subject | from | to |\n| --- | --- | --- | --- | --- |',
    report.by_subject.length + report.left_out.subjects,
    report.by_subject
      .slice(0, MOST_SUBJECTS)
      .map(
        ({ kind, count, subject, from, to }) =>
          `| ${kindCell(kind)} | ${count} | ${name(subject.id)} ${cell(subject.type)} of ${name(subject.issuer)} | ${from} | ${to} |`,
      ),
  )
  out.table(
    '| defect | recorded | evaluated | why |\n| --- | --- | --- | --- |',
    report.defects,
    report.defect_examples
      .slice(0, MOST_DEFECTS)
      .map(
        ({ decision_id, recorded, evaluated, why }) =>
          `| ${name(decision_id)} | ${said(recorded, evaluated)} | ${evaluated ? said(evaluated, recorded) : ''} | ${cell(why)} |`,
      ),
  )
  out.table(
    '| not compared | decisions | such as |\n| --- | --- | --- |',
    report.undecidable.length,
    report.undecidable.map(
      ({ message, count, examples }) =>
        `| ${cell(message)} | ${count} | ${such(masker, examples)} |`,
    ),
  )
  if (report.by_rule.length > 0 || report.defects > 0)
    out.add(['', 'Why one was made: `countersign policy explain <id>`.'])
  return `${out.text()}\n`
}

function headline(report: Report): string {
  const changes = changesIn(report)
  const compared = changes + report.unchanged
  const what =
    changes === 0
      ? `none of ${compared} recorded decisions changes`
      : `${changes} of ${compared} recorded decisions change`
  return `**Policy on recorded traffic:** ${what}.${isDefective(report) ? ' ⚠️ **The record has defects.**' : ''}`
}

/** Every decision is in one of these lines. */
function summary(report: Report): string[] {
  const line = (count: number, text: string): string[] => (count > 0 ? [`- ${count} ${text}`] : [])
  const undecidable = report.undecidable.reduce((sum, { count }) => sum + count, 0)
  const { changed } = report
  return [
    ...CHANGE_KINDS.flatMap((kind) => line(changed[kind], kindCell(kind))),
    ...line(report.unchanged, 'unchanged'),
    ...line(report.defects, 'are not what their own revision says'),
    ...line(undecidable, 'cannot be told, and are compared with nothing'),
    ...Object.entries(report.not_policy).flatMap(([rule, count]) =>
      line(count, `failures of the decision service (${name(rule)})`),
    ),
    ...report.unavailable
      .slice(0, MOST_DEFECTS)
      .flatMap(({ revision, why, count }) =>
        line(
          count,
          `of revision ${name(revision.slice(0, 16))}, which cannot be asked: ${name(why)}`,
        ),
      ),
  ]
}

function said(one: Said, other: Said | undefined): string {
  const duties = ownDuties(one, other)
  const rules = name(one.rules.join(', ') || 'no rule')
  return `${one.effect} (${rules})${duties === '' ? '' : ` with ${name(duties)}`}`
}

const such = (masker: Masker, examples: readonly Example[]): string =>
  examples
    .map(({ decision_id, action, connection, resource }) =>
      name(`${decision_id} ${action} ${connection} ${shownBy(masker, resource)}`),
    )
    .join('<br>')

const shownBy = (masker: Masker, resource: string): string =>
  resource.startsWith('/') ? maskTarget(masker, resource) : masker.text(resource)

const name = (text: string): string =>
  codeCell(text.length > MOST_NAME ? `${text.slice(0, MOST_NAME)}…` : text)

/** Text that stops growing at a bound, and says what is left out. */
function createBounded(most: number): {
  readonly add: (lines: readonly string[]) => void
  /** @param total rows that there are, shown or not. */
  readonly table: (head: string, total: number, rows: readonly string[]) => void
  readonly text: () => string
} {
  const lines: string[] = []
  let length = 0
  const add = (more: readonly string[]): void => {
    for (const line of more) {
      lines.push(line)
      length += line.length + 1
    }
  }
  return {
    add,
    table(head, total, rows) {
      if (total === 0) return
      add(['', head])
      let shown = 0
      for (const row of rows) {
        if (length + row.length > most) break
        add([row])
        shown += 1
      }
      if (shown < total) add(['', `… and ${total - shown} more.`])
    },
    text: () => lines.join('\n'),
  }
}
