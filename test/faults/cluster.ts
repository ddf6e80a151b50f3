import { randomInt } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { APPROVALS_RESOURCE, CLI_CLIENT } from '../../scripts/dev/issuer-provider.ts'
import { signIn } from '../../scripts/dev/sign-in-by-fetch.ts'
import { deviceToken } from '../../scripts/tokens.ts'
import { keptPort } from '../../server/testing-port.ts'
import { clear, place, start, type Started } from '../e2e/running.ts'

export const PARTS = ['pep', 'pdp', 'postgres'] as const
export type Part = (typeof PARTS)[number]

/** A decision service with its PostgreSQL and an enforcement point, each to be killed and started again. */
export type Cluster = {
  /** Paths of requests that reached the upstream, in order. */
  readonly forwarded: readonly string[]
  /** Sends a request through the gateway; whatever becomes of it. */
  readonly send: (path: string) => Promise<void>
  /** SIGKILL, and a new start of what does not start again by itself. */
  readonly kill: (part: Part) => Promise<void>
  /** Asks the decision service as an auditor. */
  readonly ask: (path: string, body?: object) => Promise<Response>
  /** Everything that the journals hold is in the log. */
  readonly drained: () => Promise<boolean>
  /** What both say on stderr in this life, the end of it. */
  readonly said: () => string
  /** The checkpoints that were written to a file outside. */
  readonly anchored: () => Promise<string>
  readonly close: () => Promise<void>
}

const ENV = { CUSTOMERS_API_TOKEN: 'credential-of-this-test' }

export async function startCluster(): Promise<Cluster> {
  const forwarded: string[] = []
  const upstream = await listen((incoming, outgoing) => {
    forwarded.push(incoming.url ?? '')
    const answer = () => outgoing.setHeader('content-type', 'application/json').end('{"ok":true}')
    incoming.resume().on('end', answer)
  })
  const [pdp_port, pep_port, issuer_port] = [await keptPort(), await keptPort(), await keptPort()]
  const where = await place((config) => {
    const from = { env: 'CUSTOMERS_API_TOKEN' }
    const credential = { header: 'authorization', prefix: 'Bearer ', from }
    config.connections = { customers: { kind: 'http', upstream: upstream.url, credential } }
    config.pdp['listen'] = `127.0.0.1:${pdp_port}`
    config.pep['listen'] = [{ address: `127.0.0.1:${pep_port}` }]
  })
  const anchor = join(where.root, 'outside.txt')
  const config = JSON.parse(await readFile(where.config, 'utf8')) as { pdp: object }
  const changed = {
    ...config,
    pdp: { ...config.pdp, evidence: { anchors: [{ file: anchor, every_s: 0.2 }] } },
  }
  await writeFile(where.config, JSON.stringify(changed))
  const startPdp = () => start(where, { args: ['pdp'], issuer_port })
  const startPep = (url: string) => start(where, { args: ['pep', '--pdp', url], env: ENV })
  let pdp = await startPdp()
  let pep = await startPep(pdp.urls.pdp)
  // The development issuer has other keys in each life: a gateway may know those of now or of before.
  let tokens = [pdp.token]
  let person = await logIn(pdp)
  const metrics = async () => (await fetch(`${pep.urls.pep}/metrics`)).text()

  return {
    forwarded,
    async send(path) {
      try {
        const headers = { authorization: `Bearer ${tokens[0]}` }
        const signal = AbortSignal.timeout(10_000)
        const url = `http://127.0.0.1:${pep_port}/customers/customers/${path}`
        const answer = await fetch(url, { headers, signal })
        await answer.arrayBuffer()
        if (answer.status === 401) tokens = tokens.toReversed()
        if (answer.status !== 200) await sleep(20)
      } catch {
        // Somebody was killed. It is tried again with another request.
        await sleep(50)
      }
    },
    async kill(part) {
      if (part === 'postgres') return killPostgres(join(where.folder, 'store', 'data'))
      if (part === 'pep') {
        await pep.end('SIGKILL')
        pep = await startPep(pdp.urls.pdp)
      } else {
        await pdp.end('SIGKILL')
        pdp = await startPdp()
        tokens = [pdp.token, tokens[0] ?? pdp.token]
        person = await logIn(pdp)
      }
    },
    ask: (path, body) =>
      fetch(`http://127.0.0.1:${pdp_port}${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${person}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(60_000),
        ...(body && { body: JSON.stringify(body) }),
      }),
    drained: async () => /^countersign_journal_backlog_bytes 0$/m.test(await metrics()),
    said: () => `pep: ${pep.errors().slice(-2000)}\npdp: ${pdp.errors().slice(-2000)}`,
    anchored: () => readFile(anchor, 'utf8'),
    async close() {
      await end(pep)
      await end(pdp)
      upstream.close()
      await clear(where)
    },
  }
}

async function logIn({ urls, operator_secret: secret }: Started): Promise<string> {
  const login = await deviceToken({
    issuer: urls.issuer,
    client_id: CLI_CLIENT,
    scope: 'openid',
    resource: APPROVALS_RESOURCE,
    onCode: ({ uri }) => void signIn(uri, { name: 'anna', secret }),
  })
  return login.token
}

const end = (one: Started): Promise<unknown> => one.end('SIGTERM')

/** The server's own process; whoever started it starts it again. */
async function killPostgres(data: string): Promise<void> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  // It may not have come back yet from the last time.
  if (pid > 1) kill(pid)
  await sleep(300 + randomInt(700))
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // What the file names is already gone.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function listen(answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void) {
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close(): void {
      server.closeAllConnections()
      server.close()
    },
  }
}
