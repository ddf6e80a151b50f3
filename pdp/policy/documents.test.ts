import { expect, test } from 'vitest'
import { compileRego } from '../../scripts/compile-rego.ts'
import { findOpa } from '../../scripts/opa.ts'
import { writeArchive } from '../bundle/archive.ts'
import { openBundle } from './load.ts'
import { activatePolicy } from './activate.ts'

const found = await findOpa({ purpose: 'build' })
if (!found.ok) throw new Error(found.error.message)
const opa = found.value

const source = `package app.rules

names contains name if some name in ["b", "a"]

keyed[1] := "one"

conflict := 1 if input.x
conflict := 2 if input.x

broken := to_number(input.text)

late if time.now_ns() > 0
`

/** A bundle as `opa build` makes it for anyone: sources, and the entrypoints that were named. */
async function policy(entrypoints: readonly string[], data: string, withSources = true) {
  const wasm = await compileRego(opa, new Map([['rules.rego', source]]), entrypoints)
  const files = new Map<string, Uint8Array>([
    [
      '.manifest',
      Buffer.from(
        JSON.stringify({
          revision: 'r',
          roots: ['app', 'base'],
          wasm: entrypoints.map((entrypoint) => ({ entrypoint, module: '/policy.wasm' })),
        }),
      ),
    ],
    ['data.json', Buffer.from(data)],
    ['policy.wasm', wasm],
  ])
  if (withSources) files.set('rules.rego', Buffer.from(source))
  const bundle = openBundle('app', writeArchive(files))
  return activatePolicy([bundle], { config_digest: '', now: () => 0 })
}

const whole = await policy(['app/rules'], '{"base":{"n":1.50,"list":[{"a":1}]}}')
const json = (path: string, input = '{}') => {
  const answer = whole.document(path.split('/').filter(Boolean), input, { time_ms: 1 })
  if (!answer.ok) throw new Error(answer.error.message)
  return answer.value.json
}

test('sets are sorted, keys are text, and number literals stay', () => {
  expect(json('app/rules/names')).toBe('["a","b"]')
  expect(json('app/rules/keyed')).toBe('{"1":"one"}')
  expect(json('app/rules/keyed/1')).toBe('"one"')
  expect(json('base/n')).toBe('1.50')
  expect(json('base/list/0/a')).toBe('1')
  expect(json('base/list/1')).toBeUndefined()
})

test('above the rules, what they say and base data are one document', () => {
  expect(JSON.parse(json('') ?? '')).toMatchObject({
    app: { rules: { names: ['a', 'b'] } },
    base: { n: 1.5 },
  })
})

test('errors have OPA’s codes', async () => {
  const one = await policy(['app/rules/conflict', 'app/rules/broken', 'app/rules/late'], '{}')
  expect(one.document(['app', 'rules', 'conflict'], '{"x":1}')).toMatchObject({
    ok: false,
    error: { code: 'eval_conflict_error' },
  })
  expect(one.document(['app', 'rules', 'broken'], '{"text":"x"}')).toEqual({
    ok: true,
    value: { json: undefined },
  })
  expect(one.document(['app', 'rules', 'broken'], '{"text":"x"}', { strict: true })).toMatchObject({
    ok: false,
    error: { code: 'eval_builtin_error' },
  })
  expect(one.document(['app', 'rules', 'late'], '{}', { time_ms: 1 })).toEqual({
    ok: true,
    value: { json: 'true' },
  })
})

test.each([true, false])(
  'rules that no entrypoint was compiled for are an error and never undefined (sources: %s)',
  async (sources) => {
    const one = await policy(['app/rules/names'], '{"base":{"n":1}}', sources)
    expect(one.document(['app', 'rules', 'names'], '{}')).toMatchObject({ ok: true })
    for (const path of [['app', 'rules', 'conflict'], ['app', 'rules'], ['app'], []])
      expect(one.document(path, '{}')).toMatchObject({
        ok: false,
        error: { code: 'undefined_document_path' },
      })
  },
)

test('data where rules are is refused when the bundle is read or activated', async () => {
  await expect(policy(['app/rules'], '{"app":{"rules":1}}')).rejects.toMatchObject({
    code: 'BUNDLE_DATA',
  })
  await expect(
    policy(['app/rules/names'], '{"app":{"rules":{"names":["c"]}}}'),
  ).rejects.toMatchObject({
    code: 'BUNDLE_DATA',
  })
})
