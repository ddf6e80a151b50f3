import * as fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { compileRego } from '../../scripts/compile-rego.ts'
import { findOpa } from '../../scripts/opa.ts'
import { createEngine, type Engine } from './engine.ts'
import type { EngineOptions } from './engine.ts'
import { MOST_DEPTH } from './input.ts'

const rules = `package t

echo := input

greeting := sprintf("%s has %d", [input.name, data.limits[input.name]])

# Undefined through a builtin error, in each of its ways.
failing := x if {
	some i in numbers.range(1, input.times)
	x := sprintf(input.format, [i])
}

otherwise := "none" if not regex.split("(", "a")

conflict := x if some x in input.values

loop := count([1 | some x in numbers.range(1, 30000); some y in numbers.range(1, 30000)])

large := concat("", [input.text | some _ in numbers.range(1, input.times)])

now := time.now_ns()

literal := sprintf("%d", [data.big])

broken := semver.compare(input, input)
`
const names = 'echo greeting failing otherwise conflict loop large now literal broken'.split(' ')

let wasm: Uint8Array
const open = (options: Partial<EngineOptions> = {}): Engine =>
  createEngine({
    wasm,
    data: Buffer.from('{"limits":{"ann":3},"big":123456789012345678901234567890}'),
    revision: 'r1',
    ...options,
  })
beforeAll(async () => {
  const opa = await findOpa({ purpose: 'build' })
  if (!opa.ok) throw new Error(opa.error.message)
  const files = new Map([['t.rego', rules]])
  wasm = await compileRego(
    opa.value,
    files,
    names.map((name) => `t/${name}`),
  )
})

const value = (engine: Engine, rule: string, input?: unknown): unknown => {
  const answer = engine.evaluate(`t/${rule}`, input)
  if (!answer.ok) throw new Error(`${answer.error.code} ${answer.error.message}`)
  return answer.value
}
const code = (engine: Engine, rule: string, input?: unknown): string => {
  const answer = engine.evaluate(`t/${rule}`, input)
  return answer.ok ? 'ok' : answer.error.code
}
const ann = { name: 'ann' }

test('an engine names its entrypoints, its builtins and its revision', () => {
  const engine = open()
  expect(engine.entrypoints).toEqual(names.map((name) => `t/${name}`).sort())
  expect(engine.builtins).toContain('sprintf')
  expect(engine.revision).toBe('r1')
})

test('input and data meet in a rule', () => {
  expect(value(open(), 'greeting', ann)).toBe('ann has 3')
})

test.each([[false], [0], [''], [null], [[]], [{}]])('%j is an input like any other', (input) => {
  expect(value(open(), 'echo', input)).toEqual(input)
})

test('without an input, the input is undefined', () => {
  expect(value(open(), 'echo', undefined)).toBeUndefined()
})

test('any JSON goes in and comes out as it was, also between evaluations that fail', () => {
  const engine = open()
  let at = 0
  fc.assert(
    fc.property(fc.jsonValue(), (input) => {
      at += 1
      if (at % 7 === 0) expect(code(engine, 'conflict', { values: [1, 2] })).toBe('ENGINE_CONFLICT')
      expect(value(engine, 'echo', input)).toEqual(JSON.parse(JSON.stringify(input)))
    }),
    { numRuns: 300 },
  )
})

test('text with NUL, control and unpaired characters is text', () => {
  const engine = open()
  expect(value(engine, 'echo', 'a\0b\u0001\u{1f600}"\\ud800')).toBe('a\0b\u0001\u{1f600}"\\ud800')
  expect(value(engine, 'echo', { 'x\ud800': '\udc00\\' })).toEqual({ 'x\ufffd': '\ufffd\\' })
})

test('600 conflicts in a row leave an engine that answers as a new one', () => {
  const engine = open()
  for (let i = 0; i < 600; i += 1)
    expect(engine.evaluate('t/conflict', { values: [i, i + 1] })).toEqual({
      ok: false,
      error: { code: 'ENGINE_CONFLICT', message: 't.rego:15:1: var assignment conflict' },
    })
  expect(value(engine, 'conflict', { values: [7] })).toBe(7)
  expect(value(engine, 'greeting', ann)).toBe(value(open(), 'greeting', ann))
})

test('5,000 builtin errors in a row are undefined, and the next answer is right', () => {
  const engine = open()
  for (let i = 0; i < 5000; i += 1) expect(value(engine, 'otherwise', {})).toBe('none')
  // And 5,000 in a single evaluation.
  expect(value(engine, 'failing', { times: 5000, format: 7 })).toBeUndefined()
  expect(value(engine, 'failing', { times: 1, format: '%d' })).toBe('1')
  expect(value(engine, 'greeting', ann)).toBe('ann has 3')
})

test('a policy that loops long is stopped, and the next answer is right', () => {
  const engine = open({ steps: 1_000_000 })
  expect(code(engine, 'loop')).toBe('ENGINE_STEPS')
  expect(value(engine, 'greeting', ann)).toBe('ann has 3')
})

test.each([
  [
    'cyclic',
    () => {
      const all: unknown[] = []
      all.push(all)
      return all
    },
  ],
  ['a bigint', () => 1n],
  ['a function', () => () => 1],
])('an input that is %s is refused', (_, input) => {
  const engine = open()
  expect(code(engine, 'echo', input())).toBe('ENGINE_INPUT')
  expect(value(engine, 'greeting', ann)).toBe('ann has 3')
})

const nested = (depth: number, open: string, close: string): unknown =>
  JSON.parse(`${open.repeat(depth)}1${close.repeat(depth)}`)

test('an input is nested as deep as it may be, or is refused before the module sees it', () => {
  const engine = open()
  for (const [left, right] of [
    ['[', ']'],
    ['{"a[\\\\\\"":', '}'],
  ] as const) {
    const deepest = nested(MOST_DEPTH, left, right)
    expect(value(engine, 'echo', deepest)).toEqual(deepest)
    for (const depth of [MOST_DEPTH + 1, 8000, 100_000]) {
      const answer = engine.evaluate('t/echo', nested(depth, left, right))
      expect(answer).toMatchObject({ error: { code: 'ENGINE_INPUT' } })
    }
    expect(value(engine, 'greeting', ann)).toBe('ann has 3')
  }
})

test('brackets that nest nothing are no depth', () => {
  const engine = open()
  for (const input of [
    Array.from({ length: 3000 }, () => [{}]),
    ['['.repeat(3000), '\\"{'.repeat(3000), '\\'],
    { ['{"'.repeat(3000)]: '\\\\' },
  ])
    expect(value(engine, 'echo', input)).toEqual(input)
})

test('an evaluation that would take too much memory fails, and the next answer is right', () => {
  const engine = open({ mostBytes: 16 * 1024 * 1024 })
  const much = { text: 'x'.repeat(100_000), times: 300 }
  for (let i = 0; i < 5; i += 1) {
    expect(['ENGINE_TRAP', 'ENGINE_ABORT']).toContain(code(engine, 'large', much))
    expect(value(engine, 'greeting', ann)).toBe('ann has 3')
  }
})

test('a large input is answered, and again, while memory is given back', () => {
  const engine = open()
  const input = { text: 'é'.repeat(5_000_000) }
  for (let i = 0; i < 3; i += 1) expect(value(engine, 'echo', input)).toEqual(input)
  expect(value(engine, 'greeting', ann)).toBe('ann has 3')
})

test('an entrypoint that the policy has not is an error, whatever its name', () => {
  for (const name of ['t/nothing', '', '__proto__', 'constructor'])
    expect(open().evaluate(name, {})).toMatchObject({ error: { code: 'ENGINE_ENTRYPOINT' } })
})

test('the time is the time of the request, and without one there is no answer', () => {
  const engine = open()
  const time_ms = 1_700_000_000_123
  expect(value(engine, 'now', { context: { time_ms } })).toBe(time_ms * 1e6)
  for (const context of [{}, null, { time_ms: 'x' }, { time_ms: 0.5 }])
    expect(code(engine, 'now', { context })).toBe('ENGINE_BUILTIN')
  expect(code(engine, 'now', undefined)).toBe('ENGINE_BUILTIN')
})

test('data given as bytes keeps numbers that JavaScript has not', () => {
  expect(value(open(), 'literal', {})).toBe('123456789012345678901234567890')
})

test('a builtin that is broken ends the evaluation, it is not undefined', () => {
  const engine = open({
    builtins: {
      'semver.compare': () => {
        throw new TypeError('a bug')
      },
    },
  })
  expect(engine.evaluate('t/broken', {})).toEqual({
    ok: false,
    error: { code: 'ENGINE_BUILTIN', message: 'a bug' },
  })
  expect(value(engine, 'greeting', ann)).toBe('ann has 3')
})

test('a policy that calls a builtin the engine has not is refused when it is loaded', async () => {
  const opa = await findOpa({ purpose: 'build' })
  if (!opa.ok) throw new Error(opa.error.message)
  const files = new Map([['n.rego', 'package n\n\nhost := opa.runtime()\n']])
  const calling = await compileRego(opa.value, files, ['n/host'])
  expect(() => createEngine({ wasm: calling, data: {}, revision: '' })).toThrow(
    expect.objectContaining({
      code: 'ENGINE_BUILTIN_MISSING',
      message: expect.stringContaining('opa.runtime'),
    }),
  )
})

test('bytes that are no policy are refused when they are loaded', () => {
  const half = wasm.subarray(0, wasm.length / 2)
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  for (const bytes of [half, empty, Buffer.from('<html>'), new Uint8Array()])
    expect(() => open({ wasm: bytes })).toThrow(expect.objectContaining({ code: 'ENGINE_MODULE' }))
})

test('data that is no JSON, or does not fit, is refused when it is loaded', () => {
  const deep = Buffer.from('['.repeat(1e6) + ']'.repeat(1e6))
  for (const data of [Buffer.from('{"a":'), Buffer.from(''), deep])
    expect(() => open({ data })).toThrow(expect.objectContaining({ code: 'ENGINE_DATA' }))
  const data = { text: 'x'.repeat(2_000_000) }
  expect(() => open({ data, mostBytes: 1_000_000 })).toThrow(
    expect.objectContaining({ code: 'ENGINE_DATA' }),
  )
})
