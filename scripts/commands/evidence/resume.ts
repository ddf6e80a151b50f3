import { Command } from 'commander'
import { exitHelp, print } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Options = { readonly pdp: string; readonly reason: string; readonly json?: boolean }

export function resumeCommand(): Command {
  return new Command('resume')
    .description('sign again after an alarm: the log was rolled back or forked, and you know why')
    .requiredOption('--reason <text>', 'why, for the record; policy decides')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
While an alarm stands nothing is signed. Resuming gives up the checkpoint that the log does not extend, and a leaf says
so; whoever holds that checkpoint still sees the roll-back.

Example:
  npx countersign evidence resume --reason 'restored the backup of Monday, see incident 4'${exitHelp}`,
    )
    .action(async ({ pdp, reason, json }: Options) => {
      const resumed = await callPdp<{ readonly resumed: boolean }>(
        pdp,
        'POST',
        '/v1/evidence/resume',
        { reason },
      )
      print(json, resumed, () => 'Checkpoints are signed again.')
    })
}
