import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, Option } from 'commander'
import { writePrivate } from '../private-file.ts'
import { buildPageData } from '../replay/build-page-data.ts'
import { curlCommand } from '../replay/curl.ts'
import { fetchSteps, type Recorded } from '../replay/fetch-steps.ts'
import { momentsOf } from '../replay/model.ts'
import { choose, type Chosen, requestOf } from '../replay/one-step.ts'
import { replayPage } from '../replay/page.ts'
import { playOn } from '../replay/terminal.ts'
import { CommandError, exitHelp, jsonLine, paint, shown } from './output.ts'
import { pdpOption } from './pdp-api.ts'

type Options = {
  readonly pdp: string
  readonly speed: string
  readonly step?: boolean
  readonly json?: boolean
  readonly html?: string
  readonly as?: 'curl' | 'json'
  readonly stepIndex?: string
  readonly operation?: string
  readonly gateway: string
  readonly raw?: boolean
  readonly reason?: string
}

/** `countersign sessions replay`. */
export function replayCommand(): Command {
  return new Command('replay')
    .argument('<session>', 'id or label')
    .description('play a session as it ran, write it as a page, or take one step out of it')
    .option('--speed <factor>', 'times as fast; 0 does not wait', '1')
    .option('--step', 'wait for Enter before each step')
    .option('--json', 'one JSON object a step, as it is on record; does not wait')
    .option('--html <file>', 'write one page that needs no network')
    .addOption(
      new Option('--as <form>', 'one step: a command that sends it again, or JSON').choices([
        'curl',
        'json',
      ]),
    )
    .option('--step-index <n>', 'which step: its number behind #')
    .option('--operation <id>', 'which step: of this operation')
    .option('--gateway <url>', 'where --as curl sends to', 'http://127.0.0.1:8080')
    .option('--raw', 'bodies without masks, if policy lets you; needs --reason and is on record')
    .option('--reason <text>', 'why you need them raw')
    .addOption(pdpOption())
    .addHelpText(
      'after',
      `
What came back is compared with what the agent got, and what the agent sent with what went upstream.
Pauses longer than 10 s are cut to 10 s, and said.

Examples:
  npx countersign sessions replay 6f2c… --speed 5
  npx countersign sessions replay 6f2c… --html session.html
  npx countersign sessions replay 6f2c… --as curl --step-index 103 > again.sh
  npx countersign sessions replay 6f2c… --raw --reason 'incident 12'${exitHelp}`,
    )
    .action(replay)
}

async function replay(session: string, options: Options): Promise<void> {
  const { pdp, speed, step, json, as, raw, reason, html } = options
  const factor = Number(speed)
  if (!(factor >= 0)) throw new CommandError('usage', '--speed must be a number, 0 or more')
  if (step && !process.stdin.isTTY) throw new CommandError('usage', '--step needs a terminal')
  if (raw && !reason?.trim())
    throw new CommandError('usage', '--raw needs --reason, for the record')
  if (!raw && reason !== undefined) throw new CommandError('usage', '--reason goes with --raw')
  const chosen = as === undefined ? undefined : chosenBy(options)
  const recorded = await fetchSteps(pdp, session, raw ? reason : undefined)
  if (as !== undefined && chosen) return take(recorded, as, chosen, options.gateway)
  if (json) {
    for await (const { answered } of recorded.steps) process.stdout.write(jsonLine(answered))
    return
  }
  if (html !== undefined) return writePage(recorded, html)
  await play(recorded, factor, step ?? false)
}

function chosenBy({ stepIndex, operation }: Options): Chosen {
  if ((stepIndex === undefined) === (operation === undefined))
    throw new CommandError('usage', '--as needs --step-index or --operation')
  if (operation !== undefined) return { operation_id: operation }
  if (!/^\d{1,15}$/.test(stepIndex ?? ''))
    throw new CommandError('usage', '--step-index is the number of a step')
  return { index: Number(stepIndex) }
}

async function take(
  { id, masked, steps }: Recorded,
  as: 'curl' | 'json',
  chosen: Chosen,
  gateway: string,
): Promise<void> {
  const excerpt = await choose(steps, chosen)
  if (as === 'json') {
    const taken = excerpt.step ? [excerpt.step] : excerpt.steps
    const report = { session: id, masked, steps: taken.map(({ answered }) => answered) }
    process.stdout.write(jsonLine(report, 2))
    return
  }
  const request = requestOf(excerpt)
  const remarks = [
    ...(masked ? ['values are masked; --raw --reason gives them as they were'] : []),
    ...request.remarks,
  ]
  for (const remark of remarks) process.stderr.write(`countersign: ${remark}\n`)
  process.stdout.write(`${curlCommand(request, gateway)}\n`)
}

async function writePage({ id, masked, steps }: Recorded, file: string): Promise<void> {
  const data = await buildPageData(id, masked, momentsOf(steps), Date.now())
  await writePrivate(file, replayPage(data))
  const view = masked ? 'values are masked' : 'raw, without masks'
  process.stdout.write(`${shown(file)}: ${data.operations.length} operations, ${view}\n`)
}

async function play({ id, masked, steps }: Recorded, speed: number, step: boolean): Promise<void> {
  const view = masked ? 'values are masked; --raw --reason shows them' : 'raw, without masks'
  process.stdout.write(`${paint('bold', `session ${shown(id)}`)}  ${paint('dim', view)}\n`)
  const lines = step ? createInterface({ input: process.stdin, output: process.stdout }) : undefined
  try {
    await playOn(
      {
        write: (text) => void process.stdout.write(text),
        sleep: (ms) => sleep(ms),
        speed,
        masked,
        ...(lines && { pause: async () => void (await lines.question('')) }),
      },
      momentsOf(steps),
    )
  } finally {
    lines?.close()
  }
}
