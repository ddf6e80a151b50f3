import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { startIssuer, type TestIssuer } from '../identity/testing.ts'
import type { ApprovalState, ApprovalStatus } from '../pdp/contract/approval.ts'
import type { ApprovalId, DecisionId, Revision } from '../pdp/contract/brand.ts'
import type { PdpClient } from '../pdp/contract/client.ts'
import type { Decision } from '../pdp/contract/decision.ts'
import type { ExtractionProfile } from '../pdp/contract/profile.ts'
import type { JournalRecord } from '../pdp/contract/record.ts'
import { type DecisionRequest, decisionRequest } from '../pdp/contract/request.ts'
import { err, ok } from '../pdp/contract/result.ts'
import { parsePepConfig } from './config.ts'
import { PepError } from './core/errors.ts'
import type { Journal } from './core/services.ts'
import { createPep, type Pep } from './pep.ts'

/** Material for tests of the enforcement point: everything real but the decisions, which the test makes. */

/** An injected credential that looks like none that exists. */
export const KEY = ['upstream', 'key', randomUUID()].join('-')

export const profileOf = (more: Partial<ExtractionProfile> = {}): ExtractionProfile => ({
  detectors: ['email'],
  custom_detectors: [],
  phrases: [],
  json_paths: [],
  inspect_bodies: ['api'],
  ...more,
})

export type Verdict = Pick<Decision, 'effect'> & Partial<Decision>

/** A decision service that decides as the test says, and remembers what it was asked. */
export type TestPdp = PdpClient & {
  decideAs: (request: DecisionRequest) => Verdict
  profileNow: ExtractionProfile
  approval: ApprovalState
  available: boolean
  readonly requests: DecisionRequest[]
  readonly events: string[]
}

export const revision = '0'.repeat(64) as Revision

export function createTestPdp(events: string[]): TestPdp {
  const status = (): ApprovalStatus => ({
    id: 'approval-1' as ApprovalId,
    state: pdp.approval,
    expires_ms: Date.now() + 60_000,
  })
  const down = err({ code: 'PDP_UNAVAILABLE', message: 'it does not answer' } as const)
  const answer = <T>(value: T) => Promise.resolve(pdp.available ? ok(value) : down)
  const pdp: TestPdp = {
    decideAs: () => ({ effect: 'allow' }),
    profileNow: profileOf(),
    approval: 'pending',
    available: true,
    requests: [],
    events,
    decide(requests) {
      return answer(
        requests.map((request): Decision => {
          decisionRequest.parse(request)
          pdp.requests.push(request)
          events.push('decide')
          const id = `decision-${pdp.requests.length}` as DecisionId
          return { id, reasons: [], obligations: [], revision, ...pdp.decideAs(request) }
        }),
      )
    },
    profile: () => answer({ revision, profile: pdp.profileNow }),
    demandApproval: () => answer(status()),
    async awaitApproval(_id, wait_ms) {
      const until = Date.now() + wait_ms
      while (pdp.approval === 'pending' && Date.now() < until) {
        await new Promise((resolve) => {
          setTimeout(resolve, 5)
        })
      }
      return answer(status())
    },
    useApproval() {
      if (pdp.approval !== 'approved')
        return Promise.resolve(err({ code: 'PDP_REFUSED', message: 'already used' } as const))
      pdp.approval = 'consumed'
      events.push('use')
      return answer(status())
    },
    append: (batch) => answer({ seq: batch.frames.at(-1)?.seq ?? -1 }),
  }
  return pdp
}

/** A record in memory that keeps the order of things. */
export type TestJournal = Journal & {
  accepting: boolean
  /** Kinds of records that fail from now on. */
  readonly broken: Set<JournalRecord['kind']>
  readonly records: JournalRecord[]
}

export function createTestJournal(events: string[]): TestJournal {
  const journal: TestJournal = {
    accepting: true,
    broken: new Set(),
    records: [],
    async append(record) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      if (journal.broken.has(record.kind)) throw new PepError('PEP_JOURNAL', 'disk full')
      journal.records.push(record)
      events.push(record.kind)
    },
  }
  return journal
}

export type Received = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly raw: readonly string[]
  readonly body: Buffer
}

export type Bench = {
  readonly url: string
  readonly port: number
  readonly pep: Pep
  readonly pdp: TestPdp
  readonly journal: TestJournal
  readonly issuer: TestIssuer
  readonly token: string
  /** What the upstream got, body read whole. */
  readonly received: Received[]
  /** `decide`, `intent`, `chunk`, `upstream`, `outcome`, …, in order. */
  readonly events: string[]
  /** Replaces the upstream's behaviour; the body is read before, unless `raw`. */
  upstream: (
    received: Received,
    response: ServerResponse,
    request: IncomingMessage,
  ) => void | Promise<void>
  raw: boolean
  readonly close: () => Promise<void>
}

type BenchOptions = {
  readonly connection?: object
  readonly pep?: object
  readonly env?: Record<string, string>
}

/** Starts an issuer, an upstream and an enforcement point with one connection, `api`, on loopback. */
export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const events: string[] = []
  const issuer = await startIssuer()
  const pdp = createTestPdp(events)
  const journal = createTestJournal(events)
  const received: Received[] = []
  const behind = createServer((request, response) => {
    void receive(request).then((what) => bench.upstream(what, response, request))
  })
  const receive = async (request: IncomingMessage): Promise<Received> => {
    events.push('upstream')
    const body = bench.raw ? Buffer.alloc(0) : await bodyOf(request)
    const { method = '', url = '', headers, rawHeaders } = request
    const what = { method, url, headers, raw: rawHeaders, body }
    received.push(what)
    return what
  }
  const upstreamPort = await listening(behind)
  const config = parsePepConfig({
    identity: { issuers: [{ url: issuer.url, audience: 'countersign' }] },
    pep: { listen: [{ address: '127.0.0.1:0' }], ...options.pep },
    connections: {
      api: {
        kind: 'http',
        upstream: `http://127.0.0.1:${upstreamPort}`,
        credential: { header: 'x-upstream-key', from: { env: 'TEST_KEY' } },
        ...options.connection,
      },
    },
  })
  const pep = await createPep(config, {
    pdp,
    journal,
    log: () => {},
    env: { TEST_KEY: KEY, ...options.env },
    maskKey: new Uint8Array(32).fill(5),
  })
  const [url = ''] = await pep.listen()
  const bench: Bench = {
    url: `${url}/api`,
    port: Number(new URL(url).port),
    pep,
    pdp,
    journal,
    issuer,
    token: await issuer.token(),
    received,
    events,
    upstream: (_received, response) => void response.end('ok'),
    raw: false,
    async close() {
      await pep.close(0)
      await issuer.close()
      behind.close()
      behind.closeAllConnections()
    },
  }
  return bench
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch {
    // The sender went away.
  }
  return Buffer.concat(chunks)
}

const listening = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

/**
 * Sends bytes on a raw socket; resolves with all that comes back until the other side is done, or says nothing for
 * `wait_ms`. Until its first byte it has as long as a busy machine may need.
 */
export function rawRequest(port: number, bytes: string | Buffer, wait_ms = 1000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    const done = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    let timer = setTimeout(done, 10_000)
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      clearTimeout(timer)
      timer = setTimeout(done, wait_ms)
    })
    socket.on('error', done)
    socket.on('end', done)
    socket.on('close', done)
    socket.write(bytes)
  })
}
