import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { CommandError, exitCodes, exitHelp, print, table } from './commands/output.ts'
import type { Case } from './leakcheck/case.ts'
import { allCases, selected } from './leakcheck/cases.ts'
import { type Client, type ClientOptions, createClient } from './leakcheck/client.ts'
import { measureFirstByte, timingCases } from './leakcheck/first-byte.ts'
import { awaitGateway, probeCase } from './leakcheck/probe.ts'
import { createProgress } from './leakcheck/progress.ts'
import { reportOf, reportText } from './leakcheck/report.ts'
import { runCases } from './leakcheck/run.ts'
import { type Self, startSelf } from './leakcheck/self.ts'
import { type StandIn, startStandIn } from './leakcheck/upstream.ts'

/** `npm run leakcheck -- --target URL`: what of a streamed reply gets past a gateway that is to mask it. */

type Options = {
  readonly target?: URL
  readonly self?: boolean
  readonly header: Readonly<Record<string, string>>
  readonly token?: string
  readonly model: string
  readonly upstreamPort: number
  readonly wait: number
  readonly only: readonly string[]
  readonly concurrency: number
  readonly list?: boolean
  readonly json?: boolean
}

const TIMEOUT_MS = 30_000

const program = new Command('leakcheck')
  .description(
    'Sends secrets through a gateway in streamed replies of the Messages API, and says what arrives.',
  )
  .option('--target <url>', 'base of the gateway: <url>/v1/messages is asked', httpUrl)
  .option('--self', 'start Countersign and run against it')
  .option('--header <name: value>', 'sent with every request; may be repeated', header, {})
  .option('--token <token>', 'sent as Authorization: Bearer')
  .option('--model <name>', 'the model that is asked for', 'claude-sonnet-4-5')
  .option('--upstream-port <port>', 'port of the stand-in upstream; 0: any', integer(0, 65_535), 0)
  .option('--wait <seconds>', 'longest wait for the gateway to reach it', integer(0, 3600), 60)
  .option('--only <case>', 'an id of --list, or a part of it; may be repeated', repeated, [])
  .option('--concurrency <streams>', 'streams at once', integer(1, 100), 8)
  .option('--list', 'print the cases and end')
  .option('--json', 'one JSON object')
  .addHelpText(
    'after',
    `
The gateway's upstream for Anthropic has to be the stand-in that this suite runs on loopback; its address is printed.
docs/leakcheck.md says what each column means.

Examples:
  npm run leakcheck -- --self
  npm run leakcheck -- --target http://127.0.0.1:8080/claude --token "$TOKEN" --upstream-port 9100
  npm run leakcheck -- --target http://127.0.0.1:8080/claude --only email.text --only control

Exits with 1 when something leaked.
${exitHelp}`,
  )
  .showHelpAfterError('(see --help)')
  .exitOverride()
  .action(leakcheck)

// Whoever reads no further, such as `| head`, ends it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed)
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitOf(error)
}

async function leakcheck(options: Options): Promise<void> {
  const cases = selected(allCases(), options.only)
  if (cases.length === 0) throw new CommandError('usage', 'no case is called that: see --list')
  if (options.list) return list(cases, options)
  if ((options.target === undefined) === (options.self === undefined))
    throw new CommandError('usage', 'name the gateway with --target <url>, or use --self')
  const ended = new AbortController()
  // Ends in order: what was started is stopped.
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => ended.abort(new CommandError('failed', `ended by ${name}`)))
  const scripts = [probeCase, ...timingCases, ...cases].map((one) => [one.id, one.script] as const)
  const standIn = await startStandIn(new Map(scripts), options.upstreamPort)
  let self: Self | undefined
  try {
    remark(`stand-in upstream: ${standIn.url}`)
    if (options.self) self = await startSelf(standIn.url)
    await check(cases, standIn, clientOptions(options, self), options, ended.signal)
  } finally {
    await self?.stop()
    await standIn.close()
  }
}

async function check(
  cases: readonly Case[],
  standIn: StandIn,
  through: ClientOptions,
  options: Options,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(through)
  const direct = createClient({ ...through, target: new URL(standIn.url) })
  try {
    await awaitGateway(client, standIn, options.wait, remark, signal)
    const begun = performance.now()
    const judged = await runWithBar(cases, client, standIn, options.concurrency, signal)
    const first_byte = await measureFirstByte(client, direct, standIn, signal)
    const seconds = (performance.now() - begun) / 1000
    const report = reportOf(through.target.href, judged, first_byte, seconds)
    print(options.json, report, () => reportText(report))
    if (report.leaked > 0) process.exitCode = exitCodes.failed
  } finally {
    client.close()
    direct.close()
  }
}

async function runWithBar(
  cases: readonly Case[],
  client: Client,
  standIn: StandIn,
  concurrency: number,
  signal: AbortSignal,
): ReturnType<typeof runCases> {
  const bar = createProgress(cases.length)
  try {
    return await runCases(cases, client, standIn, { concurrency, signal, progress: bar.update })
  } finally {
    bar.end()
  }
}

function clientOptions(options: Options, self: Self | undefined): ClientOptions {
  const target = self?.target ?? options.target
  if (!target) throw new CommandError('usage', 'name the gateway with --target <url>')
  const token = self?.token ?? options.token
  const headers = {
    ...options.header,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  return { target, headers, model: options.model, timeout_ms: TIMEOUT_MS }
}

function list(cases: readonly Case[], { json }: Options): void {
  const listed = cases.map(({ id, says }) => ({ id, says }))
  print(json, listed, () =>
    table(
      ['case', 'what'],
      listed.map(({ id, says }) => [id, says]),
    ),
  )
}

/** To stderr, so that `--json` stays clean. */
function remark(text: string): void {
  process.stderr.write(`${text}\n`)
}

function httpUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new InvalidArgumentError('It must be an http:// or https:// URL.')
  return url
}

function header(
  text: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("It must be 'name: value'.")
  return { ...before, [name.toLowerCase()]: value }
}

function repeated(text: string, before: readonly string[]): readonly string[] {
  return [...before, text]
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`)
    return value
  }
}

function exitOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  process.stderr.write(`leakcheck: ${error instanceof Error ? error.message : String(error)}\n`)
  return exitCodes[error instanceof CommandError ? error.exit : 'failed']
}
