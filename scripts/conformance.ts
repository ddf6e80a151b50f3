import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type ConformanceCase, readCases } from './conformance/cases.ts'
import { type Outcome, runCase } from './conformance/run-case.ts'
import { findOpa } from './opa.ts'

/** `npm run conformance`: OPA's compliance suite, each case compiled by OPA and evaluated by our engine. */

const usage = `Usage: npm run conformance -- [--cases DIR] [--only FAMILY,…] [--json] [--messages] [--verbose]

Runs cases of OPA's compliance suite through the engine.

  --cases DIR   JSON cases, or OPA's own YAML (v1/test/cases/testdata of its repository). Default: test/conformance
  --only A,B    families (folder or file names), or a part of a case's note
  --json        one object: { total, pass, fail, excluded: { reason: count }, failing: [note] }
  --messages    errors must have OPA's words too, not only its codes
  --verbose     say why a case fails

Exit code 0 when no case fails, 1 when one does, 2 when the cases cannot be read.`

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: 'test/conformance' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    messages: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const found = await findOpa({ purpose: 'build' })
if (!found.ok) stop(found.error.message)
const opa = found.value
const wanted = values.only?.split(',')
const cases = (await readCases(values.cases).catch((error: Error) => stop(error.message))).filter(
  ({ family, note }) =>
    !wanted ||
    wanted.some((name) => family === name || (name.includes('/') && note.includes(name))),
)
if (cases.length === 0) stop(`${values.cases}: there are no cases`)
report(await runAll(cases))

function stop(message: string): never {
  console.error(message)
  process.exit(2)
}

/** Compiling is OPA's work in processes of its own: as many at a time as there are cores. */
async function runAll(all: readonly ConformanceCase[]): Promise<Map<ConformanceCase, Outcome>> {
  const outcomes = new Map<ConformanceCase, Outcome>()
  const queue = all.values()
  const work = async (): Promise<void> => {
    for (const one of queue) {
      outcomes.set(one, await runCase(opa, one, { messages: values.messages }))
      progress(outcomes.size, all.length)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return outcomes
}

function progress(done: number, total: number): void {
  if (!process.stderr.isTTY) return
  const filled = Math.round((30 * done) / total)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(30 - filled)}`
  process.stderr.write(`\r${bar} ${done}/${total}${done === total ? '\n' : ''}`)
}

function report(outcomes: ReadonlyMap<ConformanceCase, Outcome>): void {
  const excluded: Record<string, number> = {}
  const failing: { note: string; file: string; why: string }[] = []
  let pass = 0
  for (const [{ note, file }, outcome] of outcomes) {
    if (outcome.kind === 'pass') pass += 1
    else if (outcome.kind === 'fail') failing.push({ note, file, why: outcome.why })
    else excluded[outcome.reason] = (excluded[outcome.reason] ?? 0) + 1
  }
  const total = outcomes.size
  if (values.json)
    console.log(
      JSON.stringify({
        total,
        pass,
        fail: failing.length,
        excluded,
        failing: failing.map(({ note }) => note),
      }),
    )
  else {
    for (const { note, file, why } of failing)
      console.log(`FAIL ${note} (${file})${values.verbose ? `\n     ${why}` : ''}`)
    for (const [reason, count] of Object.entries(excluded).sort(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`excluded ${count}: ${reason}`)
    const left = Object.values(excluded).reduce((sum, count) => sum + count, 0)
    console.log(`${total} cases: ${pass} pass, ${failing.length} fail, ${left} excluded`)
  }
  process.exitCode = failing.length > 0 ? 1 : 0
}
