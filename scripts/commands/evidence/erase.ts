import { Command } from 'commander'
import { exitHelp, print, shown } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Options = { readonly pdp: string; readonly reason: string; readonly json?: boolean }
type Erased = {
  readonly session: string
  readonly keys: number
  readonly approvals: number
  readonly scrubbed: boolean
}

export function eraseCommand(): Command {
  return new Command('erase')
    .argument('<session>', 'id or label')
    .description('erase what was recorded of a session, for good; the log stays and verifies')
    .requiredOption('--reason <text>', 'why, for the record; policy decides')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Its keys are deleted, and what was sealed under them with them. A session that still runs goes on under the same keys
until they are a day old, and what it records meanwhile is not kept either. Copies in backups end when the backups do.

Example:
  npx countersign evidence erase 6f2c… --reason 'erasure request 7'${exitHelp}`,
    )
    .action(async (session: string, { pdp, reason, json }: Options) => {
      const erased = await callPdp<Erased>(pdp, 'POST', '/v1/evidence/erase', { session, reason })
      print(json, erased, () =>
        [
          `${shown(erased.session)}  ${erased.keys} keys and ${erased.approvals} approvals erased`,
          ...(erased.scrubbed
            ? []
            : [
                'The database keeps old versions of these rows in its files until its tables are written anew (VACUUM FULL).',
              ]),
        ].join('\n'),
      )
    })
}
