import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { builtEngine } from './policy-data/built-engine.ts'
import { opa } from './policy-data/testing.ts'
import { type PolicyCheckParts, policyChecks } from './policy-checks.ts'

let root: string
let parts: PolicyCheckParts

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-checks-'))
  await cp('rego', join(root, 'rego'), { recursive: true })
  await cp('test/decisions', join(root, 'cases'), { recursive: true })
  const folders = {
    rules: join(root, 'rego/countersign'),
    data: join(root, 'rego/data'),
    fixtures: join(root, 'rego/fixtures'),
    schemas: join(root, 'rego/schemas'),
    capabilities: join(root, 'rego/capabilities.json'),
    cases: join(root, 'cases'),
  }
  parts = {
    opa,
    folders,
    bundle: () => Promise.resolve([]),
    capabilities: () => Promise.resolve([]),
    engine: () => builtEngine(folders),
  }
})

afterEach(() => rm(root, { recursive: true, force: true }))

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const path = join(root, file)
  const before = await readFile(path, 'utf8')
  const after = change(before)
  expect(after).not.toBe(before)
  await writeFile(path, after)
}

/** Runs one check and says what it found. */
async function run(name: string): Promise<readonly string[]> {
  const outcome = await policyChecks(parts)
    .find((one) => one.name === name)!
    .run()
  expect(outcome.ok).toBe(outcome.failures.length === 0)
  return outcome.failures
}

test('the policy as it is passes every check', async () => {
  for (const check of policyChecks(parts))
    expect(await check.run()).toMatchObject({ ok: true, failures: [] })
})

test('a file that is not formatted is named', async () => {
  await edit('rego/countersign/masks.rego', (text) => text.replace('\tsome', '    some'))
  expect(await run('format')).toEqual([expect.stringMatching(/masks\.rego:1: run opa fmt/)])
})

test('a misspelt name in input fails with its line', async () => {
  await edit('rego/countersign/anthropic.rego', (text) =>
    text.replace('input.context.facts.phrases', 'input.context.facts.phrase'),
  )
  expect(await run('types')).toEqual([
    expect.stringMatching(/anthropic\.rego:\d+: rego_type_error: undefined ref.*phrase/),
  ])
})

test('a misspelt name in the prepared data fails with its line', async () => {
  await edit('rego/countersign/restrictions.rego', (text) =>
    text.replace('here.must_inspect', 'here.must_inspekt'),
  )
  expect((await run('types'))[0]).toMatch(/restrictions\.rego:\d+: rego_type_error: undefined ref/)
})

test('schemas that are not those of the code are named', async () => {
  await edit('rego/schemas/input.json', (text) => text.replace('"scopes"', '"scope"'))
  expect(await run('types')).toContainEqual(expect.stringMatching(/input\.json:1: run node/))
})

test('a test that fails is named with its line', async () => {
  await edit('rego/countersign/lib/shell.rego', (text) => text.replace('"R"', '"Q"'))
  expect(await run('tests')).toEqual([
    expect.stringMatching(/tool_test\.rego:\d+: test_recursive_and_forced_in_any_spelling/),
  ])
})

test('rules that no test reaches are named', async () => {
  await writeFile(
    join(root, 'rego/countersign/more.rego'),
    'package countersign.decision\n\ndeny contains {"rule": "more", "message": "More."} if {\n\tinput.subject.id == "nobody"\n}\n',
  )
  expect(await run('tests')).toEqual([expect.stringMatching(/more\.rego:\d+: .* % covered/)])
})

test('a file that does not parse is named with its line', async () => {
  await edit('rego/countersign/masks.rego', (text) => `${text}\nallow if {`)
  expect((await run('tests'))[0]).toMatch(/masks\.rego:\d+: rego_parse_error/)
  expect((await run('format'))[0]).toMatch(/masks\.rego:\d+: rego_parse_error/)
})

test('data that is not valid is named with its place', async () => {
  await edit('rego/data/grants.yaml', (text) => text.replace("'/customers/**'", "'/customers**'"))
  expect(await run('data')).toEqual([
    expect.stringMatching(/grants\.yaml: \[1\]\.http\.paths\[1\]: "customers\*\*"/),
  ])
})

test('a case that decides otherwise is named with its line and what differs', async () => {
  await edit('rego/data/deny.yaml', (text) => text.replace('/admin/**', '/administration/**'))
  expect(await run('cases')).toContainEqual(
    expect.stringMatching(
      /http\.yaml:\d+: administration is closed, with the rule that says so: rules: want \["deny\.admin_paths"\], got \["policy\.no_grant"\]/,
    ),
  )
})

test('an engine that decides otherwise than opa is found out', async () => {
  const real = await parts.engine()
  parts = {
    ...parts,
    engine: () =>
      Promise.resolve((input) => {
        const verdict = real(input) as { effect: string; reasons: object[] }
        return verdict.effect === 'allow' ? { ...verdict, obligations: [] } : verdict
      }),
  }
  expect(await run('cases')).toContainEqual(expect.stringMatching(/the engine says .*, opa /))
})

test('a bundle that is not current fails', async () => {
  parts = { ...parts, bundle: () => Promise.resolve(['bundles/default.tar.gz:1: out of date']) }
  expect(await run('bundle')).toEqual(['bundles/default.tar.gz:1: out of date'])
})

test('a check that cannot be made has failed', async () => {
  parts = { ...parts, opa: () => Promise.reject(new Error('no opa here')) }
  expect(await run('types')).toEqual(['no opa here'])
})
