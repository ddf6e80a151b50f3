import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compileRego } from '../../../scripts/compile-rego.ts'
import { findOpa, type Opa } from '../../../scripts/opa.ts'
import { createEngine } from '../engine.ts'
import { builtins } from './registry.ts'
import { calls } from './testing-calls.ts'

/**
 * Every builtin of the engine against OPA's own, on the same calls: answers, and errors, which make the rule
 * undefined. Arguments go through `object.get`, whose type is any, so that OPA compiles calls with wrong ones.
 */

/** The time comes from the request here and from the clock in OPA. */
const ownMeaning = new Set(['time.now_ns'])

const rule = (builtin: string): string => `of_${builtin.replace(/\W/g, '_')}`

function rules(builtin: string, list: readonly string[]): string {
  const arity = list[0] === undefined ? 0 : 1 + topLevelCommas(list[0])
  const places = Array.from({ length: arity }, (_, at) => `given_${rule(builtin)}[at][${at}]`)
  return `given_${rule(builtin)} := object.get({}, "none", [
${list.map((args) => `\t[${args}],`).join('\n')}
])

${rule(builtin)}[at] := answer if {
	some at in numbers.range(0, ${list.length - 1})
	answer := ${builtin}(${places.join(', ')})
}
`
}

/** How many commas part the arguments of a call. */
function topLevelCommas(args: string): number {
  const bare = args.replace(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '')
  let depth = 0
  let commas = 0
  for (const character of bare) {
    if ('[{('.includes(character)) depth += 1
    else if (']})'.includes(character)) depth -= 1
    else if (character === ',' && depth === 0) commas += 1
  }
  return commas
}

const found = await findOpa({ purpose: 'build' })
if (!found.ok) throw new Error(found.error.message)
const opa: Opa = found.value
const names = Object.keys(calls)
const source = ['package t', ...names.map((name) => rules(name, calls[name] ?? []))].join('\n\n')
const wasm = await compileRego(
  opa,
  new Map([['t.rego', source]]),
  names.map((name) => `t/${rule(name)}`),
)
const engine = createEngine({ wasm, data: {}, revision: 'test' })
const byOpa = await answersOfOpa()

async function answersOfOpa(): Promise<Record<string, Record<string, unknown>>> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-builtins-'))
  try {
    const path = join(folder, 't.rego')
    await writeFile(path, source)
    const { code, stdout, stderr } = await opa.run([
      'eval',
      '--format',
      'json',
      '--data',
      path,
      'data.t',
    ])
    if (code !== 0) throw new Error(stderr || stdout)
    return (JSON.parse(stdout) as Evaluated).result[0].expressions[0].value
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Evaluated = {
  result: [{ expressions: [{ value: Record<string, Record<string, unknown>> }] }]
}

/** Sets, whose order in JSON means nothing. */
const sets = new Set([
  'net.cidr_expand',
  'net.cidr_merge',
  'net.cidr_contains_matches',
  'graph.reachable_paths',
])
const ordered = (name: string, answer: unknown): unknown =>
  sets.has(name) && Array.isArray(answer)
    ? answer.map((one) => JSON.stringify(one)).sort()
    : (answer ?? 'undefined')

/** Answers by call; `undefined` where there is none. */
const byCall = (name: string, answers: Readonly<Record<string, unknown>> | undefined) =>
  Object.fromEntries(
    (calls[name] ?? []).map((args, at) => [`${name}(${args})`, ordered(name, answers?.[at])]),
  )

test('every builtin is called', () => {
  const all = Object.keys(builtins).filter((name) => !ownMeaning.has(name))
  expect(names.toSorted()).toEqual(all.sort())
})

test.each(names)('%s answers as OPA does, and is undefined where OPA is', (name) => {
  const answer = engine.evaluate(`t/${rule(name)}`, {})
  if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`)
  const wanted = byCall(name, byOpa[rule(name)])
  expect(byCall(name, answer.value as Record<string, unknown>)).toEqual(wanted)
  expect(
    Object.values(wanted).some((one) => one !== 'undefined'),
    'one that answers',
  ).toBe(true)
})
