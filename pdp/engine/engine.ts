import { err, ok, type Result } from '../contract/result.ts'
import type { Builtin, Circumstances } from './builtins/builtin.ts'
import { builtins as registry } from './builtins/registry.ts'
import { EngineError, type EvaluationError, StrictError } from './errors.ts'
import { createAnswerReader } from './answers.ts'
import { checkedInput, inputJson } from './input.ts'
import { Abort, createInstance, type Instance, link, type Table } from './instance.ts'
import { compileModule, loadData, PAGE_BYTES, type PolicyModule } from './module.ts'
import { OutOfSteps } from './steps.ts'
import { parseValue, toJson } from './value.ts'

/**
 * Evaluates Rego that OPA compiled to WebAssembly.
 *
 * An instance that threw is replaced by a copy of the memory as it was after the data was loaded, because a throw
 * leaves the module's own stack behind: hundreds of them would make every later evaluation fail.
 */
export type Engine = {
  /** Whatever `createEngine` was given to name this policy. */
  readonly revision: string
  /** Builtins that the policy asks of the host, sorted. */
  readonly builtins: readonly string[]
  /** Paths of entrypoints, `a/b/c` for `data.a.b.c`, sorted. */
  readonly entrypoints: readonly string[]
  /**
   * Never throws. Synchronous: a batch is a loop, without cost beside its items.
   * @param input what JSON can say, at most 512 levels deep; `undefined` for no input document.
   * @returns the document's value as JSON gives it, sets as sorted arrays; `undefined` where the policy has none.
   * It must not be altered: evaluations that agree share it.
   */
  readonly evaluate: (
    entrypoint: string,
    input: unknown,
    options?: EvaluationOptions,
  ) => Result<unknown, EvaluationError>
  /** The same from JSON text to JSON text, which keeps the literals of numbers. */
  readonly evaluateText: (
    entrypoint: string,
    input: string | undefined,
    options?: EvaluationOptions,
  ) => Result<string | undefined, EvaluationError>
}

export type EvaluationOptions = {
  /** An error of a builtin ends the evaluation; by default it makes the expression undefined. */
  readonly strict?: boolean
  /** What `time.now_ns` answers when the input has no `context.time_ms`, in milliseconds since the epoch. */
  readonly time_ms?: number
  /** The input as JSON, where whoever asks has it already. */
  readonly text?: string
}

export type EngineOptions = {
  /** A module built by `opa build -t wasm`, never with `-O`: optimising takes absent data as undefined. */
  readonly wasm: Uint8Array
  /** The data document: an object, or its JSON as bytes, which keeps literals of numbers. */
  readonly data: object
  readonly revision: string
  /** Most loops and calls of one evaluation, beside those that reading the input takes. The default, 20 million, takes about a tenth of a second. */
  readonly steps?: number
  /** Most memory of an instance. Default 512 MiB. */
  readonly mostBytes?: number
  /** Builtins beside or in place of the engine's own. */
  readonly builtins?: Readonly<Record<string, Builtin>>
}

const STEPS = 20_000_000
const MOST_STEPS = 0x7fffffff
/** Reading the input takes steps too: a large one has more, in proportion. */
const STEPS_A_BYTE = 16
const MOST_BYTES = 512 * 1024 * 1024
/** Memory that a large input took is given back when it is past this. */
const SPARE_BYTES = 32 * 1024 * 1024

/** @throws {EngineError} when the module, its builtins or the data cannot be had. */
export function createEngine(options: EngineOptions): Engine {
  const { data, revision, steps = STEPS } = options
  if (!Number.isInteger(steps) || steps < 1 || steps > MOST_STEPS)
    throw new TypeError('steps must be an integer from 1 to 2147483647')
  const mostPages = Math.ceil((options.mostBytes ?? MOST_BYTES) / PAGE_BYTES)
  const policy = compileModule(options.wasm)
  const builtins = bindBuiltins(policy, { ...registry, ...options.builtins })
  if (policy.entrypoints.size === 0)
    throw new EngineError('ENGINE_ENTRYPOINTS', 'the module has no entrypoints')
  const linkTo = (memory: WebAssembly.Memory) => link(memory, builtins).imports
  const snapshot = loadData(policy, data, linkTo, mostPages)
  const mostKept = snapshot.bytes.length + SPARE_BYTES

  /** @param last its memory is used again, unless it grew large. */
  const renew = (last: Instance | undefined): Instance => {
    const spent = last && last.memory.buffer.byteLength <= mostKept ? last.memory : undefined
    return createInstance(policy, snapshot, builtins, mostPages, spent)
  }
  let instance: Instance | undefined = renew(undefined)
  const read = createAnswerReader()

  /** @returns the document as the module writes it. */
  const run = (
    entrypoint: string,
    json: string | undefined,
    given: Circumstances,
  ): Result<string | undefined, EvaluationError> => {
    const id = policy.entrypoints.get(entrypoint)
    if (id === undefined)
      return err({
        code: 'ENGINE_ENTRYPOINT',
        message: `the policy has no entrypoint ${entrypoint}`,
      })
    let running: Instance | undefined
    try {
      running = instance ?? renew(undefined)
      // Whatever ends this evaluation early, the instance is gone.
      instance = undefined
      const allowed = Math.min(steps + STEPS_A_BYTE * (json?.length ?? 0), MOST_STEPS)
      const answer = running.run(id, json, allowed, given)
      instance = running.memory.buffer.byteLength > mostKept ? undefined : running
      return ok(answer)
    } catch (thrown) {
      instance = tryRenew(renew, running)
      return err(evaluationError(thrown))
    }
  }

  return {
    revision,
    builtins: [...policy.builtins.values()].sort(),
    entrypoints: [...policy.entrypoints.keys()].sort(),
    evaluate(entrypoint, input, { strict = false, time_ms, text } = {}) {
      const json = text === undefined ? inputJson(input) : checkedInput(text)
      if (!json.ok) return json
      const answer = run(entrypoint, json.value, { input: () => input, strict, time_ms })
      if (!answer.ok || answer.value === undefined) return answer
      return readable(answer.value, read)
    },
    evaluateText(entrypoint, input, { strict = false, time_ms } = {}) {
      const json = checkedInput(input)
      if (!json.ok) return json
      // Once, whatever number of builtins ask.
      let parsed: { readonly value: unknown } | undefined
      const document = (): unknown =>
        (parsed ??= { value: input === undefined ? undefined : JSON.parse(input) }).value
      const answer = run(entrypoint, json.value, { input: document, strict, time_ms })
      if (!answer.ok || answer.value === undefined) return answer
      return readable(answer.value, (written) => toJson(parseValue(written)))
    },
  }
}

/** An answer may be nested deeper than the host's stack is. */
function readable<T>(written: string, read: (written: string) => T): Result<T, EvaluationError> {
  try {
    return ok(read(written))
  } catch (thrown) {
    return err(evaluationError(thrown))
  }
}

/** Every builtin of the module is known when it is loaded; one that is not there refuses the module. */
function bindBuiltins(policy: PolicyModule, known: Readonly<Record<string, Builtin>>): Table {
  const missing = [...policy.builtins.values()].filter((name) => !Object.hasOwn(known, name))
  if (missing.length > 0) {
    const names = missing.sort().join(', ')
    throw new EngineError(
      'ENGINE_BUILTIN_MISSING',
      `the policy calls builtins that the engine has not: ${names}`,
    )
  }
  return new Map(
    [...policy.builtins].flatMap(([id, name]) => {
      const run = known[name]
      return run ? [[id, { name, run }] as const] : []
    }),
  )
}

/** When there is no memory now, the next evaluation tries again; until then all of them fail, none is wrong. */
function tryRenew(
  renew: (last: Instance | undefined) => Instance,
  last: Instance | undefined,
): Instance | undefined {
  try {
    return renew(last)
  } catch {
    return undefined
  }
}

function evaluationError(thrown: unknown): EvaluationError {
  const message = messageOf(thrown)
  if (thrown instanceof OutOfSteps)
    return { code: 'ENGINE_STEPS', message: 'the policy took more steps than an evaluation may' }
  if (thrown instanceof StrictError)
    return {
      code: thrown.code === 'eval_type_error' ? 'ENGINE_STRICT_TYPE' : 'ENGINE_STRICT_BUILTIN',
      message,
    }
  // The ABI has no codes; both messages are those of the module's compiler.
  if (thrown instanceof Abort)
    return { code: message.endsWith(' conflict') ? 'ENGINE_CONFLICT' : 'ENGINE_ABORT', message }
  if (thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError)
    return { code: 'ENGINE_TRAP', message }
  return { code: 'ENGINE_BUILTIN', message }
}

const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)
