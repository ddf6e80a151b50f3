import { Command } from 'commander'
import type { CheckpointerStatus } from '../../../pdp/evidence/checkpointer.ts'
import type { SinkStatus } from '../../../pdp/evidence/sinks/webhook.ts'
import { clock, exitHelp, paint, print, shown } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Status = {
  readonly origin: string
  readonly keys: readonly string[]
  readonly size: number
  readonly logged_ms: number
  readonly checkpoints: CheckpointerStatus
  readonly sinks: Readonly<Record<string, SinkStatus>>
  readonly holds: readonly { readonly id: string }[]
}

export function statusCommand(): Command {
  return new Command('status')
    .description('how the log stands: size, checkpoints, keys, anchors, sinks, holds')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  npx countersign evidence status${exitHelp}`)
    .action(async ({ pdp, json }: { readonly pdp: string; readonly json?: boolean }) => {
      const status = await callPdp<Status>(pdp, 'GET', '/v1/evidence')
      print(json, status, () => described(status))
    })
}

function described(status: Status): string {
  const { checkpoints, sinks, holds } = status
  const { state, size, at_ms, problem, alarm } = checkpoints
  const good = state === 'ok'
  const newest = size === undefined ? 'none yet' : `${size} leaves at ${clock(at_ms ?? 0)}`
  return [
    `log          ${shown(status.origin)}`,
    ...status.keys.map((key) => `key          ${shown(key)}`),
    `leaves       ${status.size}${status.logged_ms > 0 ? `, the newest at ${clock(status.logged_ms)} (UTC)` : ''}`,
    `checkpoint   ${newest}, ${paint(good ? 'green' : 'red', state)}${problem === undefined ? '' : `: ${shown(problem)}`}`,
    ...(alarm
      ? [
          paint(
            'red',
            `ALARM        ${alarm.code}: the log does not extend the checkpoint of ${alarm.known.size} leaves; it has ${alarm.found.size}`,
          ),
        ]
      : []),
    ...(checkpoints.anchors.length === 0
      ? [paint('yellow', 'anchors      none: a roll-back or a cut tail would not show outside')]
      : []),
    ...checkpoints.anchors.map(
      (one) =>
        `anchor       ${shown(one.name)}: ${one.size ?? 'nothing'} delivered${one.problem === undefined ? '' : `; ${shown(one.problem)}`}`,
    ),
    ...Object.entries(sinks).map(
      ([name, sink]) =>
        `sink         ${shown(name)}: ${sink.behind ?? '?'} behind${sink.failing ? `; ${shown(sink.failing.problem)}` : ''}`,
    ),
    `holds        ${holds.length}`,
  ].join('\n')
}
