import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { BuildError, buildBundle } from './build-bundle.ts'
import { checkCapabilities } from './capabilities.ts'
import { junit } from './junit.ts'
import { findOpa } from './opa.ts'
import { type PolicyCheckParts, policyChecks } from './policy-checks.ts'
import { diffPolicies, markdown } from './policy-diff.ts'
import { builtEngine } from './policy-data/built-engine.ts'
import { newPolicy } from './policy-new.ts'

const found = await findOpa({ purpose: 'build' })
if (!found.ok) throw new Error(found.error.message)
const opa = found.value

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-loop-'))
  await cp('rego', join(root, 'rego'), { recursive: true })
  await cp('test/decisions', join(root, 'test/decisions'), { recursive: true })
})
afterEach(() => rm(root, { recursive: true, force: true }))

function parts(): PolicyCheckParts {
  const folders = {
    rules: join(root, 'rego/countersign'),
    data: join(root, 'rego/data'),
    fixtures: join(root, 'rego/fixtures'),
    schemas: join(root, 'rego/schemas'),
    capabilities: join(root, 'rego/capabilities.json'),
    cases: join(root, 'test/decisions'),
  }
  return {
    opa: opa.run,
    engine: () => builtEngine(folders),
    bundle: () => Promise.resolve([]),
    capabilities: () => checkCapabilities(opa, folders.capabilities),
    folders,
  }
}

test('a new policy passes every check from the start, and none of its files is written over', async () => {
  const files = await newPolicy('office_hours', root)
  expect(files).toHaveLength(3)
  for (const { run } of policyChecks(parts()))
    expect(await run()).toMatchObject({ ok: true, failures: [] })
  await expect(newPolicy('office_hours', root)).rejects.toThrow('is there already')
})

test.each(['', 'A', '../x', 'a-b', 'x_test', 'a'.repeat(60)])(
  '%j is no name for a policy',
  async (name) => {
    await expect(newPolicy(name, root)).rejects.toThrow('a name has')
  },
)

test('a policy that asks the network fails where it is written, in check and in build', async () => {
  const file = join(root, 'rego/countersign/masks.rego')
  await appendFile(file, '\nasks := http.send({"method": "get", "url": input.url})\n')
  const [types] = policyChecks(parts()).filter(({ name }) => name === 'types')
  const result = await types?.run()
  expect(result?.failures.join()).toMatch(/masks\.rego:\d+: .*undefined function http\.send/)
  const built = buildBundle({
    source: join(root, 'rego'),
    out: join(root, 'b.tar.gz'),
    cases: false,
  })
  await expect(built).rejects.toThrow(BuildError)
  await expect(built).rejects.toThrow(
    /masks\.rego:\d+:\d+: rego_type_error: undefined function http\.send/,
  )
})

test('capabilities that the engine has not are found out', async () => {
  const path = join(root, 'rego/capabilities.json')
  expect(await checkCapabilities(opa, path)).toEqual([])
  await writeFile(path, (await readFile(path, 'utf8')).replace('"io.jwt.decode"', '"io.jwt.other"'))
  expect((await checkCapabilities(opa, path)).join()).toContain('is not what the engine has')
})

test('a decision that reads more of the input than it declares does not build', async () => {
  const file = join(root, 'rego/countersign/masks.rego')
  await appendFile(
    file,
    '\ndeny contains {"rule": "late", "message": "Late."} if input.context.time_ms > 10\n',
  )
  await expect(
    buildBundle({ source: join(root, 'rego'), out: join(root, 'b.tar.gz'), cases: false }),
  ).rejects.toThrow(/decision\.rego:\d+: rego_input_error: .* reads input\.context\.time_ms/)
})

describe('a diff', () => {
  const change = async (): Promise<string> => {
    await cp(join(root, 'rego'), join(root, 'changed'), { recursive: true })
    const file = join(root, 'changed/data/deny.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace(/- id: admin_paths[\s\S]*?(?=\n- id:)/, ''))
    await appendFile(
      file,
      '\n- id: no_reads\n  message: No reads.\n  connections: [customers]\n  http: { methods: [GET], paths: ["/customers/**"] }\n',
    )
    return join(root, 'changed')
  }

  test('says which decisions change from what to what, allows first', async () => {
    const { total, changes } = await diffPolicies(
      join(root, 'rego'),
      await change(),
      join(root, 'test/decisions'),
    )
    expect(total).toBeGreaterThan(50)
    expect(changes.length).toBeGreaterThan(0)
    const kinds = changes.map(({ kind }) => kind)
    expect(kinds).toContain('new deny')
    expect(kinds).toEqual(
      kinds.toSorted(
        (a, b) =>
          ['new allow', 'new approval', 'new deny', 'other duties'].indexOf(a) -
          ['new allow', 'new approval', 'new deny', 'other duties'].indexOf(b),
      ),
    )
    const read = changes.find(
      ({ to }) => to.rules.includes('no_reads') || to.rules.includes('deny.no_reads'),
    )
    expect(read).toMatchObject({ from: { effect: 'allow' }, to: { effect: 'deny' } })
    expect(read?.place).toMatch(/\.yaml:\d+$/)
  })

  test('of the same policy finds nothing, also for inputs of a file', async () => {
    const path = join(root, 'inputs.jsonl')
    await writeFile(path, '{}\n\n{"subject":1}\n')
    expect(await diffPolicies(join(root, 'rego'), 'bundles/default.tar.gz', path)).toEqual({
      total: 2,
      changes: [],
    })
    await writeFile(path, '{\n')
    await expect(diffPolicies(join(root, 'rego'), join(root, 'rego'), path)).rejects.toThrow(
      'inputs.jsonl:1',
    )
  })

  test.each(['none.tar.gz', 'git:--output=x', 'git:no-such-revision'])(
    '%s is refused',
    async (what) => {
      await expect(
        diffPolicies(what, join(root, 'rego'), join(root, 'test/decisions')),
      ).rejects.toThrow(what.slice(0, 8))
    },
  )

  test('in Markdown is a table whose cells are text whatever they say', () => {
    const said = { effect: 'deny', rules: ['a|b<script>'], obligations: '[]' }
    const text = markdown({
      total: 1,
      changes: [
        {
          kind: 'new allow',
          description: '](http://x) <img> | `x` @team',
          place: 'a.yaml:1',
          from: said,
          to: said,
        },
      ],
    })
    expect(text.split('\n').filter((line) => line.startsWith('|'))).toHaveLength(3)
    expect(text).not.toMatch(/<img>|<script>|\]\(|`x`|@team/)
  })
})

test('JUnit’s XML is well-formed whatever a name or a failure says', () => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, text, (name, failure) => {
      const xml = junit([
        {
          name: 'cases',
          ok: false,
          detail: name,
          failures: [failure],
          seconds: 1,
          cases: [{ name, place: 'a:1', failure }],
        },
      ])
      expect(xml).toContain('tests="1" failures="1"')
      // oxlint-disable-next-line no-control-regex
      expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/)
      const bare = xml.replace(
        /<\/?[a-z]+(?: [a-z]+="[^"<&]*(?:&(?:amp|lt|gt|quot|apos);[^"<&]*)*")*\/?>|<\?xml[^?]*\?>/g,
        '',
      )
      expect(bare.replace(/&(?:amp|lt|gt|quot|apos);/g, '')).not.toMatch(/[<&]/)
    }),
  )
})

describe('the workflow of a pull request', () => {
  test('runs the command of the README, and gives what it runs of a pull request no right to write', async () => {
    const text = await readFile('.github/workflows/policy.yml', 'utf8')
    const workflow = parse(text) as {
      permissions: object
      jobs: Record<
        string,
        { permissions?: Record<string, string>; steps: { run?: string; uses?: string }[] }
      >
    }
    expect(workflow.permissions).toEqual({ contents: 'read' })
    expect(workflow.jobs['test']?.permissions).toBeUndefined()
    expect(text).toContain('npx countersign policy test')
    const writing = Object.values(workflow.jobs).filter(({ permissions = {} }) =>
      Object.values(permissions).includes('write'),
    )
    expect(writing).toHaveLength(1)
    for (const { steps } of writing)
      expect(
        steps.some(({ uses, run }) => uses?.startsWith('actions/checkout') || run?.includes('npm')),
      ).toBe(false)
  })

  test('puts nothing that others wrote into a script', async () => {
    const workflow = parse(await readFile('.github/workflows/policy.yml', 'utf8')) as {
      jobs: Record<string, { steps: { run?: string }[] }>
    }
    for (const { steps } of Object.values(workflow.jobs))
      for (const { run = '' } of steps) expect(run).not.toContain('${{')
  })
})
