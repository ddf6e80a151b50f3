import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, installed } from './processes.ts'
import { residentMb, startGateway } from './gateway.ts'
import { remark, type Report } from './report.ts'
import { wrk } from './wrk.ts'

const REQUESTS = 100_000
/** Growth that is still called flat: collections of garbage come and go. */
const FLAT_MB = 60

/** Resident memory of the Node process of `npm start`: at rest, and over 100,000 requests. */
export async function memory(report: Report): Promise<void> {
  if (!installed('wrk')) throw new Error('the memory suite needs wrk: apt-get install wrk')
  const gateway = await startGateway({
    development: true,
    pdp: { listen: `127.0.0.1:${await freePort()}` },
    pep: { listen: [{ address: `127.0.0.1:${await freePort()}` }] },
    connections: {
      claude: {
        kind: 'anthropic',
        upstream: 'https://api.anthropic.com',
        credential: { header: 'x-api-key', from: { env: 'COUNTERSIGN_BENCH_UNSET' } },
        stand_in: 'claude',
      },
      customers: {
        kind: 'http',
        upstream: 'https://customers.example.com',
        credential: { header: 'authorization', from: { env: 'COUNTERSIGN_BENCH_UNSET' } },
        stand_in: 'customers',
      },
    },
  })
  try {
    const suite = 'memory'
    const unit = 'MB'
    const lower_is_better = true
    remark('memory: at rest')
    await sleep(5000)
    const rest = await residentMb(gateway.pid)
    report({ suite, metric: 'RSS at rest', unit, ours: [rest], goal: 200, lower_is_better })
    const load = {
      url: `${gateway.urls.pep}/customers/customers/c-1`,
      method: 'GET',
      headers: { authorization: `Bearer ${gateway.token}` },
      body: '',
      connections: 32,
    }
    // The first part warms up; what grows after it goes on growing.
    const first = await served(load, REQUESTS / 5)
    const warm = await residentMb(gateway.pid)
    const rest_of_them = await served(load, REQUESTS)
    await sleep(5000)
    const after = await residentMb(gateway.pid)
    remark(`memory: ${Math.round(first + rest_of_them)} requests`)
    report({ suite, metric: 'RSS after 20,000 requests', unit, ours: [warm] })
    report({ suite, metric: 'RSS after 100,000 more', unit, ours: [after] })
    report({
      suite,
      metric: 'growth over 100,000 requests',
      unit,
      ours: [after - warm],
      goal: FLAT_MB,
      lower_is_better,
    })
  } finally {
    await gateway.stop()
  }
}

type Load = Omit<Parameters<typeof wrk>[0], 'seconds'>

async function served(load: Load, requests: number): Promise<number> {
  let count = 0
  while (count < requests) {
    const { requests_per_s, errors } = await wrk({ ...load, seconds: 5 })
    if (errors > 0) throw new Error(`${errors} requests failed`)
    count += requests_per_s * 5
  }
  return count
}
