import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { readCheckpoint } from '../../../pdp/evidence/checkpoint.ts'
import { splitNotes } from '../../../pdp/evidence/note.ts'
import { CommandError, exitHelp, print } from '../output.ts'
import { pdpOption } from '../pdp-api.ts'
import { sinceMs } from '../since.ts'
import { download } from './download.ts'

type Options = {
  readonly pdp: string
  readonly since?: string
  readonly out: string
  readonly anchor: readonly string[]
  readonly sealed?: boolean
  readonly reason?: string
  readonly json?: boolean
}

export function exportCommand(): Command {
  return new Command('export')
    .description('write leaves with proofs and checkpoints to a file that anybody can verify')
    .requiredOption('--out <file>', 'where to, gzip over JSON lines')
    .option(
      '--since <time>',
      '7d, 12h, 30m or a date; begins at the checkpoint before (default: all)',
    )
    .option(
      '--anchor <file>',
      'checkpoints kept outside that are older: adds the proofs that compare them; may be given again',
      (value: string, all: readonly string[]) => [...all, value],
      [],
    )
    .option('--sealed', 'with sealed bodies, still sealed; needs --reason and policy’s leave')
    .option('--reason <text>', 'why, for the record')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign evidence export --since 30d --out november.jsonl.gz\n  npx countersign evidence verify november.jsonl.gz --key log.vkey --anchor anchors.txt${exitHelp}`,
    )
    .action(run)
}

async function run({ pdp, since, out, anchor, sealed, reason, json }: Options): Promise<void> {
  const since_ms = sinceMs(since, Date.now())
  const anchors = (await Promise.all(anchor.map(sizesIn))).flat()
  const sent = {
    ...(since_ms !== undefined && { since_ms }),
    ...(anchors.length > 0 && { anchors }),
    ...(sealed && { sealed }),
    ...(reason !== undefined && { reason }),
  }
  const lines = await download(pdp, '/v1/evidence/export', sent, out)
  print(json, { out, lines }, () => `${out}  ${lines} lines`)
}

/** Sizes of the checkpoints in a file; the newest hundred. */
async function sizesIn(path: string): Promise<readonly number[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CommandError('usage', `${path} cannot be read`, { cause })
  })
  const sizes = splitNotes(text).flatMap((note) => {
    const read = readCheckpoint(note)
    return read.ok ? [read.value.size] : []
  })
  if (sizes.length === 0) throw new CommandError('usage', `${path} has no checkpoint in it`)
  return [...new Set(sizes)].slice(-100)
}
