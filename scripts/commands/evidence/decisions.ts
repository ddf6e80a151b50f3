import { Command } from 'commander'
import { exitHelp, print } from '../output.ts'
import { pdpOption } from '../pdp-api.ts'
import { sinceMs } from '../since.ts'
import { download } from './download.ts'

type Options = {
  readonly pdp: string
  readonly since?: string
  readonly session?: string
  readonly out: string
  readonly bodies?: boolean
  readonly reason?: string
  readonly json?: boolean
}

export function decisionsCommand(): Command {
  return new Command('decisions')
    .description('write recorded decisions with their inputs to a file, for policy backtest --from')
    .requiredOption(
      '--out <file>',
      'where to, gzip over JSON lines; it holds facts of requests, unmasked',
    )
    .option('--since <time>', '7d, 12h, 30m or a date (default: all)')
    .option('--session <id>', 'of this session alone')
    .option('--bodies', 'with what agents sent, where it was recorded')
    .requiredOption('--reason <text>', 'why, for the record; policy decides')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign evidence decisions --since 7d --out week.jsonl.gz --reason 'backtest of PR 12'\n  npx countersign policy backtest rego --from week.jsonl.gz --markdown --fail-on new-allow${exitHelp}`,
    )
    .action(run)
}

async function run({ pdp, since, session, out, bodies, reason, json }: Options): Promise<void> {
  const since_ms = sinceMs(since, Date.now())
  const sent = {
    ...(since_ms !== undefined && { since_ms }),
    ...(session !== undefined && { session }),
    ...(bodies && { bodies }),
    ...(reason !== undefined && { reason }),
  }
  const lines = await download(pdp, '/v1/evidence/decisions', sent, out)
  print(json, { out, lines }, () => `${out}  ${lines} lines`)
}
