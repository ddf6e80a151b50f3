import { expect, test } from 'vitest'
import { compileRego } from '../../../scripts/compile-rego.ts'
import { findOpa } from '../../../scripts/opa.ts'
import { createEngine, type Engine } from '../engine.ts'
import { endless, linear } from './testing-hostile.ts'

/**
 * What the host does for a policy takes the evaluation's steps. Measured in steps, which are the same on every machine;
 * the clock only tells whether a call hangs.
 */

const found = await findOpa({ purpose: 'build' })
if (!found.ok) throw new Error(found.error.message)

const rule = (builtin: string): string => `of_${builtin.replace(/\W/g, '_')}`
const arities = new Map(
  [...Object.values(endless), ...Object.values(linear)].map(({ builtin, args }) => [
    builtin,
    (typeof args === 'function' ? args(1) : args).length,
  ]),
)
const source = [
  'package t',
  ...[...arities].map(([builtin, arity]) => {
    const args = Array.from({ length: arity }, (_, at) => `input.args[${at}]`)
    return `${rule(builtin)} := ${builtin}(${args.join(', ')})`
  }),
  'repeated contains n if { some n in numbers.range(1, 100000); regex.replace(input.text, "[a-z]+", "b") != sprintf("%d", [n]) }',
  'caught := "not valid" if not graphql.is_valid(input.query, input.schema)',
].join('\n\n')
const wasm = await compileRego(found.value, new Map([['t.rego', source]]), [
  ...[...arities.keys()].map((builtin) => `t/${rule(builtin)}`),
  't/repeated',
  't/caught',
])

const engines = new Map<number, Engine>()
function engineOf(steps: number): Engine {
  const engine = engines.get(steps) ?? createEngine({ wasm, data: {}, revision: 'test', steps })
  engines.set(steps, engine)
  return engine
}

const DEFAULT = 20_000_000
const HANGS_MS = 5000

function call(builtin: string, args: readonly unknown[], steps = DEFAULT, strict = false) {
  const engine = engineOf(steps)
  const started = performance.now()
  const answer = engine.evaluate(`t/${rule(builtin)}`, { args }, { strict })
  expect(performance.now() - started, 'milliseconds').toBeLessThan(HANGS_MS)
  return answer
}

const outOfSteps = { ok: false, error: { code: 'ENGINE_STEPS' } }

test.each(Object.entries(endless))('%s: the evaluation is out of steps', (_, { builtin, args }) => {
  expect(call(builtin, args)).toMatchObject(outOfSteps)
  expect(call(builtin, args, DEFAULT, true)).toMatchObject(outOfSteps)
})

test.each(Object.entries(linear))(
  '%s: twice the size takes about twice the steps',
  (_, { builtin, args, size, answers }) => {
    const takes = (of: number): number => {
      const given = args(of)
      const enough = (steps: number): boolean => {
        const answer = call(builtin, given, steps)
        if (answer.ok) expect(answer.value !== undefined).toBe(answers)
        else expect(answer).toMatchObject(outOfSteps)
        return answer.ok
      }
      const steps = BUDGETS.find(enough)
      if (steps === undefined) throw new Error('it takes more steps than an evaluation has')
      // What the input brings with it is added to each budget.
      return steps + 16 * JSON.stringify({ args: given }).length
    }
    expect(takes(2 * size) / takes(size)).toBeLessThan(3.5)
  },
)

/** Each half as much again as the last. */
const BUDGETS = Array.from({ length: 22 }, (_, at) => Math.round(4000 * 1.5 ** at))

test('a call that is cheap is not when it is made again and again', () => {
  expect(engineOf(DEFAULT).evaluate('t/repeated', { text: 'a b c '.repeat(100) })).toMatchObject(
    outOfSteps,
  )
})

test('a builtin that answers false for whatever it cannot check does not for what it had no steps for', () => {
  const query = `{${'a '.repeat(15_000)}}`
  const answer = engineOf(DEFAULT).evaluate('t/caught', { query, schema: 'type Query { a: Int }' })
  expect(answer).toMatchObject(outOfSteps)
})

test('an evaluation ends at the same step whether its patterns were compiled before or not', () => {
  const args = ['a'.repeat(100), 'a(b{50}){20}', 'c']
  const enough = (): number => BUDGETS.findIndex((steps) => call('regex.replace', args, steps).ok)
  const first = enough()
  expect(first).toBeGreaterThan(0)
  expect(enough()).toBe(first)
})

test('the next evaluation has all of its steps again', () => {
  const { args } = endless['loops in loops'] ?? { args: [] }
  expect(call('strings.render_template', args)).toMatchObject(outOfSteps)
  expect(call('strings.render_template', ['{{range 3}}a{{end}}', {}])).toEqual({
    ok: true,
    value: 'aaa',
  })
})
