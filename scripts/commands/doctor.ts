import { Command } from 'commander'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import { loadPolicy } from '../../pdp/policy/load.ts'
import { PepError } from '../../pep/core/errors.ts'
import { createHttpPdpClient } from '../../pep/pdp-client.ts'
import { createPep, type Pep } from '../../pep/pep.ts'
import { readSecret } from '../../server/secret.ts'
import { bundlePath, type Configuration, loadConfiguration } from '../start/config.ts'
import { CommandError, exitHelp, paint, print, shown } from './output.ts'

type Options = {
  readonly config: string
  readonly pdp?: string
  readonly pep?: string
  readonly json?: boolean
}

/** One thing that was looked at. */
type Finding = {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly inspected?: readonly string[]
  readonly not_inspected?: readonly string[]
}

/** `countersign doctor`: what is configured, reachable, inspected and not inspected. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what is configured, reachable, inspected and not inspected, per connection')
    .option('--config <file>', 'the configuration', 'countersign.yaml')
    .option('--pdp <url>', 'the running decision service (default: as configured)')
    .option('--pep <url>', 'the running enforcement point (default: as configured)')
    .option('--json', 'one JSON object a finding')
    .addHelpText(
      'after',
      `
Example:
  npx countersign doctor --config /etc/countersign.yaml

Exits with 1 when something has to be looked at.
${exitHelp}`,
    )
    .action(doctor)
}

async function doctor(options: Options): Promise<void> {
  const configuration = await loadConfiguration(options.config).catch((cause: unknown) => {
    throw new CommandError('usage', (cause as Error).message, { cause })
  })
  let problems = 0
  for await (const finding of look(configuration, options)) {
    if (!finding.ok) problems += 1
    print(options.json, finding, () => reported(finding))
  }
  if (problems > 0) throw new CommandError('failed', `${problems} to look at`)
}

async function* look(configuration: Configuration, options: Options): AsyncGenerator<Finding> {
  const { pdp, pep } = configuration
  const path = bundlePath(configuration)
  yield { name: 'configuration', ok: true, detail: `${options.config} is well-formed` }
  const loaded = await loadPolicy(path, {
    entrypoints: [DECISION_ENTRYPOINT],
  })
  yield loaded.ok
    ? {
        name: 'policy',
        ok: true,
        detail: `${path}, revision ${loaded.value.bundle.revision.slice(0, 16)}…`,
      }
    : { name: 'policy', ok: false, detail: loaded.error.message }
  const { host, port } = pdp.pdp.listen.address
  const scheme = pdp.pdp.listen.tls ? 'https' : 'http'
  yield* decisionService(options.pdp ?? pep.pep.pdp.url ?? `${scheme}://${host}:${port}`)
  const [listener] = pep.pep.listen
  const pepScheme = listener?.tls ? 'https' : 'http'
  yield* enforcementPoint(
    options.pep ?? `${pepScheme}://${listener?.address.host}:${listener?.address.port}`,
  )
  yield* connections(configuration)
}

type Answer = Record<string, unknown>

async function health(url: string): Promise<Answer | string> {
  try {
    const response = await fetch(new URL('/health?ready', url), {
      signal: AbortSignal.timeout(5000),
    })
    return (await response.json()) as Answer
  } catch {
    return `nothing answers at ${url}: is it started?`
  }
}

async function* decisionService(url: string): AsyncGenerator<Finding> {
  const answer = await health(url)
  if (typeof answer === 'string') {
    yield { name: 'decision service', ok: false, detail: answer }
    return
  }
  const { store, records, issuers, revision } = answer as {
    readonly store: { readonly ok: boolean; readonly message?: string }
    readonly records: { readonly conflicts: number }
    readonly issuers: readonly { readonly issuer: string; readonly problem?: string }[]
    readonly revision: string
  }
  yield { name: 'decision service', ok: true, detail: `${url}, revision ${revision.slice(0, 16)}…` }
  yield {
    name: 'store',
    ok: store.ok,
    detail: store.ok ? 'answers' : (store.message ?? 'does not answer'),
  }
  const { conflicts } = records
  yield {
    name: 'record',
    ok: conflicts === 0,
    detail:
      conflicts === 0 ? 'no conflicts' : `${conflicts} frames came twice with different content`,
  }
  for (const { issuer, problem } of issuers)
    yield {
      name: 'approvers’ issuer',
      ok: problem === undefined,
      detail: `${issuer} ${problem ?? 'is ready'}`,
    }
}

async function* enforcementPoint(url: string): AsyncGenerator<Finding> {
  const answer = await health(url)
  if (typeof answer === 'string') {
    yield { name: 'enforcement point', ok: false, detail: answer }
    return
  }
  const { journal, issuers } = answer as {
    readonly journal: { readonly accepting: boolean }
    readonly issuers: readonly { readonly issuer: string; readonly problem?: string }[]
  }
  yield { name: 'enforcement point', ok: true, detail: url }
  const metrics = await (await fetch(new URL('/metrics', url))).text()
  const backlog = /^countersign_journal_backlog_bytes (\d+)$/m.exec(metrics)?.[1]
  const waits = backlog === undefined ? '' : `, ${backlog} bytes wait for the store`
  yield {
    name: 'journal',
    ok: journal.accepting,
    detail:
      (journal.accepting ? 'takes records' : 'takes no records: requests are refused') + waits,
  }
  for (const { issuer, problem } of issuers)
    yield {
      name: 'agents’ issuer',
      ok: problem === undefined,
      detail: `${issuer} ${problem ?? 'is ready'}`,
    }
  yield* unknown(metrics)
}

/** Fields, blocks and betas of requests that this version does not know; policy says whether they pass. */
function* unknown(metrics: string): Generator<Finding> {
  const seen = [
    ...metrics.matchAll(
      /^countersign_pep_unknown_total\{connection="([^"]+)",kind="([^"]+)"\} (\d+)$/gm,
    ),
  ]
  for (const [connection, found] of Map.groupBy(seen, ([, name = '']) => name))
    yield {
      name: `unknown, ${connection}`,
      ok: true,
      detail: `${found.map(([, , kind = '', count]) => `${count} ${kind.replace('unknown_', '')}`).join(', ')} that this version does not know; features.yaml says what passes`,
    }
}

/** Opens each connection as the enforcement point would, without taking requests. */
async function* connections({ pep: config }: Configuration): AsyncGenerator<Finding> {
  const idle = { ...config, identity: { issuers: [] } }
  const refuse = (): never => {
    throw new PepError('PEP_JOURNAL', 'nothing is recorded here')
  }
  const pdp = createHttpPdpClient({ url: new URL('http://127.0.0.1:1'), token: '' })
  const pep = await createPep(idle, {
    pdp,
    journal: { accepting: false, append: refuse },
    log: () => {},
    env: process.env,
    maskKey: Buffer.alloc(32),
  })
  try {
    for (const status of pep.status()) yield await connection(config, pep, status)
  } finally {
    await pep.close()
    await pdp.close()
  }
}

async function connection(
  config: Configuration['pep'],
  pep: Pep,
  { name, kind, upstream, credential_problem, inspection }: ReturnType<Pep['status']>[number],
): Promise<Finding> {
  const { credential, stand_in } = config.connections[name] ?? {}
  const set = credential === undefined || (await readSecret(credential.from, process.env)).ok
  const standsIn = !set && stand_in !== undefined && config.development
  const unreachable = standsIn ? undefined : await pep.probe(name)
  const detail = standsIn
    ? `${kind}, its credential is not set: a local stand-in answers in development`
    : [
        `${kind}, ${upstream}`,
        credential_problem ?? (credential ? 'credential set' : 'without a credential'),
        unreachable === undefined ? 'reachable' : `not reachable: ${unreachable}`,
      ].join(', ')
  return {
    name: `connection ${name}`,
    ok: standsIn || (credential_problem === undefined && unreachable === undefined),
    detail,
    inspected: inspection.inspected,
    not_inspected: inspection.not_inspected,
  }
}

function reported({ name, ok, detail, inspected = [], not_inspected = [] }: Finding): string {
  return [
    `${ok ? paint('green', 'ok  ') : paint('red', 'LOOK')} ${name.padEnd(20)} ${shown(detail)}`,
    ...inspected.map((one) => `       inspected      ${one}`),
    ...not_inspected.map((one) => paint('yellow', `       not inspected  ${one}`)),
  ].join('\n')
}
