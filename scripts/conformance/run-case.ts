import { createEngine } from '../../pdp/engine/engine.ts'
import { EngineError } from '../../pdp/engine/errors.ts'
import {
  compare,
  isArray,
  isObject,
  num,
  Num,
  parseValue,
  sorted,
  type Value,
} from '../../pdp/engine/value.ts'
import { createDocuments, packageOf } from '../../pdp/policy/documents.ts'
import { compileRego, RegoError } from '../compile-rego.ts'
import type { Opa } from '../opa.ts'
import type { ConformanceCase } from './cases.ts'

export type Outcome =
  | { readonly kind: 'pass' }
  | { readonly kind: 'excluded'; readonly reason: string }
  | { readonly kind: 'fail'; readonly why: string }

export type RunOptions = {
  /** Errors must have OPA's words too, not only its codes. */
  readonly messages?: boolean
}

/** Runs one case through OPA's compiler and our engine. Never rejects. */
export async function runCase(
  opa: Opa,
  one: ConformanceCase,
  options: RunOptions = {},
): Promise<Outcome> {
  const query = readQuery(one)
  if (!query) return { kind: 'excluded', reason: 'the query has a form that no rule can have' }
  let wasm: Uint8Array
  try {
    wasm = await compileRego(opa, query.files, query.entrypoints)
  } catch (error) {
    return refusedByCompiler(one, error)
  }
  try {
    return judge(one, query, wasm, options)
  } catch (error) {
    if (error instanceof EngineError && error.code === 'ENGINE_BUILTIN_MISSING')
      return { kind: 'excluded', reason: `builtin ${error.message.split(': ')[1] ?? ''}` }
    return fail((error as Error).message)
  }
}

const fail = (why: string): Outcome => ({ kind: 'fail', why })

type Query = {
  readonly files: ReadonlyMap<string, string>
  readonly entrypoints: readonly string[]
  /** Of `data`; put together of the entrypoints when it is none of them. */
  readonly path: readonly string[]
  /** The variable that the document's value is bound to; without one, the document is the set of bindings. */
  readonly variable?: string
}

const SIMPLE = /^\s*data((?:\.[A-Za-z_]\w*)+)\s*=\s*([A-Za-z_]\w*)\s*$/

/** `data.a.b = x` asks for a document; other queries become a rule that collects their bindings. */
function readQuery(one: ConformanceCase): Query | undefined {
  const files = new Map((one.modules ?? []).map((module, at) => [`module_${at}.rego`, module]))
  const [, path, variable] = SIMPLE.exec(one.query) ?? []
  const simple = variable !== undefined && variable !== 'input' && !one.input_term
  if (simple && path !== undefined && definedByRules(one, path))
    return asking(files, [path.slice(1).replaceAll('.', '/')], path.slice(1).split('.'), variable)
  const whole = /^\s*data\s*=\s*([A-Za-z_]\w*)\s*$/.exec(one.query)?.[1]
  if (whole !== undefined) return asking(files, packagesOf(one), [], whole)
  const names = Object.keys(one.want_result?.[0] ?? {})
  const bindings = names.map((name) => `${JSON.stringify(name)}: ${name}`).join(', ')
  const given = one.input_term ? ` with input as ${one.input_term}` : ''
  const body = one.query
    .trim()
    .split('\n')
    .map((line) => `\t${line.trim()}${given}`)
    .join('\n')
  files.set(
    'query.rego',
    `package conformance_query\n\nbindings contains {${bindings}} if {\n${body}\n}\n`,
  )
  return asking(files, ['conformance_query/bindings'], ['conformance_query', 'bindings'])
}

const asking = (
  files: ReadonlyMap<string, string>,
  entrypoints: readonly string[],
  path: readonly string[],
  variable?: string,
): Query => ({ files, entrypoints, path, ...(variable !== undefined && { variable }) })

/** Packages with rules that are in no other. */
function packagesOf(one: ConformanceCase): string[] {
  const modules = (one.modules ?? []).filter((module) =>
    module.split('\n').some((line) => !/^\s*(?:#.*|package\s.*|import\s.*)?$/.test(line)),
  )
  const names = modules.map((module) => packageOf(module).join('/'))
  return names.filter((name) => !names.some((other) => name.startsWith(`${other}/`)))
}

/** OPA compiles entrypoints for documents that rules make; others are data. */
const definedByRules = (one: ConformanceCase, path: string): boolean => {
  const parts = path.slice(1).split('.')
  return (one.modules ?? []).some((module) => {
    const named = /^\s*package\s+([\w.]+)/m.exec(module)?.[1]?.split('.') ?? []
    return named.every((part, at) => parts[at] === undefined || parts[at] === part)
  })
}

/** A case may want the compiler to refuse. */
function refusedByCompiler(one: ConformanceCase, error: unknown): Outcome {
  if (!(error instanceof RegoError)) return fail(String(error))
  if (one.want_error_code && error.message.includes(one.want_error_code)) return { kind: 'pass' }
  const unknown = /undefined function ([\w.]+)/.exec(error.message)?.[1]
  if (unknown !== undefined) return { kind: 'excluded', reason: `builtin ${unknown}` }
  return fail(`does not compile: ${error.message.slice(0, 300)}`)
}

function judge(
  one: ConformanceCase,
  query: Query,
  wasm: Uint8Array,
  { messages = false }: RunOptions,
): Outcome {
  const data = Buffer.from(JSON.stringify(one.data ?? {}))
  const engine = createEngine({ wasm, data, revision: 'conformance' })
  const input =
    one.input === undefined || one.input === null ? undefined : JSON.stringify(one.input)
  const strict = one.strict_error === true
  const byEntrypoint = new Map(query.entrypoints.map((name) => [name, engine]))
  const document = createDocuments(byEntrypoint, data, {
    packages: query.path.length === 0 ? (one.modules ?? []).map(packageOf) : [],
    unknown: [],
  })
  const answer = document(query.path, input, { strict, time_ms: Date.now() })
  const got = answer.ok ? answer.value.json : undefined
  if (one.want_error_code || one.want_error) {
    if (answer.ok)
      return fail(`wanted ${one.want_error_code ?? one.want_error}, got ${got ?? 'undefined'}`)
    const { code } = answer.error
    if (one.want_error_code && code !== one.want_error_code)
      return fail(`wanted ${one.want_error_code}, got ${code}: ${answer.error.message}`)
    if (messages && !answer.error.message.includes(bareMessage(one.want_error ?? '')))
      return fail(`wanted "${one.want_error}", got "${answer.error.message}"`)
    return { kind: 'pass' }
  }
  if (!answer.ok) return fail(`${answer.error.code}: ${answer.error.message}`)
  if (!one.want_result) return { kind: 'pass' }
  const wanted = bindingsOf(one.want_result, query)
  const same =
    query.variable === undefined
      ? sameBindings(got === undefined ? [] : parseValue(got), wanted, one)
      : sameDocument(got, wanted, one)
  return same
    ? { kind: 'pass' }
    : fail(`wanted ${JSON.stringify(one.want_result)}, got ${got ?? 'undefined'}`)
}

/** Without place and code, which are not part of our messages. */
const bareMessage = (wanted: string): string =>
  wanted.replace(/^\S+:\d+: /, '').replace(/^eval_\w+: /, '')

const bindingsOf = (wanted: readonly Record<string, unknown>[], { variable }: Query): Value[] =>
  wanted.map((one) =>
    parseValue(JSON.stringify(variable === undefined ? one : (one[variable] ?? null))),
  )

function sameDocument(
  got: string | undefined,
  wanted: readonly Value[],
  one: ConformanceCase,
): boolean {
  if (got === undefined) return wanted.length === 0
  const [only] = wanted
  return (
    wanted.length === 1 &&
    only !== undefined &&
    equal(parseValue(got), only, one.sort_bindings === true)
  )
}

function sameBindings(got: Value, wanted: readonly Value[], one: ConformanceCase): boolean {
  // A query without variables has one empty binding where it is true.
  const deep = one.sort_bindings === true
  const order = (values: readonly Value[]): Value[] =>
    sorted(values.map((value) => normal(value, deep)))
  const unique = (values: Value[]): Value[] =>
    values.filter((value, at) => at === 0 || compare(value, values[at - 1] ?? null) !== 0)
  return isArray(got) && compare(order(got), unique(order(wanted))) === 0
}

const equal = (a: Value, b: Value, unordered: boolean): boolean =>
  compare(normal(a, unordered), normal(b, unordered)) === 0

/** Arrays as sets, where the case says that their order means nothing. */
function normal(value: Value, unordered: boolean): Value {
  // Cases that went through JSON have no more precision than that.
  if (value instanceof Num) return num(Number(value.literal))
  if (isArray(value)) {
    const items = value.map((one) => normal(one, unordered))
    return unordered ? sorted(items) : items
  }
  if (isObject(value)) return new Map([...value].map(([key, one]) => [key, normal(one, unordered)]))
  return value
}
