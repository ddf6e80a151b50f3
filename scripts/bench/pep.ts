import { setTimeout as sleep } from 'node:timers/promises'
import { findOpa } from '../opa.ts'
import { type Gateway, metric, startGateway } from './gateway.ts'
import { startPeer } from './nginx.ts'
import { freePort, installed } from './processes.ts'
import { remark, type Report } from './report.ts'
import { ADDRESS, answerBody, decisionInput, requestBody } from './workload.ts'
import { type Load, wrk } from './wrk.ts'

export const gatewayEnv = { CUSTOMERS_API_TOKEN: 'bench-upstream-credential' }

const ROUNDS = 5
const SECONDS = 8
const CONNECTIONS = 32
const SUSTAINED_SECONDS = 60

/**
 * Allowed POSTs of 1.9 KB through the enforcement point with everything on (token verified, decided, journaled twice,
 * shipped, JSON answer masked) against nginx `auth_request` → `opa run --server` on the same policy and upstream, in turns.
 */
export async function pep(report: Report): Promise<void> {
  const missing = ['wrk', 'nginx'].filter((program) => !installed(program))
  if (missing.length > 0)
    throw new Error(`the pep suite needs ${missing.join(' and ')}: apt-get install wrk nginx-light`)
  const opa = await findOpa({ purpose: 'check' })
  if (!opa.ok) throw new Error(opa.error.message)
  const input = decisionInput('0'.repeat(64))
  const peer = await startPeer({ opa: opa.value.path, input, answer: answerBody })
  try {
    const gateway = await startGateway(await gatewayConfig(peer.upstream), {
      env: gatewayEnv,
    })
    try {
      await sideBySide(report, gateway, peer.url)
      await sustained(report, gateway)
    } finally {
      await gateway.stop()
    }
  } finally {
    await peer.stop()
  }
}

/** What is asked of a gateway that was started with `gatewayConfig`. */
export const loadOf = (gateway: Gateway): Load => ({
  url: `${gateway.urls.pep}/customers/customers`,
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.token}` },
  body: requestBody,
  connections: CONNECTIONS,
  seconds: SECONDS,
})

async function sideBySide(report: Report, gateway: Gateway, peerUrl: string): Promise<void> {
  const load = loadOf(gateway)
  await masksWhatItShould(load)
  const rate: [number[], number[]] = [[], []]
  const p50: [number[], number[]] = [[], []]
  const p99: [number[], number[]] = [[], []]
  for (let round = 0; round <= ROUNDS; round += 1) {
    remark(round === 0 ? 'pep: warming up' : `pep: round ${round} of ${ROUNDS}`)
    const ours = await wrk(load)
    const theirs = await wrk({ ...load, url: `${peerUrl}/customers` })
    const errors = ours.errors + theirs.errors
    if (errors > 0) throw new Error(`${errors} requests failed`)
    if (round === 0) continue
    for (const [side, result] of [ours, theirs].entries()) {
      rate[side]?.push(result.requests_per_s)
      p50[side]?.push(result.p50_ms)
      p99[side]?.push(result.p99_ms)
    }
  }
  const peer_name = 'nginx auth_request + opa'
  const add = (metric: string, unit: string, [ours, peer]: [number[], number[]]): void =>
    report({
      suite: 'pep',
      metric,
      unit,
      ours,
      peer,
      peer_name,
      goal: 1,
      lower_is_better: unit === 'ms',
    })
  add('allowed POST, 1.9 KB', 'requests/s', rate)
  add('latency p50', 'ms', p50)
  add('latency p99', 'ms', p99)
}

/** @throws {Error} when the answer is not the upstream's with its address masked: nothing else is worth measuring. */
async function masksWhatItShould({ url, method, headers, body }: Load): Promise<void> {
  const response = await fetch(url, { method, headers, body })
  const text = await response.text()
  if (response.status !== 200 || text.includes(ADDRESS) || !text.includes('example.com'))
    throw new Error(`the gateway answers ${response.status}: ${text.slice(0, 300)}`)
}

/** A minute at full load, and how long its record then takes to be in the store. */
async function sustained(report: Report, gateway: Gateway): Promise<void> {
  remark(`pep: ${SUSTAINED_SECONDS} s sustained, shipping on`)
  const { pep: url = '' } = gateway.urls
  const result = await wrk({ ...loadOf(gateway), seconds: SUSTAINED_SECONDS })
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`)
  const ended = performance.now()
  let backlog = await metric(url, 'countersign_journal_backlog_bytes')
  const most = backlog
  while (backlog !== 0 && performance.now() - ended < 120_000) {
    await sleep(100)
    backlog = await metric(url, 'countersign_journal_backlog_bytes')
  }
  const seconds = backlog === 0 ? (performance.now() - ended) / 1000 : Number.POSITIVE_INFINITY
  const suite = 'pep'
  report({ suite, metric: 'sustained 60 s', unit: 'requests/s', ours: [result.requests_per_s] })
  report({ suite, metric: 'sustained 60 s, p99', unit: 'ms', ours: [result.p99_ms] })
  report({ suite, metric: 'backlog at the end', unit: 'MB', ours: [(most ?? Number.NaN) / 1e6] })
  report({
    suite,
    metric: 'backlog in the store after the end',
    unit: 's',
    ours: [seconds],
    goal: 10,
    lower_is_better: true,
  })
}

/** One connection, `customers`. */
export async function gatewayConfig(upstream: string): Promise<Record<string, unknown>> {
  return {
    development: true,
    pdp: { listen: `127.0.0.1:${await freePort()}` },
    pep: { listen: [{ address: `127.0.0.1:${await freePort()}` }] },
    connections: {
      customers: {
        kind: 'http',
        upstream,
        credential: {
          header: 'authorization',
          prefix: 'Bearer ',
          from: { env: 'CUSTOMERS_API_TOKEN' },
        },
      },
    },
  }
}
