import { readFile, stat } from 'node:fs/promises'
import { Command } from 'commander'
import { readExport } from '../../../pdp/evidence/export-format.ts'
import { splitNotes, parseVerifierKey, type VerifierKey } from '../../../pdp/evidence/note.ts'
import { exitCodeOf, type Report } from '../../evidence/report.ts'
import { verifyExport } from '../../evidence/verify.ts'
import { clock, CommandError, paint, print, shown } from '../output.ts'
import { progress } from '../policy/comparing.ts'

type Options = {
  readonly key: readonly string[]
  readonly anchor: readonly string[]
  readonly json?: boolean
}

const several = (value: string, all: readonly string[]): readonly string[] => [...all, value]

export function verifyCommand(): Command {
  return new Command('verify')
    .argument('<file>', 'what countersign evidence export wrote')
    .description('verify an export, without database and network')
    .requiredOption(
      '--key <key or file>',
      'verifier key of the log, <name>+<id>+<base64>, as you got it from outside; may be given again',
      several,
      [],
    )
    .option(
      '--anchor <file>',
      'checkpoints that were kept outside; may be given again',
      several,
      [],
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Only an anchor shows that nothing was cut off at the end, and that no old copy was put in place of the log.

Exit codes: 0 proven, 5 everything fits but nothing says that it is all (no anchor), 1 something is wrong, 2 wrong
arguments.

Example:
  npx countersign evidence verify november.jsonl.gz --key log.vkey --anchor anchors.txt`,
    )
    .action(verify)
}

async function verify(path: string, { key, anchor, json }: Options): Promise<void> {
  await stat(path).catch((cause: unknown) => {
    throw new CommandError('usage', `${path} cannot be read`, { cause })
  })
  const keys = await Promise.all(key.map(keyOf))
  const anchors = (await Promise.all(anchor.map(notesIn))).flat()
  const report = await verifyExport(readExport(path), { keys, anchors, onProgress: progress })
  print(json, report, () => described(report))
  process.exitCode = exitCodeOf(report)
}

async function keyOf(text: string): Promise<VerifierKey> {
  const given = text.includes('+') ? parseVerifierKey(text.trim()) : undefined
  if (given?.ok) return given.value
  const content = await readFile(text, 'utf8').catch((cause: unknown) => {
    throw new CommandError(
      'usage',
      `--key ${text}: neither a verifier key nor a file; evidence status prints the key`,
      { cause },
    )
  })
  const read = parseVerifierKey(content.trim())
  if (read.ok) return read.value
  throw new CommandError('usage', `${text}: ${read.error}`)
}

async function notesIn(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CommandError('usage', `${path} cannot be read`, { cause })
  })
  const notes = splitNotes(text)
  // Fail closed: who names an anchor wants to be held against it.
  if (notes.length === 0) throw new CommandError('usage', `${path} has no checkpoint in it`)
  return notes
}

function described(report: Report): string {
  const { problems, problem_count, warnings, first_ms, last_ms } = report
  const span =
    first_ms === undefined || last_ms === undefined
      ? ''
      : `, ${clock(first_ms)} to ${clock(last_ms)} (UTC)`
  const lines = [
    `log          ${shown(report.origin)}`,
    `leaves       ${report.from} to ${report.from + report.leaves} of ${report.size}${span}`,
    `checkpoints  ${report.checkpoints} fit`,
    ...report.keys.map(({ vkey, checkpoints }) => `key          ${shown(vkey)}: ${checkpoints}`),
    ...report.rotations.map(({ index, vkey }) => `key leaf     ${index} names ${shown(vkey)}`),
    ...(report.sealed + report.blocks > 0
      ? [`sealed       ${report.sealed} records and ${report.blocks} blocks are what leaves say`]
      : []),
    ...warnings.map(({ message }) => `${paint('yellow', 'note')}         ${shown(message)}`),
    ...problems.map(
      ({ code, message }) => `${paint('red', 'WRONG')}        ${shown(`${message} (${code})`)}`,
    ),
  ]
  if (problem_count > problems.length) lines.push(`… and ${problem_count - problems.length} more`)
  lines.push('', verdict(report))
  return lines.join('\n')
}

function verdict({ problem_count, freshness, anchored_size = 0, size }: Report): string {
  if (problem_count > 0) return paint('red', `Not proven: ${problem_count} things are wrong.`)
  if (freshness === 'anchored') {
    // A tail that was cut behind the newest anchor looks the same.
    const behind = size - anchored_size
    const rest =
      behind > 0 ? ` No anchor says whether more came behind the ${behind} after it.` : ''
    return `${paint('green', `Proven, and held against an anchor of ${anchored_size} leaves.`)}${rest}`
  }
  return paint(
    'yellow',
    'Everything fits; freshness unproven: without an anchor from outside, a cut tail or an old copy looks the same.',
  )
}
