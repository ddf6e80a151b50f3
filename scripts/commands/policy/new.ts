import { Command } from 'commander'
import { newPolicy } from '../../policy-new.ts'
import { CommandError, exitHelp, print } from '../output.ts'

export function newCommand(): Command {
  return new Command('new')
    .argument('<name>', 'lower case letters, digits and _')
    .description('a file of rules of your own, with a test and a decision case that pass')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign policy new office_hours && npx countersign policy test${exitHelp}`,
    )
    .action(async (name: string, { json }: { readonly json?: boolean }) => {
      try {
        const files = await newPolicy(name)
        print(json, { files }, () =>
          [
            ...files.map((file) => `made ${file}`),
            'next: edit them, then countersign policy test and policy build',
          ].join('\n'),
        )
      } catch (error) {
        throw new CommandError('usage', error instanceof Error ? error.message : String(error), {
          cause: error,
        })
      }
    })
}
