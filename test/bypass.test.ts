import { readdir, readFile } from 'node:fs/promises'
import { LineCounter, parse, parseDocument } from 'yaml'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { readArchive } from '../pdp/bundle/archive.ts'
import { verdict } from '../pdp/contract/decision.ts'
import { DECISION_ENTRYPOINT } from '../pdp/decide/ask.ts'
import { createEngine } from '../pdp/engine/engine.ts'
import { toolFacts } from '../pep/facts/tool.ts'
import { policyInput } from '../scripts/schemas.ts'

/**
 * Tool calls that somebody might try, and everyday ones that look like them: facts as the enforcement point makes them,
 * decided by the committed policy. An entry stays for good; a verdict changes only with a reason in its `why`.
 */

const outcome = z.enum(['blocked', 'held', 'allowed'])
const about = { verdict: outcome, why: z.string().min(1) }
const entries = z.array(
  z.union([
    z.strictObject({ command: z.string(), ...about }),
    z.strictObject({ tool: z.string(), input: z.record(z.string(), z.unknown()), ...about }),
  ]),
)

const folder = 'test/bypass'
const bundle = readArchive(await readFile('bundles/default.tar.gz'), 64 * 1024 * 1024)
const engine = createEngine({
  wasm: bundle.get('policy.wasm')!,
  data: bundle.get('data.json')!,
  revision: 'test',
})
const bases = parse(await readFile('test/decisions/bases.yaml', 'utf8'), { merge: true }) as {
  tool_use: { resource: object; context: object }
}
const verdicts = { deny: 'blocked', approve: 'held', allow: 'allowed' } as const

type Call = { readonly name: string; readonly input: Readonly<Record<string, unknown>> }

function decide({ name, input }: Call) {
  const { incomplete, ...facts } = toolFacts(name, input, JSON.stringify(input).length)
  const { tool_use: base } = bases
  const request = {
    ...base,
    resource: { ...base.resource, id: name },
    context: {
      ...base.context,
      facts: { detectors: {}, phrases: [], paths: {}, ...facts, incomplete },
    },
  }
  // As the decision service would refuse it.
  policyInput.parse(request)
  const answer = engine.evaluate(DECISION_ENTRYPOINT, request)
  if (!answer.ok) throw new Error(answer.error.message)
  const { effect, reasons } = verdict.parse(answer.value)
  return { verdict: verdicts[effect], rules: reasons.map((reason) => reason.rule).join(' ') }
}

const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
const cases = (
  await Promise.all(
    files.map(async (file) => {
      const counter = new LineCounter()
      const document = parseDocument(await readFile(`${folder}/${file}`, 'utf8'), {
        lineCounter: counter,
      })
      return entries.parse(document.toJS()).map((entry, at) => {
        const node = document.getIn([at], true) as { range?: [number, number, number] }
        const call: Call =
          'command' in entry
            ? { name: 'Bash', input: { command: entry.command } }
            : { name: entry.tool, input: entry.input }
        return { ...entry, call, place: `${file}:${counter.linePos(node.range?.[0] ?? 0).line}` }
      })
    }),
  )
).flat()

const shown = ({ name, input }: Call): string =>
  name === 'Bash' && typeof input['command'] === 'string'
    ? JSON.stringify(input['command'])
    : `${name} ${JSON.stringify(input)}`

test.each(cases.map((one) => [`${one.place} ${shown(one.call)} is ${one.verdict}`, one] as const))(
  '%s',
  (_, { call, verdict: wanted, why }) => {
    const found = decide(call)
    expect(found.verdict, `${why}; decided by ${found.rules}`).toBe(wanted)
  },
)

test('the corpus keeps hundreds of entries of each verdict, each once', () => {
  const calls = cases.map((one) => JSON.stringify(one.call))
  expect(calls.filter((call, at) => calls.indexOf(call) !== at)).toEqual([])
  for (const one of outcome.options)
    expect(cases.filter(({ verdict }) => verdict === one).length).toBeGreaterThan(100)
})

test('facts of a typical tool call take less than a millisecond', () => {
  const calls: readonly Call[] = [
    { name: 'Bash', input: { command: 'cd src && npm test 2>&1 | tail -40' } },
    { name: 'Read', input: { file_path: '/repo/src/a.ts' } },
    { name: 'mcp__pg__query', input: { sql: 'select a, b from t join u using (id) where c = 1' } },
  ]
  const timed = calls.map(({ name, input }) => {
    const rounds = Array.from({ length: 10 }, () => {
      const started = performance.now()
      for (let k = 0; k < 25; k++) toolFacts(name, input, 100)
      return (performance.now() - started) / 25
    })
    return Math.min(...rounds)
  })
  for (const milliseconds of timed) expect(milliseconds).toBeLessThan(1)
})

test.each<[string, string, Record<string, unknown>]>([
  ['backslashes for sed', 'Bash', { command: `sed 's/${'\\'.repeat(60_000)}'` }],
  ['lines for sed', 'Bash', { command: `sed '${' \n'.repeat(1000)}'` }],
  ['wrappers', 'Bash', { command: `foo '${' sudo'.repeat(10_000)}'` }],
  ['functions', 'Bash', { command: '() {|'.repeat(12_000) }],
  ['options of ssh', 'Bash', { command: `rsync -e 'ssh${' -i'.repeat(1000)}!' a b` }],
  ['comments of SQL', 'q', { sql: '/*'.repeat(30_000) }],
  ['back-quotes of SQL', 'q', { sql: `\`${'!'.repeat(60_000)}` }],
  ['stars of a path', 'Read', { file_path: `${'*'.repeat(120)}z` }],
])('facts of a call with very many %s take less than a second', (_, name, input) => {
  const started = performance.now()
  toolFacts(name, input, 60_000)
  expect(performance.now() - started).toBeLessThan(1000)
})
