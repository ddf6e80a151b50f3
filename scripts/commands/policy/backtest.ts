import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import type { BundleContents } from '../../../pdp/bundle/bundle.ts'
import { backtest, type BacktestOptions } from '../../backtest/backtest.ts'
import { markdown } from '../../backtest/markdown.ts'
import { fileSource } from '../../backtest/read.ts'
import { changesIn, isDefective, type Report } from '../../backtest/report.ts'
import { told } from '../../backtest/text.ts'
import { contentsOf } from '../../policy-sources.ts'
import { CommandError, exitHelp, print } from '../output.ts'
import { pdpOption, streamPdp } from '../pdp-api.ts'
import { sinceMs } from '../since.ts'
import { failOn, type FailOn, failOnOption, progress } from './comparing.ts'

type Options = {
  readonly since?: string
  readonly session?: string
  readonly from?: string
  readonly bodies?: boolean
  readonly examples: string
  readonly failOn: FailOn
  readonly pdp: string
  readonly json?: boolean
  readonly markdown?: boolean
  readonly reason?: string
}

/** What the log says when nobody says more; policy decides who may have decisions. */
const REASON = 'policy backtest'

/** Without a time of its own, and asked of the decision service. */
const SINCE = '7d'

export function backtestCommand(): Command {
  return new Command('backtest')
    .argument('<candidate>', 'a bundle (….tar.gz), a folder of sources, or git:<revision>')
    .description('recorded decisions that a candidate policy would have made differently')
    .option('--since <time>', `7d, 12h, 30m, or a date (default: ${SINCE}; with --from: all)`)
    .option('--session <id>', 'of this session alone')
    .option(
      '--from <file>',
      'decisions exported before (JSON lines, gzip or not), without a service',
    )
    .option('--bodies', 'fetch recorded bodies too, to make facts that were not recorded')
    .option('--reason <text>', 'why, for the record (default: policy backtest)')
    .option('--examples <n>', 'most examples of each group', '3')
    .addOption(failOnOption())
    .addOption(pdpOption())
    .option('--markdown', 'for a pull request')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Each decision is evaluated under its own revision, which must give the recorded answer, and under the candidate, which is
compared with what is live. Any defect of the record exits with 1, whatever --fail-on says.

Examples:
  npx countersign policy backtest rego --since 7d
  npx countersign policy backtest git:HEAD --from decisions.jsonl.gz --markdown --fail-on new-allow
  npx countersign policy backtest bundles/default.tar.gz --session 3f0c… --examples 10${exitHelp}`,
    )
    .action(run)
}

async function run(what: string, options: Options): Promise<void> {
  const examples = Number(options.examples)
  if (!Number.isInteger(examples) || examples < 0 || examples > 1000)
    throw new CommandError('usage', '--examples is a number from 0 to 1000')
  const since_ms = sinceMs(
    options.since ?? (options.from === undefined ? SINCE : undefined),
    Date.now(),
  )
  const settings = {
    candidate: await candidateOf(what),
    examples,
    onProgress: progress,
    ...(since_ms !== undefined && { since_ms }),
    ...(options.session !== undefined && { session: options.session }),
  }
  const report =
    options.from === undefined
      ? await fetched(options, settings)
      : await tested(options.from, settings)
  if (options.markdown === true) process.stdout.write(markdown(report))
  else print(options.json, report, () => told(report))
  judge(report, options.failOn)
}

async function candidateOf(what: string): Promise<BundleContents> {
  try {
    return await contentsOf(what)
  } catch (cause) {
    throw new CommandError('usage', cause instanceof Error ? cause.message : String(cause), {
      cause,
    })
  }
}

async function tested(path: string, settings: BacktestOptions): Promise<Report> {
  const found = await backtest(fileSource(path), settings)
  if (found.ok) return found.value
  throw new CommandError('failed', found.error.message, { cause: found.error })
}

/** Decisions are read twice, so they are laid down in a folder that nobody else may look into, and is gone afterwards. */
async function fetched(options: Options, settings: BacktestOptions): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-backtest-'))
  try {
    const path = join(folder, 'decisions.jsonl')
    const { since_ms, session } = settings
    const stream = await streamPdp(options.pdp, '/v1/evidence/decisions', 'application/x-ndjson', {
      ...(since_ms !== undefined && { since_ms }),
      ...(session !== undefined && { session }),
      bodies: options.bodies === true,
      reason: options.reason ?? REASON,
    })
    try {
      await pipeline(Readable.fromWeb(stream), createWriteStream(path, { mode: 0o600 }))
    } catch (cause) {
      const message = `the recorded decisions broke off: ${(cause as Error).message}`
      throw new CommandError('failed', message, { cause })
    }
    return await tested(path, settings)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @throws {CommandError} when something is wrong with the record, or more changes than may. */
function judge(report: Report, what: FailOn): void {
  if (isDefective(report))
    throw new CommandError(
      'failed',
      'the record has defects: decisions that their own policy does not make',
    )
  const changes = changesIn(report)
  // Fail closed: a threshold that nothing was held against is not kept.
  if (what !== 'none' && report.decisions > 0 && changes + report.unchanged === 0)
    throw new CommandError('failed', 'not one decision could be compared')
  failOn(what, { changes, newAllows: report.changed['new allow'] })
}
