import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { verdict as verdictShape } from '../../pdp/contract/decision.ts'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import { createDecisionCache } from '../../pdp/decide/cache.ts'
import { createProjection } from '../../pdp/decide/projection.ts'
import { createEngine, type Engine } from '../../pdp/engine/engine.ts'
import { compileRego } from '../compile-rego.ts'
import { findOpa, type Opa } from '../opa.ts'
import { regoFiles } from '../policy-data/evaluate-opa.ts'
import { prepareData } from '../prepare-data.ts'
import { smallRequest, tablesWith } from './policy.ts'
import { percentile, remark, type Report } from './report.ts'

const ROUNDS = 5
const EVALUATIONS = 20_000
const MEMORY_EVALUATIONS = 1_000_000

/** One decision inside the process, ours and OPA's on the same policy and input; how cost and memory grow. */
export async function engine(report: Report): Promise<void> {
  const found = await findOpa({ purpose: 'build' })
  if (!found.ok) throw new Error(found.error.message)
  const opa = found.value
  const wasm = await policyModule(opa)
  const engines = new Map<number, Engine>()
  for (const grants of [200, 2000, 20_000])
    engines.set(grants, createEngine({ wasm, data: await data(grants), revision: String(grants) }))
  const base = engines.get(200)
  if (!base) throw new Error('no engine')
  const input = smallRequest('a'.repeat(40))
  remark(`engine: an input of ${JSON.stringify(input).length} bytes`)

  const ours: number[] = []
  const cached: number[] = []
  const peer: number[] = []
  const growth = new Map<number, number[]>([...engines.keys()].map((grants) => [grants, []]))
  for (let round = 0; round <= ROUNDS; round += 1) {
    remark(round === 0 ? 'engine: warming up' : `engine: round ${round} of ${ROUNDS}`)
    const uncached = median(base, input)
    const hit = medianCached(base, input)
    const each = [...engines].map(([grants, one]) => [grants, median(one, input)] as const)
    if (round === 0) continue
    ours.push(uncached)
    cached.push(hit)
    for (const [grants, value] of each) growth.get(grants)?.push(value)
    peer.push(await opaBench(opa, input))
  }
  const common = { suite: 'engine', unit: 'µs', lower_is_better: true }
  report({ ...common, metric: 'p50 of a decision', ours, goal: 20 })
  report({ ...common, metric: 'p50 of a decision, beside', ours, peer, peer_name: 'opa bench' })
  report({ ...common, metric: 'p50 of a cached decision', ours: cached, goal: 3 })
  const first = growth.get(200) ?? []
  for (const [grants, values] of growth)
    report({
      ...common,
      metric: `p50 with ${grants} grants ÷ with 200`,
      unit: '×',
      ours: values.map((value, at) => value / (first[at] ?? Number.NaN)),
      ...(grants !== 200 && { goal: 2 }),
    })
  await memory(base, input, report)
}

/** Microseconds. Time of each call, so that a pause of the machine is one value and not all of them. */
function median(engine: Engine, input: unknown): number {
  const took: number[] = []
  for (let n = 0; n < EVALUATIONS; n += 1) {
    const started = process.hrtime.bigint()
    const answer = engine.evaluate(DECISION_ENTRYPOINT, input)
    took.push(Number(process.hrtime.bigint() - started) / 1000)
    if (!answer.ok) throw new Error(answer.error.message)
  }
  return percentile(took, 0.5)
}

/** As the decision service does: what policy declares is cut out, and is the key. */
function medianCached(engine: Engine, input: unknown): number {
  const projection = createProjection(['subject', 'action', 'resource', 'context.facts'])
  const cache = createDecisionCache(1024 * 1024)
  const answer = engine.evaluate(DECISION_ENTRYPOINT, input)
  if (!answer.ok) throw new Error(answer.error.message)
  cache.set(JSON.stringify(projection.show(input)), verdictShape.parse(answer.value))
  const took: number[] = []
  for (let n = 0; n < EVALUATIONS; n += 1) {
    const started = process.hrtime.bigint()
    const known = cache.get(JSON.stringify(projection.show(input)))
    took.push(Number(process.hrtime.bigint() - started) / 1000)
    if (known?.effect !== 'allow') throw new Error('not cached')
  }
  return percentile(took, 0.5)
}

async function opaBench(opa: Opa, input: unknown): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  try {
    const dataFile = join(folder, 'data.json')
    const inputFile = join(folder, 'input.json')
    await writeFile(dataFile, JSON.stringify(await data(200)))
    await writeFile(inputFile, JSON.stringify(input))
    const files = [dataFile, ...(await regoFiles('rego/countersign'))]
    const { code, stdout, stderr } = await opa.run([
      'bench',
      '--format',
      'json',
      '--benchmem=false',
      '--count',
      '1',
      '--optimize-store-for-read-speed',
      '--input',
      inputFile,
      ...files.flatMap((file) => ['--data', file]),
      'data.countersign.decision.decision',
    ])
    if (code !== 0) throw new Error(stderr || stdout)
    const { N, T } = JSON.parse(stdout) as { readonly N: number; readonly T: number }
    return T / N / 1000
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Resident memory over a million evaluations, one in a hundred of which throws. */
async function memory(engine: Engine, input: unknown, report: Report): Promise<void> {
  const sample = async (): Promise<number> => {
    globalThis.gc?.()
    await sleep(50)
    return process.memoryUsage().rss / 1024 / 1024
  }
  const run = (count: number): void => {
    for (let n = 0; n < count; n += 1)
      engine.evaluate(n % 100 === 99 ? CONFLICT : DECISION_ENTRYPOINT, input)
  }
  run(MEMORY_EVALUATIONS / 10)
  const before = await sample()
  for (let part = 0; part < 10; part += 1) {
    run(MEMORY_EVALUATIONS / 10)
    remark(`engine: memory, ${((part + 1) * MEMORY_EVALUATIONS) / 10} evaluations`)
  }
  const after = await sample()
  report({
    suite: 'engine',
    metric: `resident memory after ${MEMORY_EVALUATIONS} evaluations ÷ before`,
    unit: '×',
    ours: [after / before],
    goal: 1.1,
    lower_is_better: true,
  })
}

async function policyModule(opa: Opa): Promise<Uint8Array> {
  const names = await regoFiles('rego/countersign')
  const files = new Map<string, Uint8Array>()
  for (const name of names) files.set(name.slice('rego/'.length), await readFile(name))
  files.set('bench.rego', Buffer.from(CONFLICTING))
  return compileRego(opa, files, [DECISION_ENTRYPOINT, CONFLICT])
}

/** A document whose evaluation ends with a throw out of the module. */
const CONFLICT = 'bench/conflict'
const CONFLICTING = 'package bench\n\nconflict := 1 if input\n\nconflict := 2 if input\n'

const data = async (grants: number): Promise<Record<string, unknown>> =>
  prepareData(await tablesWith(grants)).data
