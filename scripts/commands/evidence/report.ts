import { join } from 'node:path'
import { Command } from 'commander'
import type { Report } from '../../../pdp/store/report/figure.ts'
import { writePrivate } from '../../private-file.ts'
import { grouped, utc } from '../../report/cells.ts'
import { reportFiles } from '../../report/csv.ts'
import { reportPage } from '../../report/page.ts'
import { readPeriod } from '../../report/period.ts'
import { CommandError, exitHelp, paint, print, table } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

/** Longest that a report is waited for: the service gives up before. */
const REPORT_MS = 400_000

type Options = {
  readonly pdp: string
  readonly from?: string
  readonly to?: string
  readonly html?: string
  readonly csv?: string
  readonly json?: boolean
}

/** `countersign evidence report`. */
export function reportCommand(): Command {
  return new Command('report')
    .description('figures of the log over a time, each with the query behind it')
    .option('--from <day>', 'first day in UTC, or an ISO time (default: 30 days before the end)')
    .option('--to <day>', 'last day in UTC, whole, or an ISO time (default: now)')
    .option('--html <file>', 'write one page to read or print; - prints it')
    .option('--csv <folder>', 'write a CSV file a figure, and queries.sql')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign evidence report --from 2026-11-01 --to 2026-11-30 --html report.html${exitHelp}`,
    )
    .action(report)
}

async function report({ pdp, from, to, html, csv, json }: Options): Promise<void> {
  if (html === '-' && json) throw new CommandError('usage', 'print the page or JSON, not both')
  const period = readPeriod(from, to, Date.now())
  if (!period.ok) throw new CommandError('usage', period.error)
  const { from_ms, to_ms } = period.value
  const path = `/v1/evidence/report?from_ms=${from_ms}&to_ms=${to_ms}`
  const made = await callPdp<Report>(pdp, 'GET', path, undefined, REPORT_MS)
  const written: string[] = []
  if (csv !== undefined) {
    for (const [name, text] of reportFiles(made)) await writePrivate(join(csv, name), text)
    written.push(csv)
  }
  if (html === '-') {
    process.stdout.write(reportPage(made))
    return
  }
  if (html !== undefined) {
    await writePrivate(html, reportPage(made))
    written.push(html)
  }
  print(json, made, () => [overview(made), ...written.map((one) => `Written: ${one}`)].join('\n'))
}

function overview({ period, log, sections }: Report): string {
  const head = `${utc(period.from_ms)} to ${utc(period.to_ms)} UTC, of a log of ${grouped(log.size)} leaves`
  const rows = sections.flatMap(({ figures }) =>
    figures.map(({ title, rows: all, truncated }) => [
      title,
      `${grouped(all.length)}${truncated ? ' and more' : ''}`,
    ]),
  )
  return `${paint('bold', head)}\n\n${table(['FIGURE', 'ROWS'], rows)}\n`
}
