import { Command } from 'commander'
import { clock, CommandError, exitHelp, print, shown, table } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Common = { readonly pdp: string; readonly json?: boolean }
type Hold = {
  readonly id: string
  readonly session_id?: string
  readonly connection?: string
  readonly at_ms: number
}

/** `countersign evidence holds list|add|release`. */
export function holdsCommand(): Command {
  const holds = new Command('holds').description(
    'legal holds: what nothing erases until it is released',
  )
  holds
    .command('list')
    .description('holds that stand')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .action(async ({ pdp, json }: Common) => {
      const { holds: found } = await callPdp<{ holds: readonly Hold[] }>(pdp, 'GET', '/v1/evidence')
      print(json, found, () =>
        found.length === 0
          ? 'No hold stands.'
          : table(
              ['HOLD', 'SINCE', 'SESSION', 'CONNECTION'],
              found.map((one) => [
                one.id,
                clock(one.at_ms),
                shown(one.session_id ?? ''),
                shown(one.connection ?? ''),
              ]),
            ),
      )
    })
  holds
    .command('add')
    .description('hold all of a session, or all of a connection')
    .option('--session <id>', 'id or label')
    .option('--connection <name>', 'in place of a session')
    .requiredOption('--reason <text>', 'why, for the record; policy decides')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign evidence holds add --session 6f2c… --reason 'case 31'${exitHelp}`,
    )
    .action(
      async ({
        pdp,
        json,
        session,
        connection,
        reason,
      }: Common & {
        readonly session?: string
        readonly connection?: string
        readonly reason: string
      }) => {
        if ((session === undefined) === (connection === undefined))
          throw new CommandError('usage', 'say --session or --connection, one of the two')
        const what = session === undefined ? { connection } : { session }
        const hold = await callPdp<Hold>(pdp, 'POST', '/v1/evidence/holds', { ...what, reason })
        print(
          json,
          hold,
          () => `${hold.id}  holds ${shown(hold.session_id ?? hold.connection ?? '')}`,
        )
      },
    )
  holds
    .command('release')
    .argument('<hold>', 'its id')
    .description('end a hold')
    .requiredOption('--reason <text>', 'why, for the record; policy decides')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', exitHelp)
    .action(async (hold: string, { pdp, json, reason }: Common & { readonly reason: string }) => {
      const released = await callPdp<{ readonly id: string }>(
        pdp,
        'POST',
        '/v1/evidence/holds/release',
        { hold, reason },
      )
      print(json, released, () => `${released.id}  released`)
    })
  return holds
}
