import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readArchive } from '../pdp/bundle/archive.ts'
import { DECISION_ENTRYPOINT } from '../pdp/decide/ask.ts'
import { createEngine } from '../pdp/engine/engine.ts'
import { judge, loadCases } from '../scripts/policy-data/cases.ts'
import { decideWithOpa } from '../scripts/policy-data/evaluate-opa.ts'
import { readPolicyData } from '../scripts/policy-data/read.ts'
import { opa } from '../scripts/policy-data/testing.ts'
import { prepareData } from '../scripts/prepare-data.ts'
import { policyInput } from '../scripts/schemas.ts'

const folder = 'rego/countersign'
const bundle = readArchive(await readFile('bundles/default.tar.gz'), 64 * 1024 * 1024)
const cases = await loadCases('test/decisions')

/** The engine with the committed policy. @param data the bundle's own, or as `prepareData` returns it. */
function decider(data: object): (input: unknown) => unknown {
  const wasm = bundle.get('policy.wasm')!
  const engine = createEngine({ wasm, data, revision: 'test' })
  return (input) => {
    const answer = engine.evaluate(DECISION_ENTRYPOINT, input)
    if (!answer.ok) throw new Error(answer.error.message)
    return answer.value
  }
}

const { data } = prepareData(await readPolicyData('rego/data'))
const byOpa = await decideWithOpa(
  opa,
  { folder, data },
  cases.map((one) => one.input),
)
const byEngine = decider(bundle.get('data.json')!)

test.each(cases.map((one, at) => [`${one.file}:${one.line} ${one.description}`, one, at] as const))(
  '%s',
  (_, one, at) => {
    const verdict = byEngine(one.input)
    expect(judge(one, verdict)).toEqual([])
    expect(verdict).toEqual(byOpa[at])
  },
)

test('descriptions of decision cases tell them apart', () => {
  const descriptions = cases.map((one) => one.description)
  expect(new Set(descriptions).size).toBe(descriptions.length)
})

/** What the default policy does not look at, or only where a grant's conditions do. */
const unused = [
  'action_digest',
  'facts_revision',
  'context.session',
  'context.source',
  'context.time_ms',
  'resource.type',
  'resource.id',
  'resource.properties.kind',
  'subject.type',
  'subject.id',
  'properties.issuer',
  'properties.scopes',
  'properties.claims',
  'facts.paths',
  'http.path',
  'http.query',
  'anthropic.stream',
  'anthropic.max_tokens',
  'anthropic.messages',
  'anthropic.tools',
  'tool.input_bytes',
  'shell.substitutions',
]

const others = [null, true, 0, '', 'x', '*', [], {}, ['x'], [null], [1], { x: 1 }, [{ x: 1 }]]

/** Copies with one part gone or in another kind, with where that is. */
function* broken(base: object): Generator<readonly [place: string, request: object]> {
  function* below(node: object, path: readonly string[]): Generator<readonly [string, object]> {
    for (const [key, value] of Object.entries(node)) {
      for (const other of [undefined, ...others]) {
        const copy = structuredClone(base)
        const parent = path.reduce<object>((at, part) => Reflect.get(at, part) as object, copy)
        if (other === undefined) Reflect.deleteProperty(parent, key)
        else Reflect.set(parent, key, other)
        yield [[...path, key].join('.'), copy]
      }
      if (typeof value === 'object' && value !== null) yield* below(value as object, [...path, key])
    }
  }
  yield* below(base, [])
}

test('a request with a part that is gone or of another kind is denied wherever policy looks', async () => {
  const bases = parse(await readFile('test/decisions/bases.yaml', 'utf8'), {
    merge: true,
  }) as object
  for (const [name, base] of Object.entries(bases)) {
    expect(byEngine(base)).toMatchObject({ effect: 'allow' })
    const passing = new Set<string>()
    for (const [place, request] of broken(base as object)) {
      if (policyInput.safeParse(request).success) continue
      if (unused.some((one) => `${place}.`.includes(`${one}.`))) continue
      if ((byEngine(request) as { effect: string }).effect !== 'deny') passing.add(place)
    }
    expect([...passing], name).toEqual([])
  }
})

test('an action that policy does not know is denied, and so is one with facts of another', async () => {
  const bases = parse(await readFile('test/decisions/bases.yaml', 'utf8'), {
    merge: true,
  }) as Record<string, { action: { name: string } }>
  const known = Object.values(bases).map((base) => base.action.name)
  const names = [
    'http',
    'http.request ',
    'HTTP.request',
    'mcp.tools.call',
    'anthropic.models.delete',
    '*',
  ]
  for (const base of Object.values(bases))
    for (const action of [...known, ...names]) {
      if (action === base.action.name) continue
      const verdict = byEngine({ ...base, action: { name: action } })
      expect(verdict, `${base.action.name} as ${action}`).toMatchObject({ effect: 'deny' })
    }
})

/** Mostly the plain value, so that enough requests are allowed; sometimes what a rule looks for. */
const mostly = <T>(plain: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(plain) }, { weight: 1, arbitrary: other })
const list = (...names: string[]) => mostly<string[]>([], fc.subarray(names))
const counts = (...names: string[]) =>
  mostly({}, fc.dictionary(fc.constantFrom(...names), fc.nat(3), { maxKeys: names.length }))

// Requests put together from what the fixtures' rules speak of, and from what they do not.
const subject = fc.record({
  type: fc.constantFrom('agent', 'service'),
  id: fc.constantFrom('robot', 'someone'),
  properties: fc.record({
    issuer: mostly('https://one.example.com', fc.constant('https://guests.example.com')),
    groups: mostly<unknown>(
      ['wide', 'researchers'],
      fc.oneof(
        fc.subarray(['wide', 'buyers', 'blocked', 'support', 'writers', 'treasurers', '*']),
        fc.jsonValue(),
      ),
    ),
    scopes: list('orders.read'),
    claims: fc.record(
      { department: fc.constantFrom<unknown>('finance', 7, '7', true, ['finance'], null) },
      { requiredKeys: [] },
    ),
  }),
})
const segment = fc.constantFrom('orders', 'Signed', 'payments', 'public', '1', '', '..', 'a;b')
const scalar = fc.constantFrom<unknown>(0, 5, 10000, '5', 'EUR', null, true)
const common = {
  detectors: counts('private_key', 'aws_key'),
  phrases: list('production', 'secret'),
  paths: mostly(
    {},
    fc.dictionary(fc.constantFrom('$.amount', '$.currency'), fc.array(scalar, { maxLength: 2 })),
  ),
  incomplete: list('json: too deep', 'text: cut'),
}
const http = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE', '*'),
  segments: fc.oneof(
    fc.constantFrom(['orders', '1'], ['orders', '1', 'lines', '2'], ['orders', '1', 'notes', '2']),
    fc.array(segment, { maxLength: 4 }),
  ),
  query: mostly(
    {},
    fc.dictionary(fc.constantFrom('mode', 'preview', 'signature'), list('draft', '1')),
  ),
  body_bytes: fc.constantFrom(0, 10, -1),
  inspected: mostly(true, fc.constant(false)),
})
const anthropic = fc.record({
  model: fc.constantFrom('claude-exact', 'claude-family-1', 'claude-family-2', 'ü'),
  token_estimate: mostly(10, fc.constant(5000)),
  server_tools: list('web_search_1', 'code_execution_1'),
  mcp_servers: list('mcp.example.com'),
  url_sources: list('a.example.com', 'example.com'),
  provider_features: list('container'),
  betas: list('files-1'),
  unknown_fields: list('novelty'),
  unknown_blocks: list('hologram'),
  uninspected_blocks: list('image'),
})
const tool = fc.record({
  name: mostly('Bash', fc.constantFrom('Read', 'mcp__docs__search')),
  input: fc.dictionary(fc.constantFrom('command', 'sql'), fc.constantFrom('ls', 'DROP  TABLE a')),
  paths: mostly<object[]>([], fc.constant([{ path: '~/.ssh/id_rsa', op: 'read' }])),
  hosts: mostly<object[]>(
    [],
    fc.constantFrom(
      [{ host: 'one.example.com', by: 'curl', sends: true }],
      [{ host: '?', by: 'git', sends: true }],
      [{ host: '169.254.169.254', by: 'WebFetch', sends: false }],
    ),
  ),
})
const shell = fc.record({
  commands: fc.array(
    fc.record({
      name: fc.constantFrom('rm', 'git', 'curl', 'dd', '?', 'su'),
      args: list('push', 'of=/dev/sda', 'drop\ttable x'),
      flags: list('-r', '-f', '--forc', '-delete'),
      wrappers: list('sudo'),
    }),
    { maxLength: 2 },
  ),
  pipes_into: list('sh'),
  redirects: fc.array(
    fc.record({ op: fc.constant('>'), target: fc.constantFrom('/dev/sda', '/dev/null') }),
    { maxLength: 1 },
  ),
  undetermined: list('eval'),
  code: list('python'),
})

const sql = fc.record({
  statements: fc.array(
    fc.record({
      kind: fc.constantFrom('select', 'drop', 'delete', 'copy'),
      tables: list('users'),
      writes: fc.boolean(),
      has_where: fc.boolean(),
      functions: list('pg_read_file'),
    }),
    { maxLength: 2 },
  ),
  undetermined: list('syntax'),
})
const names = <T extends object>(record: T) => Object.keys(record) as (keyof T)[]

const ask = (name: string, connection: string, facts: fc.Arbitrary<object>) =>
  fc
    .record({ subject, facts, people: fc.option(fc.subarray(['alice', 'bob'])) })
    .map(({ subject, facts, people }) => ({
      subject,
      action: { name },
      resource: {
        id: (facts as { tool?: { name: string } }).tool?.name ?? '',
        properties: { connection },
      },
      context: { facts, ...(people && { approval: { id: 'a', approvers: people } }) },
    }))
const request = fc.oneof(
  ask('http.request', 'orders', fc.record({ ...common, http })),
  ask('anthropic.messages.create', 'model', fc.record({ ...common, anthropic })),
  ask(
    'anthropic.tool_use',
    'model',
    fc.record(
      { ...common, tool, shell, sql },
      { requiredKeys: ['tool', 'shell', ...names(common)] },
    ),
  ),
)

test('opa and the engine agree on requests put together at random', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const requests = fc.sample(request, { numRuns: 600, seed })
  const fixtures = prepareData(await readPolicyData('rego/fixtures')).data
  const wanted = await decideWithOpa(opa, { folder, data: fixtures }, requests)
  const decide = decider(fixtures)
  const effects: Record<string, number> = {}
  for (const [at, one] of requests.entries()) {
    const verdict = decide(one) as { effect: string }
    expect(verdict, `seed ${seed}, request ${JSON.stringify(one)}`).toEqual(wanted[at])
    effects[verdict.effect] = (effects[verdict.effect] ?? 0) + 1
  }
  // Each effect often enough for the comparison to mean something.
  for (const effect of ['allow', 'approve', 'deny']) expect(effects[effect]).toBeGreaterThan(5)
})
