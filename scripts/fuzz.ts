import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { targets } from './fuzz/catalogue.ts'
import { keep } from './fuzz/corpus.ts'
import { watch, type Watched } from './fuzz/watch.ts'
import type { Batch } from './fuzz/worker.ts'

/** `npm run fuzz`: random replies, requests and bytes against what reads and masks them. Never part of a test. */

const usage = `Usage: npm run fuzz -- [--minutes N] [--seed N] [--only TARGET,…] [--workers N] [--keep] [--json]

Feeds what inspects replies and requests with random and spoilt inputs, and looks for: a secret that comes out, a
split that changes what comes out, output that no client can read, a hang, memory without bound, an error that is
none of ours.

  --minutes N     how long (default 10); each target has the same time
  --seed N        of the first batch; the same seed makes the same inputs
  --only A,B      ${targets.map(({ name }) => name).join(', ')}
  --workers N     threads (default: as many as cores, at most 4)
  --keep          writes each finding to test/fuzz, where \`npm test\` replays it
  --json          one object: { seed, minutes, executions: { target: count }, rss_mb, findings: [...] }

Exit code 0 when nothing was found, 1 when something was, 2 when there is no such target.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    only: { type: 'string' },
    workers: { type: 'string', default: String(Math.min(4, availableParallelism())) },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const only = values.only?.split(',')
const unknown = only?.filter((name) => !targets.some((target) => target.name === name)) ?? []
const [minutes, workers] = [Number(values.minutes), Number(values.workers)]
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
if (unknown.length > 0 || !(minutes > 0) || !(workers >= 1) || !Number.isInteger(seed)) {
  console.error(unknown.length > 0 ? `unknown target: ${unknown.join(', ')}\n` : 'bad number\n')
  console.error(usage)
  process.exit(2)
}

const chosen = targets.filter(({ name }) => only?.includes(name) ?? true)
const time = new Map(chosen.map(({ name }) => [name, { batches: 0, ms: 0 }]))
const begun = Date.now()
const until = begun + minutes * 60_000

/** The target that had the least time. Its seeds depend on nothing but the first, so that each can be run again. */
function next(): Batch | undefined {
  if (Date.now() >= until) return undefined
  const [least] = [...time].sort(([, a], [, b]) => a.ms - b.ms || a.batches - b.batches)
  if (least === undefined) return undefined
  const [target, had] = least
  // While it runs nobody else should take the same.
  had.ms += 1
  return { target, seed: (seed + had.batches++) % 2 ** 31 }
}

const total = ({ executions }: Watched): number =>
  [...executions.values()].reduce((sum, count) => sum + count, 0)

function progress(watched: Watched): void {
  if (!process.stderr.isTTY) return
  const seconds = Math.round((Date.now() - begun) / 1000)
  const rate = Math.round(total(watched) / Math.max(1, seconds))
  process.stderr.write(
    `\r${seconds} s of ${Math.round(minutes * 60)}, ${total(watched)} executions, ${rate}/s, ` +
      `${watched.found.length} findings, ${watched.rss_mb} MB  `,
  )
}

const spent = (target: string, ms: number): void => {
  const had = time.get(target)
  if (had) had.ms += ms
}

const watched = await watch(workers, next, spent, progress)
if (process.stderr.isTTY) process.stderr.write('\n')
const findings = watched.found.map((found) => ({
  ...found,
  ...(values.keep && { file: keep(found) }),
}))
if (values.json) {
  const executions = Object.fromEntries(watched.executions)
  console.log(JSON.stringify({ seed, minutes, executions, rss_mb: watched.rss_mb, findings }))
} else {
  for (const { target, error, input, times, ...where } of findings) {
    console.log(`FOUND ${target}, ${times} times: ${error}`)
    console.log(`      ${JSON.stringify(where)}`)
    console.log(`      ${JSON.stringify(input)?.slice(0, 2000)}`)
  }
  for (const [target, count] of watched.executions) console.log(`${target.padEnd(18)} ${count}`)
  console.log(
    `seed ${seed}: ${total(watched)} executions in ${minutes} min, ${findings.length} findings, ` +
      `at most ${watched.rss_mb} MB`,
  )
}
process.exitCode = findings.length > 0 ? 1 : 0
