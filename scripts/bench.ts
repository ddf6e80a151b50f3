import { parseArgs } from 'node:util'
import { detect } from './bench/detect.ts'
import { engine } from './bench/engine.ts'
import { evidence } from './bench/evidence.ts'
import { mask } from './bench/mask.ts'
import { memory } from './bench/memory.ts'
import { pdp } from './bench/pdp.ts'
import { pep } from './bench/pep.ts'
import { createReporter, type Report } from './bench/report.ts'
import { stream } from './bench/stream.ts'
import { turns } from './bench/turns.ts'

/** `npm run bench -- <suite>… [--json]`: figures, side by side with the named peer in one run. Never part of a test. */

const suites: Readonly<
  Record<string, (report: Report, options: { readonly leaves: number }) => Promise<void>>
> = {
  pep,
  pdp,
  engine,
  stream,
  mask,
  turns,
  detect,
  memory,
  evidence,
}

const usage = `Usage: npm run bench -- [suite...] [--json] [--leaves n]

Measures this machine and prints medians and ratios; every suite when none is named.

  pep      requests/s and latency through the gateway ÷ nginx auth_request → opa, then 60 s sustained
  pdp      decisions/s of /v1/decide ÷ opa run, one at a time and in batches of 100
  engine   time of one decision inside the process, cached and not ÷ opa bench; growth with grants, memory
  stream   time added to each event, text held back, memory of 2,000 streams at once
  mask     MB/s of the mask engine, clean and with findings
  turns    a conversation of 4 MB that is sent again with one message more ÷ its first time
  detect   precision and recall of each detector on test/corpus, and recall of each form
  memory   resident memory of \`npm start\` at rest and over 100,000 requests
  evidence steps/s into the log, time from step to leaf, proofs of 10,000,000 leaves, verify, backtest, cost of sealing

  --leaves of the log that evidence proves from; default 10,000,000, which take minutes and 10 GB of disk
  --json   one object a line: { suite, metric, unit, ours, peer, peer_name, ratio, goal, met }

pep, pdp, memory and evidence need wrk, pep and evidence also nginx (Debian: apt-get install wrk nginx-light). A goal that is missed
does not change the exit code; a measurement that failed exits 1.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    leaves: { type: 'string', default: '10000000' },
    help: { type: 'boolean', default: false },
  },
})
const leaves = Number(values.leaves)
const unknown = positionals.filter((name) => !Object.hasOwn(suites, name))
const wrong = unknown.length > 0 || !Number.isSafeInteger(leaves) || leaves < 2
if (values.help || wrong) {
  if (unknown.length > 0) console.error(`unknown suite: ${unknown.join(', ')}\n`)
  console.error(usage)
  process.exit(wrong ? 2 : 0)
}
const report = createReporter(values.json)
const wanted = Object.entries(suites).filter(
  ([name]) => positionals.length === 0 || positionals.includes(name),
)
for (const [, run] of wanted) await run(report, { leaves })
