import { backtest as runBacktest } from '../backtest/backtest.ts'
import type { Source } from '../backtest/read.ts'
import { createGenerator, type Generator } from '../backtest/testing.ts'
import { contentsOf } from '../policy-sources.ts'
import { remark, type Report } from './report.ts'

const ROUNDS = 5
const DECISIONS = 100_000
const STRANGERS = 20_000

/**
 * Recorded decisions a second, in one thread: each is read, parsed, evaluated under its own revision and under a candidate,
 * compared and counted. Evaluations are shared by decisions of which policy is shown the same; where no two are alike there
 * are two for each. Making the lines is measured by itself and taken off.
 */
export async function backtest(report: Report): Promise<void> {
  const generator = await createGenerator()
  const candidate = await contentsOf('bundles/default.tar.gz')
  const alike: number[] = []
  const strange: number[] = []
  const evaluations: number[] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    remark(round === 0 ? 'backtest: warming up' : `backtest: round ${round} of ${ROUNDS}`)
    const known = await measured(generator.record(DECISIONS, { seed: round }), generator)
    const unknown = await measured(
      generator.record(STRANGERS, { seed: round, strangers: true }),
      generator,
    )
    if (round === 0) continue
    alike.push(DECISIONS / known.seconds)
    strange.push(STRANGERS / unknown.seconds)
    evaluations.push(unknown.evaluated / unknown.seconds)
    remark(`backtest: ${DECISIONS} decisions took ${known.evaluated} evaluations`)
  }
  const common = { suite: 'evidence', unit: 'decisions/s' }
  report({ ...common, metric: 'backtest a core', ours: alike, goal: 20_000 })
  report({ ...common, metric: 'backtest a core, no two alike', ours: strange })
  report({
    ...common,
    metric: 'backtest a core, no two alike, evaluations',
    unit: 'evaluations/s',
    ours: evaluations,
  })

  async function measured(
    source: Source,
    { policy }: Generator,
  ): Promise<{ readonly seconds: number; readonly evaluated: number }> {
    const making = await timed(async () => {
      // It is read twice: once to see what there is, and once to evaluate it.
      for (let pass = 0; pass < 2; pass += 1) for await (const _ of source.open());
    })
    let evaluated = 0
    const all = await timed(async () => {
      const found = await runBacktest(source, { candidate })
      if (!found.ok) throw found.error
      const { unchanged, decisions, live } = found.value
      if (unchanged !== decisions || live !== policy.revision)
        throw new Error('a policy differs from itself')
      evaluated = found.value.evaluations.evaluated
    })
    return { seconds: all - making, evaluated }
  }
}

/** @returns seconds. */
async function timed(run: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await run()
  return (performance.now() - started) / 1000
}
