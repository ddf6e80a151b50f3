import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOpa } from '../opa.ts'
import { startGateway } from './gateway.ts'
import { startOpa } from './nginx.ts'
import { freePort, installed } from './processes.ts'
import { remark, type Report } from './report.ts'
import { decisionInput } from './workload.ts'
import { wrk } from './wrk.ts'

const ROUNDS = 5
const SECONDS = 5
const CONNECTIONS = 16
const BATCH = 100

/** Decisions a second over HTTP, ours and OPA's, in turns. OPA's server decides one request at a time. */
export async function pdp(report: Report): Promise<void> {
  if (!installed('wrk')) throw new Error('the pdp suite needs wrk: apt-get install wrk')
  const opa = await findOpa({ purpose: 'check' })
  if (!opa.ok) throw new Error(opa.error.message)
  const folder = await mkdtemp(join(tmpdir(), 'countersign-opa-'))
  const port = await freePort()
  const pdpPort = await freePort()
  const gateway = await startGateway(
    { development: true, pdp: { listen: `127.0.0.1:${pdpPort}` } },
    { role: 'pdp' },
  )
  const peer = await startOpa(opa.value.path, folder, port)
  try {
    const ours = `${gateway.urls.pdp}/v1/decide`
    const theirs = `http://127.0.0.1:${port}/v1/data/countersign/decision/decision`
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${gateway.pepToken}`,
    }
    const profile = await fetch(`${gateway.urls.pdp}/v1/profile`, { headers })
    const { revision } = (await profile.json()) as { revision: string }
    const request = decisionInput(revision)
    await sameAnswer(ours, theirs, headers, request)

    const one = JSON.stringify(request)
    const many = JSON.stringify(Array.from({ length: BATCH }, () => request))
    const input = JSON.stringify({ input: request })
    const load = { method: 'POST', headers, connections: CONNECTIONS, seconds: SECONDS }
    const rates: Record<'single' | 'batch' | 'opa', number[]> = { single: [], batch: [], opa: [] }
    for (let round = 0; round <= ROUNDS; round += 1) {
      remark(round === 0 ? 'pdp: warming up' : `pdp: round ${round} of ${ROUNDS}`)
      const single = await wrk({ ...load, url: ours, body: one })
      const other = await wrk({ ...load, url: theirs, body: input })
      const batch = await wrk({ ...load, url: ours, body: many })
      const errors = single.errors + other.errors + batch.errors
      if (errors > 0) throw new Error(`${errors} requests failed`)
      if (round === 0) continue
      rates.single.push(single.requests_per_s)
      rates.opa.push(other.requests_per_s)
      rates.batch.push(batch.requests_per_s * BATCH)
    }
    const common = { suite: 'pdp', unit: 'decisions/s', peer: rates.opa, peer_name: 'opa run' }
    report({ ...common, metric: 'one at a time', ours: rates.single, goal: 3 })
    report({ ...common, metric: `in batches of ${BATCH}`, ours: rates.batch, goal: 10 })
  } finally {
    await peer.stop()
    await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** What is measured must be the same work. @throws {Error} when the two decide differently, or not `allow`. */
async function sameAnswer(
  ours: string,
  theirs: string,
  headers: Readonly<Record<string, string>>,
  request: unknown,
): Promise<void> {
  const post = async (url: string, body: unknown): Promise<unknown> =>
    (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()
  const mine = (await post(ours, request)) as { effect?: string }
  const other = (await post(theirs, { input: request })) as { result?: { effect?: string } }
  if (mine.effect !== 'allow' || other.result?.effect !== 'allow')
    throw new Error(`not the same decision: ${JSON.stringify({ mine, other })}`)
}
