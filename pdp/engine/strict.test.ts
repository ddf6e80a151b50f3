import { expect, test } from 'vitest'
import { compileRego } from '../../scripts/compile-rego.ts'
import { findOpa } from '../../scripts/opa.ts'
import { createEngine } from './engine.ts'

const found = await findOpa({ purpose: 'build' })
if (!found.ok) throw new Error(found.error.message)
const opa = found.value

const rules: Record<string, string> = {
  divide: '1 / input.n',
  type: 'upper(input.n)',
  empty: 'min(input.list)',
  host: 'units.parse(input.text)',
  look_up: 'data.numbered[input.n]',
  nested: 'data.deep.numbered[input.n]',
  own: '{"2": "mine"}[input.n]',
}
const source = [
  'package t',
  ...Object.entries(rules).map(([name, body]) => `${name} := ${body}`),
].join('\n\n')
const wasm = await compileRego(
  opa,
  new Map([['t.rego', source]]),
  Object.keys(rules).map((name) => `t/${name}`),
)
const data = { numbered: { '2': 'two' }, deep: { numbered: { '2': 'deep' } } }
const engine = createEngine({ wasm, data, revision: 'r' })

test.each([
  ['divide', { n: 0 }, 'ENGINE_STRICT_BUILTIN', 'div: divide by zero'],
  ['type', { n: 1 }, 'ENGINE_STRICT_TYPE', 'upper: operand 1 must be string but got number'],
  ['host', { text: 'x' }, 'ENGINE_STRICT_BUILTIN', 'units.parse: '],
])(
  'an error of %s ends a strict evaluation with its code, and no other',
  (rule, input, code, message) => {
    expect(engine.evaluate(`t/${rule}`, input)).toEqual({ ok: true, value: undefined })
    const strict = engine.evaluate(`t/${rule}`, input, { strict: true })
    expect(strict).toMatchObject({ ok: false, error: { code } })
    expect(!strict.ok && strict.error.message).toContain(message)
    expect(engine.evaluate(`t/${rule}`, input)).toEqual({ ok: true, value: undefined })
  },
)

test('what is undefined without an error stays so when errors are strict', () => {
  expect(engine.evaluate('t/empty', { list: [] }, { strict: true })).toEqual({
    ok: true,
    value: undefined,
  })
  expect(engine.evaluate('t/empty', { list: [2, 1] }, { strict: true })).toEqual({
    ok: true,
    value: 1,
  })
})

test('a number finds the key in data that is written like it, as in OPA, and nothing in other objects', () => {
  expect(engine.evaluate('t/look_up', { n: 2 })).toEqual({ ok: true, value: 'two' })
  expect(engine.evaluate('t/nested', { n: 2 })).toEqual({ ok: true, value: 'deep' })
  expect(engine.evaluate('t/look_up', { n: 3 })).toEqual({ ok: true, value: undefined })
  expect(engine.evaluate('t/own', { n: 2 })).toEqual({ ok: true, value: undefined })
})
