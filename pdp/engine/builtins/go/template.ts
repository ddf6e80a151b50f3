import { assertNever } from '../../../contract/result.ts'
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

/** @throws {BuiltinError} */
export function renderTemplate(source: string, variables: Value): string {
  const template: Template = parseTemplate(source)
  let out = ''
  const write = (text: string): void => {
    out += text
    if (out.length > MOST_CHARACTERS) throw error('the output is too long')
  }

  function run(nodes: readonly Node[], dot: Dynamic, scope: Scope, depth: number): void {
    const inner: Scope = [...scope, new Map()]
    for (const node of nodes) one(node, dot, inner, depth)
  }

  function one(node: Node, dot: Dynamic, scope: Scope, depth: number): void {
    switch (node.kind) {
      case 'text':
        write(node.text)
        return
      case 'pipe': {
        const value = evaluate(node.pipe, dot, scope)
        if (node.pipe.variables.length === 0)
          write(value === undefined || value === null ? '<undefined>' : text(value))
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
    const entries: (readonly [Dynamic, Dynamic])[] =
      over === undefined || over === null
        ? []
        : isArrayOf(over)
          ? over.map((value, at) => [{ literal: at }, value] as const)
          : isObjectOf(over)
            ? sortedEntries(over)
            : isLiteral(over) && Number.isInteger(over.literal) && over.literal <= MOST_CHARACTERS
              ? Array.from(
                  { length: Math.max(0, over.literal) },
                  (_, at) => [{ literal: at }, { literal: at }] as const,
                )
              : notIterable(over)
    if (entries.length === 0) return run(otherwise, dot, scope, depth)
    const [first, second] = pipe.variables
    for (const [key, value] of entries) {
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
    const [head, ...rest] = command
    if (!head) throw error('empty command')
    if (head.kind !== 'function') {
      if (rest.length > 0 || piped) throw error('can’t give argument to non-function')
      return operand(head, dot, scope)
    }
    const fn = Object.hasOwn(functions, head.name) ? functions[head.name] : undefined
    if (!fn) throw failed(`template: template:1: function ${JSON.stringify(head.name)} not defined`)
    const given = rest.map((one) => operand(one, dot, scope))
    return fn(piped ? [...given, piped.last] : given)
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
