import { assertNever } from '../../../contract/result.ts'
import type { Spend } from '../../steps.ts'
import { sortedEntries, type Value } from '../../value.ts'
import { failed } from '../arguments.ts'
import {
  type Node,
  type Operand,
  parseTemplate,
  type Pipe,
  type Template,
} from './template-parse.ts'
import { functions } from './template-functions.ts'
import { type Dynamic, isArrayOf, isLiteral, isObjectOf, isTrue, text } from './template-values.ts'

type Scope = Map<string, Dynamic>[]
class Signal extends Error {
  readonly kind: 'break' | 'continue'
  constructor(kind: 'break' | 'continue') {
    super(kind)
    this.kind = kind
  }
}

/** More is an attack on memory. */
const MOST_CHARACTERS = 16 * 1024 * 1024
const MOST_DEPTH = 100
const STEPS_A_NODE = 20
/** Of the source, which is taken apart. */
const STEPS_A_CHARACTER = 10

/** @throws {BuiltinError} */
export function renderTemplate(source: string, variables: Value, spend: Spend): string {
  spend(source.length * STEPS_A_CHARACTER)
  const template: Template = parseTemplate(source)
  let out = ''
  const write = (text: string): void => {
    spend(text.length)
    out += text
    if (out.length > MOST_CHARACTERS) throw error('the output is too long')
  }

  function run(nodes: readonly Node[], dot: Dynamic, scope: Scope, depth: number): void {
    spend(STEPS_A_NODE + scope.length)
    const inner: Scope = [...scope, new Map()]
    for (const node of nodes) one(node, dot, inner, depth)
  }

  function one(node: Node, dot: Dynamic, scope: Scope, depth: number): void {
    spend(STEPS_A_NODE)
    switch (node.kind) {
      case 'text':
        write(node.text)
        return
      case 'pipe': {
        const value = evaluate(node.pipe, dot, scope)
        if (node.pipe.variables.length === 0)
          write(value === undefined || value === null ? '<undefined>' : written(value))
        return
      }
      case 'if':
      case 'with': {
        const inner: Scope = [...scope, new Map()]
        const value = evaluate(node.pipe, dot, inner)
        if (isTrue(value)) run(node.body, node.kind === 'with' ? value : dot, inner, depth)
        else run(node.otherwise, dot, inner, depth)
        return
      }
      case 'range':
        range(node.pipe, node.body, node.otherwise, dot, scope, depth)
        return
      case 'template': {
        const body = template.named.get(node.name)
        if (!body) throw error(`template ${JSON.stringify(node.name)} not defined`)
        if (depth >= MOST_DEPTH) throw error('exceeded maximum template depth')
        const value = node.pipe && evaluate(node.pipe, dot, scope)
        run(body, value, [new Map([['$', value]])], depth + 1)
        return
      }
      case 'break':
      case 'continue':
        throw new Signal(node.kind)
      default:
        assertNever(node)
    }
  }

  function range(
    pipe: Pipe,
    body: readonly Node[],
    otherwise: readonly Node[],
    dot: Dynamic,
    scope: Scope,
    depth: number,
  ): void {
    const over = evaluate({ ...pipe, variables: [] }, dot, scope)
    const entries = entriesOf(over)
    if (entries.length === 0) return run(otherwise, dot, scope, depth)
    const [first, second] = pipe.variables
    for (const [key, value] of entries) {
      spend(STEPS_A_NODE + scope.length)
      const own = new Map<string, Dynamic>()
      if (first !== undefined) own.set(first, second === undefined ? value : key)
      if (second !== undefined) own.set(second, value)
      try {
        run(body, value, [...scope, own], depth)
      } catch (signal) {
        if (!(signal instanceof Signal)) throw signal
        if (signal.kind === 'break') return
      }
    }
  }

  function entriesOf(over: Dynamic): readonly (readonly [Dynamic, Dynamic])[] {
    if (over === undefined || over === null) return []
    if (isArrayOf(over)) {
      spend(over.length * STEPS_A_NODE)
      return over.map((value, at) => [{ literal: at }, value] as const)
    }
    if (isObjectOf(over)) {
      spend(over.size * STEPS_A_NODE)
      return sortedEntries(over)
    }
    if (!isLiteral(over) || !Number.isInteger(over.literal) || over.literal > MOST_CHARACTERS)
      return notIterable(over)
    const length = Math.max(0, over.literal)
    spend(length * STEPS_A_NODE)
    return Array.from({ length }, (_, at) => [{ literal: at }, { literal: at }] as const)
  }

  /** Takes steps for all of a value before it is text. */
  const written = (value: Dynamic): string => {
    spendOn(value)
    return text(value)
  }

  function spendOn(value: Dynamic): void {
    if (typeof value === 'string') spend(value.length)
    else spend(STEPS_A_NODE)
    if (isArrayOf(value)) for (const one of value) spendOn(one)
    if (isObjectOf(value))
      for (const [key, one] of value) {
        spendOn(key)
        spendOn(one)
      }
  }

  function evaluate(pipe: Pipe, dot: Dynamic, scope: Scope): Dynamic {
    let value: { readonly last: Dynamic } | undefined
    for (const command of pipe.commands) value = { last: call(command, value, dot, scope) }
    for (const name of pipe.variables)
      if (pipe.declares) scope.at(-1)?.set(name, value?.last)
      else
        (scope.findLast((one) => one.has(name)) ?? undefinedVariable(name)).set(name, value?.last)
    return value?.last
  }

  function call(
    command: readonly Operand[],
    piped: { readonly last: Dynamic } | undefined,
    dot: Dynamic,
    scope: Scope,
  ): Dynamic {
    spend(STEPS_A_NODE * command.length)
    const [head, ...rest] = command
    if (!head) throw error('empty command')
    if (head.kind !== 'function') {
      if (rest.length > 0 || piped) throw error('can’t give argument to non-function')
      return operand(head, dot, scope)
    }
    const fn = Object.hasOwn(functions, head.name) ? functions[head.name] : undefined
    if (!fn) throw failed(`template: template:1: function ${JSON.stringify(head.name)} not defined`)
    const given = rest.map((one) => operand(one, dot, scope))
    const all = piped ? [...given, piped.last] : given
    spend(STEPS_A_NODE * (1 + all.length))
    if (WRITERS.has(head.name)) for (const one of all) spendOn(one)
    if (head.name === 'printf') for (const width of widths(all[0])) spend(width)
    return fn(all)
  }

  function operand(one: Operand, dot: Dynamic, scope: Scope): Dynamic {
    switch (one.kind) {
      case 'text':
      case 'constant':
        return one.value
      case 'number':
        return { literal: Number(one.literal) }
      case 'function':
        return call([one], undefined, dot, scope)
      case 'path': {
        const { root } = one
        const start =
          root === '.'
            ? dot
            : 'variable' in root
              ? lookUp(root.variable, scope)
              : evaluate(root.pipe, dot, scope)
        return one.fields.reduce<Dynamic>(field, start)
      }
      default:
        return assertNever(one)
    }
  }

  run(template.main, variables, [new Map([['$', variables]])], 0)
  return out
}

const error = (why: string): Error => failed(`template: template:1: ${why}`)
const undefinedVariable = (name: string): never => {
  throw error(`undefined variable ${JSON.stringify(name)}`)
}

/** Functions whose answer is as long as all that they are given. */
const WRITERS = new Set(['print', 'println', 'printf', 'html', 'js', 'urlquery'])

/** How many characters a format may fill up. */
const widths = (format: Dynamic): number[] =>
  typeof format === 'string' ? (format.match(/\d+/g) ?? []).map(Number) : []

function lookUp(name: string, scope: Scope): Dynamic {
  const found = scope.findLast((one) => one.has(name))
  return found ? found.get(name) : undefinedVariable(name)
}

function field(value: Dynamic, name: string): Dynamic {
  if (value === undefined || value === null) return undefined
  if (isObjectOf(value)) return value.get(name)
  throw error(`can't evaluate field ${name} in type interface {}`)
}

const notIterable = (_: Dynamic): never => {
  throw error("range can't iterate over the value")
}
