import { Command, Option } from 'commander'
import { type Change, diffPolicies, type Diff, markdown } from '../../policy-diff.ts'
import { CommandError, exitHelp, paint, print, shown } from '../output.ts'

type Options = {
  readonly cases: string
  readonly failOn: 'none' | 'change' | 'new-allow'
  readonly json?: boolean
  readonly markdown?: boolean
}

export function diffCommand(): Command {
  return new Command('diff')
    .argument('<old>', 'a bundle (….tar.gz), a folder of sources, or git:<revision>')
    .argument('<new>', 'the same')
    .description('decisions that change between two policies')
    .option(
      '--cases <path>',
      'folder of decision cases, or a file with an input a line (JSON)',
      'test/decisions',
    )
    .addOption(
      new Option('--fail-on <what>', 'exit with 1')
        .choices(['none', 'change', 'new-allow'])
        .default('none'),
    )
    .option('--markdown', 'for a pull request')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  npx countersign policy diff git:main rego
  npx countersign policy diff bundles/default.tar.gz rego --fail-on new-allow
  npx countersign policy diff git:HEAD~1 git:HEAD --cases requests.jsonl --markdown${exitHelp}`,
    )
    .action(diff)
}

async function diff(from: string, to: string, options: Options): Promise<void> {
  let found: Diff
  try {
    found = await diffPolicies(from, to, options.cases, progress)
  } catch (error) {
    throw new CommandError('usage', error instanceof Error ? error.message : String(error), {
      cause: error,
    })
  }
  if (options.markdown === true) process.stdout.write(markdown(found))
  else print(options.json, found, () => told(found))
  const bad =
    options.failOn === 'change'
      ? found.changes.length
      : options.failOn === 'new-allow'
        ? newAllows(found)
        : 0
  if (bad > 0) throw new CommandError('failed', `${bad} decisions change`)
}

const newAllows = ({ changes }: Diff): number =>
  changes.filter(({ kind }) => kind === 'new allow').length

function progress(done: number, total: number): void {
  if (!process.stderr.isTTY || total < 500) return
  const filled = Math.round((30 * done) / total)
  process.stderr.write(
    `\r${'█'.repeat(filled)}${'░'.repeat(30 - filled)} ${done}/${total}${done === total ? '\n' : ''}`,
  )
}

function told({ total, changes }: Diff): string {
  if (changes.length === 0) return `${total} decisions, none changes`
  return [...changes.map(line), `${changes.length} of ${total} decisions change`].join('\n')
}

function line({ kind, place, description, from, to }: Change): string {
  const head = `${paint(kind === 'new allow' ? 'red' : 'yellow', kind.padEnd(13))} ${shown(place)} ${shown(description)}`
  const say = (one: Change['from']): string =>
    `${one.effect} by ${one.rules.join(', ') || 'no rule'}${one.obligations === '[]' ? '' : ` with ${one.obligations}`}`
  return `${head}\n  from ${shown(say(from))}\n  to   ${shown(say(to))}`
}
