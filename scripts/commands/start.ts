import { Command, Option } from 'commander'
import type { Log } from '../../server/log.ts'
import { StartError } from '../start/config.ts'
import { type Running, startCountersign } from '../start/start.ts'
import { tidyMemory } from '../start/tidy-memory.ts'
import { CommandError, exitHelp, paint, print } from './output.ts'
import { welcome } from './welcome.ts'

type Options = {
  readonly config: string
  readonly folder: string
  readonly pdp?: string
  readonly issuerPort?: string
  readonly json?: boolean
  readonly verbose?: boolean
}

/** `countersign start [pdp|pep]`: runs until it is told to stop. */
export function startCommand(): Command {
  return new Command('start')
    .description('run the gateway: decision service and enforcement point, or one of them')
    .argument('[part]', 'pdp or pep; both when left out')
    .option('--config <file>', 'what runs, who may call, what agents reach', 'countersign.yaml')
    .option(
      '--folder <folder>',
      'where store, journal and generated secrets are kept',
      '.countersign',
    )
    .option('--pdp <url>', 'the decision service, for start pep')
    .addOption(new Option('--issuer-port <port>', 'port of the development issuer (default: 8182)'))
    .option('--verbose', 'log every event, not only warnings')
    .option('--json', 'print one line of JSON when ready')
    .addHelpText(
      'after',
      `
Examples:
  npx countersign start
  npx countersign start pdp --config /etc/countersign.yaml --folder /var/lib/countersign
  npx countersign start pep --pdp https://pdp.internal:8181
  DATABASE_URL=postgres://… npx countersign start

Log lines are JSON on stderr. SIGINT and SIGTERM end it in order.
${exitHelp}`,
    )
    .action(start)
}

async function start(part: string | undefined, options: Options): Promise<void> {
  if (part !== undefined && part !== 'pdp' && part !== 'pep')
    throw new CommandError('usage', `start ${part}: only pdp and pep can be started alone`)
  if (options.pdp !== undefined && part !== 'pep')
    throw new CommandError('usage', '--pdp is for start pep')
  const port = options.issuerPort === undefined ? undefined : Number(options.issuerPort)
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new CommandError('usage', '--issuer-port must be a port')
  const begun = performance.now()
  if (!options.json) process.stdout.write(paint('dim', 'Starting …\n'))
  const running = await startCountersign({
    config: options.config,
    folder: options.folder,
    env: process.env,
    log: logTo(options.verbose ?? false),
    ...(part && { role: part }),
    ...(options.pdp !== undefined && { pdp_url: options.pdp }),
    ...(port !== undefined && { ports: { issuer: port } }),
  }).catch((error: unknown) => {
    throw new CommandError(isConfiguration(error) ? 'usage' : 'failed', messageOf(error), {
      cause: error,
    })
  })
  const token = running.issuer ? await running.agentToken() : undefined
  const seconds = (performance.now() - begun) / 1000
  tidyMemory()
  const store = (await running.pdp?.health())?.store
  print(options.json, { ...summary(running, token), ...(store && { store }) }, () =>
    welcome(running, token, seconds, store),
  )
  await untilTold(running)
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

const isConfiguration = (error: unknown): boolean =>
  error instanceof StartError ||
  (error instanceof Error &&
    'code' in error &&
    ['PDP_CONFIG', 'PEP_CONFIG'].includes(String(error.code)))

const summary = (running: Running, token: string | undefined): Record<string, unknown> => ({
  ready: true,
  urls: running.urls,
  ...(running.issuer && { operator_secret: running.issuer.operator_secret }),
  ...(token !== undefined && { token }),
  stand_ins: Object.fromEntries(
    Object.entries(running.stand_ins).map(([name, { url }]) => [name, url]),
  ),
  ...(running.pdp && { revision: running.pdp.revision() }),
})

function logTo(verbose: boolean): Log {
  return (level, event, detail) => {
    if (level === 'info' && !verbose) return
    const line = { time: new Date().toISOString(), level, event, ...detail }
    process.stderr.write(`${JSON.stringify(line)}\n`)
  }
}

/** Resolves when everything has ended. A second signal does not wait any longer. */
function untilTold(running: Running): Promise<void> {
  return new Promise((resolve) => {
    let told = false
    const end = (): void => {
      if (told) process.exit(1)
      told = true
      void running.close().then(() => {
        resolve()
        process.exit(0)
      })
    }
    process.on('SIGINT', end).on('SIGTERM', end)
  })
}
