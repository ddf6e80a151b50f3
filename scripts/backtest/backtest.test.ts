import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BundleContents } from '../../pdp/bundle/bundle.ts'
import { buildBundle } from '../build-bundle.ts'
import { loadCases } from '../policy-data/cases.ts'
import { contentsOf } from '../policy-sources.ts'
import { backtest, type BacktestOptions } from './backtest.ts'
import type { Recorded, RecordedInput } from './format.ts'
import { changesIn, isDefective, type Report } from './report.ts'
import {
  createGenerator,
  endLine,
  type Generator,
  headerLine,
  lineOf,
  sourceOf,
} from './testing.ts'

let root: string
let generator: Generator
let own: BundleContents
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-backtest-test-'))
  generator = await createGenerator()
  own = await contentsOf('bundles/default.tar.gz')
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** The sources with a change, built. @returns path of the bundle. */
async function changed(name: string, change: (data: string) => Promise<void>): Promise<string> {
  const source = join(root, name)
  await cp('rego', source, { recursive: true })
  await change(join(source, 'data'))
  const out = join(root, `${name}.tar.gz`)
  await buildBundle({ source, out, cases: false })
  return out
}

const adding =
  (file: string, yaml: string) =>
  (data: string): Promise<void> =>
    appendFile(join(data, file), `\n${yaml}`)

async function reported(
  lines: readonly string[],
  candidate: BundleContents,
  options: Partial<BacktestOptions> = {},
): Promise<Report> {
  const found = await backtest(
    sourceOf(() => lines),
    { candidate, ...options },
  )
  if (!found.ok) throw found.error
  const { value } = found
  const parts =
    changesIn(value) +
    value.unchanged +
    value.defects +
    value.undecidable.reduce((sum, { count }) => sum + count, 0) +
    Object.values(value.not_policy).reduce((sum, count) => sum + count, 0) +
    value.unavailable.reduce((sum, { count }) => sum + count, 0)
  // Nothing is counted twice or not at all, whatever the test is about.
  expect(parts).toBe(value.decisions)
  return value
}

const policyLine = (of = generator): string => JSON.stringify({ policy: of.recordedPolicy })
const record = (...decisions: readonly string[]): string[] => [
  headerLine,
  policyLine(),
  ...decisions,
  endLine(decisions.length),
]

/** A request of the `http` base. */
async function read(path: string): Promise<RecordedInput> {
  const base = (await loadCases('test/decisions')).find(({ file }) => file.endsWith('http.yaml'))
  const request = structuredClone(base?.input) as RecordedInput
  const [, ...segments] = path.split('/')
  const http = {
    method: 'GET',
    path,
    segments,
    query: {},
    body_bytes: 0,
    inspected: true,
  }
  return {
    ...request,
    resource: { ...request.resource, id: path },
    context: { ...request.context, facts: { ...request.context.facts, http } },
  }
}

const ids = (report: Report): string[] =>
  report.by_rule.flatMap(({ examples }) => examples.map(({ decision_id }) => decision_id)).sort()

test('against its own policy nothing changes and nothing is a defect, whatever was decided', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 0, max: 400 }), async (seed, count) => {
      const report = await reported(
        [headerLine, policyLine(), ...generator.decisions(count, { seed }), endLine(count)],
        own,
      )
      expect(report).toMatchObject({ decisions: count, unchanged: count, defects: 0 })
    }),
    { numRuns: 20 },
  )
})

test('a grant that is added is a new allow for exactly the requests that it covers', async () => {
  const candidate = await contentsOf(
    await changed(
      'granted',
      adding(
        'grants.yaml',
        `- id: planted
  description: Reports may be read.
  who: { groups: [agents] }
  connection: customers
  http: { methods: [GET], paths: ['/reports/**'] }
`,
      ),
    ),
  )
  const planted = ['/reports/1', '/reports/2024/may', '/reports']
  const others = ['/report/1', '/customers/1', '/reportsx/1', '/']
  const made = await Promise.all(
    [...planted, ...others].map(async (path, at) => ({
      ...(await generator.decide(await read(path))),
      decision_id: `mine-${at}`,
    })),
  )
  const lines = record(...generator.decisions(500), ...made.map(lineOf))
  const report = await reported(lines, candidate, { examples: 10 })
  expect(report.changed).toEqual({
    'new allow': planted.length,
    'new approval': 0,
    'new deny': 0,
    'other duties': 0,
  })
  expect(ids(report)).toEqual(['mine-0', 'mine-1', 'mine-2'])
  expect(report.by_rule).toMatchObject([
    {
      kind: 'new allow',
      from: { effect: 'deny', rules: ['policy.no_grant'] },
      to: { effect: 'allow', rules: ['grant.planted'] },
      count: 3,
    },
  ])
  expect(report.by_subject).toMatchObject([{ from: 'deny', to: 'allow', count: 3 }])
})

describe('a defect', () => {
  const tampered: [string, (one: Recorded) => Recorded][] = [
    ['an effect', (one) => ({ ...one, verdict: { ...one.verdict, effect: 'deny' } })],
    [
      'the words of a reason',
      (one) => ({
        ...one,
        verdict: {
          ...one.verdict,
          reasons: one.verdict.reasons.map((reason) => ({ ...reason, message: 'x' })),
        },
      }),
    ],
    [
      'obligations that are gone',
      (one) => ({ ...one, verdict: { ...one.verdict, obligations: [] } }),
    ],
    [
      'another subject',
      (one) => {
        const properties = { ...one.input.subject.properties, groups: ['nobody'] }
        return { ...one, input: { ...one.input, subject: { ...one.input.subject, properties } } }
      },
    ],
    [
      'facts of another revision',
      (one) => {
        const context = { ...one.input.context, facts_revision: 'f'.repeat(64) }
        return { ...one, input: { ...one.input, context: context as RecordedInput['context'] } }
      },
    ],
  ]
  test.each(tampered)('is %s', async (_, tamper) => {
    const one = await generator.decide(await read('/customers/7'))
    expect(one.verdict.effect).toBe('allow')
    const bad = { ...tamper(one), decision_id: 'bad' }
    const report = await reported(record(lineOf(one), lineOf(bad), lineOf(one)), own)
    expect(report).toMatchObject({ unchanged: 2, defects: 1 })
    expect(report.defect_examples.map(({ decision_id }) => decision_id)).toEqual(['bad'])
    expect(isDefective(report)).toBe(true)
  })

  test('is not hidden by other rules under the revision’s name', async () => {
    const other = await readFile(await changed('other', adding('deny.yaml', NO_READS)))
    const forged = {
      ...generator.recordedPolicy,
      bundles: [{ name: 'default', archive: other.toString('base64') }],
    }
    const one = await generator.decide(await read('/customers/7'))
    const lines = [headerLine, JSON.stringify({ policy: forged }), lineOf(one), endLine(1)]
    const found = await backtest(
      sourceOf(() => lines),
      { candidate: own },
    )
    expect(found).toMatchObject({ ok: false, error: { code: 'BACKTEST_POLICY' } })
  })
})

const NO_READS = `- id: no_reads
  message: No reads.
  connections: [customers]
  http: { methods: [GET], paths: ["/customers/**"] }
`

test('failures of the decision service are no answers of policy', async () => {
  const one = await generator.decide(await read('/customers/7'))
  const failed = {
    ...one,
    verdict: {
      effect: 'deny' as const,
      reasons: [{ rule: 'pdp.store', message: 'later' }],
      obligations: [],
    },
  }
  const report = await reported(record(lineOf(failed), lineOf(one)), own)
  expect(report).toMatchObject({ unchanged: 1, not_policy: { 'pdp.store': 1 }, defects: 0 })
})

test('decisions of a revision that is not there are counted and not compared', async () => {
  const one = await generator.decide(await read('/customers/7'))
  const context = { ...one.input.context, facts_revision: 'a'.repeat(64) }
  const lost = {
    ...one,
    revision: 'a'.repeat(64),
    input: { ...one.input, context: context as RecordedInput['context'] },
  }
  const report = await reported(record(lineOf(lost), lineOf(one)), own)
  expect(report).toMatchObject({
    unchanged: 1,
    unavailable: [{ revision: 'a'.repeat(64), count: 1, fails_its_test: false }],
  })
  expect(isDefective(report)).toBe(false)
  // The newest is what decisions are compared with, so without it those of an older one are not either.
  const last = await reported(record(lineOf(one), lineOf(lost)), own)
  expect(last.undecidable).toMatchObject([{ reason: 'live_unavailable', count: 1 }])
})

test('what an older policy decided is compared with what the newest would have', async () => {
  const newer = await createGenerator(await changed('newer', adding('deny.yaml', NO_READS)))
  const old = await generator.decide(await read('/customers/7'))
  const now = await newer.decide(await read('/customers/7'))
  expect([old.verdict.effect, now.verdict.effect]).toEqual(['allow', 'deny'])
  const lines = [headerLine, policyLine(), lineOf(old), policyLine(newer), lineOf(now), endLine(2)]
  const candidate = await contentsOf(join(root, 'newer.tar.gz'))
  expect(await reported(lines, candidate)).toMatchObject({ unchanged: 2, defects: 0 })
  expect(await reported(lines, own)).toMatchObject({ changed: { 'new allow': 2 }, defects: 0 })
})

test('only decisions of the time and the session that are asked for are counted', async () => {
  const lines = record(...generator.decisions(200))
  const some = await reported(lines, own, { since_ms: 1_767_225_600_000 + 100 * 40 })
  expect(some).toMatchObject({ decisions: 100, first_ms: 1_767_225_600_000 + 100 * 40 })
  expect(await reported(lines, own, { session: 'session-1' })).toMatchObject({ decisions: 40 })
})

describe('what a session has seen', () => {
  test('decides again with what was recorded, and not at all where nobody had asked', async () => {
    const after = `- id: after_customers
  message: Not after customers.
  connections: [customers]
  after: [customer_data]
  http: { methods: [GET], paths: ["/customers/**"] }
`
    const candidate = await contentsOf(await changed('after', adding('deny.yaml', after)))
    const one = await generator.decide(await read('/customers/7'))
    expect(one.input.context.session.taints).toBeUndefined()
    const report = await reported(record(lineOf(one)), candidate)
    expect(report.undecidable).toMatchObject([{ reason: 'taints_not_recorded', count: 1 }])

    const newer = await createGenerator(join(root, 'after.tar.gz'))
    const request = await read('/customers/7')
    const tell = (taints: string[]): RecordedInput => ({
      ...request,
      context: { ...request.context, session: { id: 's', taints } },
    })
    const [clean, tainted] = [
      await newer.decide(tell([])),
      await newer.decide(tell(['customer_data'])),
    ]
    expect([clean, tainted].map(({ verdict }) => verdict.effect)).toEqual(['allow', 'deny'])
    const lines = [headerLine, policyLine(newer), lineOf(clean), lineOf(tainted), endLine(2)]
    expect(await reported(lines, candidate)).toMatchObject({ unchanged: 2 })
    expect(await reported(lines, own)).toMatchObject({ unchanged: 1, changed: { 'new allow': 1 } })
  })

  test('cannot be told once the candidate would have had it see something else', async () => {
    const path = await changed('taints', async (data) => {
      await writeFile(
        join(data, 'taints.yaml'),
        `- id: customer_data
  description: Has read customers.
  connections: [customers]
  http: { methods: [GET, HEAD], paths: ['/elsewhere'] }
`,
      )
    })
    const web = await outside()
    const first = await generator.decide(await read('/customers/7'))
    const second = await generator.decide(web)
    expect(second.input.context.session.taints).toBeDefined()
    const session = (one: Recorded, id: string): Recorded => ({
      ...one,
      input: {
        ...one.input,
        context: { ...one.input.context, session: { ...one.input.context.session, id } },
      },
    })
    const lines = record(
      lineOf(session(first, 'a')),
      lineOf(session(second, 'a')),
      lineOf(session(second, 'b')),
    )
    const report = await reported(lines, await contentsOf(path))
    expect(report).toMatchObject({
      unchanged: 2,
      undecidable: [{ reason: 'taints_differ', count: 1, examples: [{ session_id: 'a' }] }],
    })
  })

  /** A case whose decision hangs on taints. */
  async function outside(): Promise<RecordedInput> {
    for (const one of await loadCases('test/decisions')) {
      const request = one.input as RecordedInput
      if (!one.file.endsWith('tool-use.yaml')) continue
      const made = await generator.decide(request)
      if (made.input.context.session.taints !== undefined) return request
    }
    throw new Error('no case asks for taints')
  }
})

describe('an approved decision', () => {
  const approved = async (): Promise<Recorded> => {
    const request = await read('/customers/9')
    const http = { ...request.context.facts.http, method: 'DELETE' } as never
    return generator.decide({
      ...request,
      context: {
        ...request.context,
        facts: { ...request.context.facts, http },
        approval: { id: 'p', approvers: ['olivia'], approved_ms: 1 },
      },
    })
  }

  test('stays one where the candidate asks for the same approval', async () => {
    const one = await approved()
    expect(one).toMatchObject({
      verdict: { effect: 'allow' },
      input: { context: { approval: { id: 'p' } } },
    })
    expect(await reported(record(lineOf(one)), own)).toMatchObject({ unchanged: 1 })
  })

  test('waits again where the candidate asks for more', async () => {
    const more = await changed('more', async (data) => {
      const file = join(data, 'approvals.yaml')
      const text = await readFile(file, 'utf8')
      const stricter = text.replace(
        /(- id: http_delete[\s\S]*?approvers: \[)[^\]]*(\])/,
        '$1board$2',
      )
      expect(stricter).not.toBe(text)
      await writeFile(file, stricter)
    })
    const report = await reported(record(lineOf(await approved())), await contentsOf(more))
    expect(report).toMatchObject({ changed: { 'new approval': 1 } })
  })
})
