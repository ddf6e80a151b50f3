import { Command } from 'commander'
import { type Change, diffPolicies, type Diff, markdown } from '../../policy-diff.ts'
import { CommandError, exitHelp, paint, print, shown } from '../output.ts'
import { failOn, type FailOn, failOnOption, progress } from './comparing.ts'

type Options = {
  readonly cases: string
  readonly failOn: FailOn
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
    .addOption(failOnOption())
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
  failOn(options.failOn, { changes: found.changes.length, newAllows: newAllows(found) })
}

const newAllows = ({ changes }: Diff): number =>
  changes.filter(({ kind }) => kind === 'new allow').length

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
