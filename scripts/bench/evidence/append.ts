import { loadavg } from 'node:os'
import { percentile, remark, type Report } from '../report.ts'
import { benchSigner, type Database, type Server, type Service, startService } from './service.ts'
import { type Job, rateOf, write } from './writers.ts'

const ROUNDS = 3
const STEPS = 30_000
const OFFERED_PER_S = 5_000
const OFFERED_SECONDS = 15
const OFFERED_WARM_UP_S = 5

/** Two enforcement points ship sealed records to one decision service that signs meanwhile; and the time a step takes. */
export async function append(report: Report, server: Server): Promise<void> {
  const database = await server.database('append')
  const service = await startService(database.url, (await benchSigner()).seed)
  try {
    await asFastAsTaken(report, service, database)
    await atRate(report, service, database)
  } finally {
    await service.stop()
    await database.drop()
  }
}

const shipping = ({ url, peps }: Service) =>
  peps.map((pep, at) => ({ pep, url, token: `BENCH_PEP_TOKEN_${at + 1}` }))

async function asFastAsTaken(
  report: Report,
  service: Service,
  { owner, url }: Database,
): Promise<void> {
  await owner`
    create table plain_records (pep text, seq bigint, kind text not null, time_ms bigint not null, session_id text,
      operation_id text, record text not null)`
  await owner`create index on plain_records (session_id, seq)`
  const ours: number[] = []
  const theirs: number[] = []
  const batches: number[] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    const before = await sizeOf(owner)
    const all = await write(
      shipping(service).map((to): Job => ({ kind: 'ship', ...to, steps: STEPS })),
      service.env,
    )
    const frames = all.reduce((sum, { frames }) => sum + frames, 0)
    const taken = (await sizeOf(owner)) - before
    // The service's own leaves may come on top.
    if (taken < frames) throw new Error(`${frames} steps are acknowledged, and ${taken} are leaves`)
    const plain = await write(
      service.peps.map((pep): Job => ({ kind: 'plain', pep, database: url, steps: STEPS })),
    )
    remark(
      `evidence: append, ${round === 0 ? 'warming up' : `round ${round} of ${ROUNDS}`}: ${Math.round(rateOf(all))} steps/s, plain table ${Math.round(rateOf(plain))}, load ${loadavg()[0]?.toFixed(1)}`,
    )
    if (round === 0) continue
    ours.push(rateOf(all))
    theirs.push(rateOf(plain))
    batches.push(...all.flatMap(({ batches_ms }) => batches_ms))
  }
  const suite = 'evidence'
  report({ suite, metric: 'appended from two writers', unit: 'steps/s', ours, goal: 5_000 })
  report({
    suite,
    metric: 'appended from two writers, beside the same in a plain table',
    unit: 'steps/s',
    ours,
    peer: theirs,
    peer_name: 'plain table',
  })
  for (const p of [0.5, 0.99])
    report({
      suite,
      metric: `batch of 1000, p${p * 100}`,
      unit: 'ms',
      ours: [percentile(batches, p)],
      lower_is_better: true,
    })
}

async function atRate(report: Report, service: Service, { owner }: Database): Promise<void> {
  remark(
    `evidence: ${OFFERED_PER_S} steps/s offered for ${OFFERED_SECONDS} s, load ${loadavg()[0]?.toFixed(1)}`,
  )
  const from = await sizeOf(owner)
  const all = await write(
    shipping(service).map((to): Job => ({
      kind: 'pace',
      ...to,
      steps_per_s: OFFERED_PER_S / service.peps.length,
      warm_up_s: OFFERED_WARM_UP_S,
      seconds: OFFERED_SECONDS,
    })),
    service.env,
  )
  const took = all.flatMap(({ step_to_ack_ms }) => step_to_ack_ms)
  const began_ms = Math.max(...all.map(({ started_ms }) => started_ms))
  const signed = await untilSigned(owner, from, began_ms + OFFERED_WARM_UP_S * 1000)
  const suite = 'evidence'
  const common = { suite, unit: 'ms', lower_is_better: true }
  report({
    suite,
    metric: 'taken of 5,000 offered',
    unit: 'steps/s',
    ours: [took.length / OFFERED_SECONDS],
  })
  for (const [name, values] of [
    ['step to leaf', took],
    ['step to checkpoint', signed],
  ] as const) {
    // Half of the leaves wait for the next second: only the first has a goal.
    const goal = values === took ? { goal: 1000 } : {}
    report({ ...common, metric: `${name}, p50`, ours: [percentile(values, 0.5)] })
    report({ ...common, metric: `${name}, p99`, ours: [percentile(values, 0.99)], ...goal })
    report({ ...common, metric: `${name}, most`, ours: [percentile(values, 1)] })
  }
}

async function sizeOf(owner: Database['owner']): Promise<number> {
  const [row] = await owner<{ size: number }[]>`select size::int as size from countersign.log_head`
  return row?.size ?? Number.NaN
}

/** Time from each step since `since_ms`, from leaf `from` on, to the signature of the first checkpoint that covers it, milliseconds. */
async function untilSigned(
  owner: Database['owner'],
  from: number,
  since_ms: number,
): Promise<readonly number[]> {
  const size = await sizeOf(owner)
  const deadline = performance.now() + 10_000
  for (;;) {
    const [row] = await owner`select 1 from countersign.checkpoints where size >= ${size}`
    if (row) break
    if (performance.now() > deadline) throw new Error('the log is not signed')
    await new Promise((done) => setTimeout(done, 50))
  }
  const rows = await owner<{ took_ms: number }[]>`
    select (c.at_ms - l.time_ms)::int as took_ms
    from countersign.leaves l
    cross join lateral (
      select at_ms from countersign.checkpoints c where c.size > l.idx order by c.size limit 1) c
    where l.idx >= ${from} and l.time_ms >= ${since_ms} and l.kind in ('intent', 'decision', 'chunk', 'outcome')`
  return rows.map(({ took_ms }) => took_ms)
}
