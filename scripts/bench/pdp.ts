import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildBundle } from '../build-bundle.ts'
import { findOpa } from '../opa.ts'
import { regoFiles } from '../policy-data/evaluate-opa.ts'
import { prepareData } from '../prepare-data.ts'
import { startGateway } from './gateway.ts'
import { COUNTER, smallRequest, sourcesWith, tablesWith } from './policy.ts'
import { freePort, installed, type Running, startProgram } from './processes.ts'
import { remark, type Report } from './report.ts'
import { wrk } from './wrk.ts'

const ROUNDS = 5
const SECONDS = 4
const CONNECTIONS = 16
const BATCH = 100
const GRANTS = 200
const [SERVER_CORE, CLIENT_CORE] = [0, 1]

/**
 * Decisions a second over HTTP, ours and OPA's in turns, each server on one core and wrk on the other. Every request
 * has another subject, so that none is found in the cache; one figure says what the cache makes of requests that agree.
 */
export async function pdp(report: Report): Promise<void> {
  for (const program of ['wrk', 'taskset'])
    if (!installed(program))
      throw new Error(`the pdp suite needs ${program}: apt-get install wrk util-linux`)
  const opa = await findOpa({ purpose: 'build' })
  if (!opa.ok) throw new Error(opa.error.message)
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const source = await sourcesWith(GRANTS, folder)
  const bundle = join(folder, 'bundle.tar.gz')
  await buildBundle({ source, out: bundle, cases: false })
  const pdpPort = await freePort()
  const gateway = await startGateway(
    { development: true, pdp: { listen: `127.0.0.1:${pdpPort}`, bundle } },
    { role: 'pdp' },
  )
  spawnSync('taskset', ['-a', '-p', '-c', String(SERVER_CORE), String(gateway.pid)])
  const port = await freePort()
  const peer = await startPinnedOpa(opa.value.path, folder, source, port)
  try {
    const ours = `${gateway.urls.pdp}/v1/decide`
    const theirs = `http://127.0.0.1:${port}/v1/data/countersign/decision/decision`
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${gateway.pepToken}`,
    }
    const profile = await fetch(`${gateway.urls.pdp}/v1/profile`, { headers })
    const { revision } = (await profile.json()) as { revision: string }
    const request = smallRequest(revision)
    await sameAnswer(ours, theirs, headers, request)

    const one = JSON.stringify(request)
    const differing = Array.from({ length: BATCH }, (_, at) =>
      one.replace(COUNTER, `${COUNTER}-${at}`),
    )
    const load = {
      method: 'POST',
      headers,
      connections: CONNECTIONS,
      seconds: SECONDS,
      core: CLIENT_CORE,
    }
    const counter = COUNTER
    const rates: Record<'single' | 'cached' | 'batch' | 'opa', number[]> = {
      single: [],
      cached: [],
      batch: [],
      opa: [],
    }
    for (let round = 0; round <= ROUNDS; round += 1) {
      remark(round === 0 ? 'pdp: warming up' : `pdp: round ${round} of ${ROUNDS}`)
      const single = await wrk({ ...load, url: ours, body: one, counter })
      const other = await wrk({ ...load, url: theirs, body: `{"input":${one}}`, counter })
      const batch = await wrk({ ...load, url: ours, body: `[${differing.join(',')}]`, counter })
      const cached = await wrk({ ...load, url: ours, body: one })
      const errors = single.errors + other.errors + batch.errors + cached.errors
      if (errors > 0) throw new Error(`${errors} requests failed`)
      if (round === 0) continue
      rates.single.push(single.requests_per_s)
      rates.opa.push(other.requests_per_s)
      rates.batch.push(batch.requests_per_s * BATCH)
      rates.cached.push(cached.requests_per_s)
    }
    const common = { suite: 'pdp', unit: 'decisions/s', peer: rates.opa, peer_name: 'opa run' }
    report({ ...common, metric: 'one at a time', ours: rates.single, goal: 4 })
    report({ ...common, metric: `in batches of ${BATCH}`, ours: rates.batch, goal: 15 })
    report({ ...common, metric: 'one at a time, found in the cache', ours: rates.cached })
  } finally {
    await peer.stop()
    await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** OPA's server on the same policy, its store as OPA's documentation makes it fast. */
async function startPinnedOpa(
  opa: string,
  folder: string,
  source: string,
  port: number,
): Promise<Running> {
  const data = join(folder, 'data.json')
  await writeFile(data, JSON.stringify(prepareData(await tablesWith(GRANTS)).data))
  const files = [data, ...(await regoFiles(join(source, 'countersign')))]
  const args = [
    'run',
    '--server',
    '--addr',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    '--optimize-store-for-read-speed',
  ]
  return startProgram(
    'taskset',
    ['-c', String(SERVER_CORE), opa, ...args, ...files],
    `http://127.0.0.1:${port}/health`,
  )
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
