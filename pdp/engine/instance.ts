import { BuiltinError, EngineError, StrictError } from './errors.ts'
import { type Abi, PAGE_BYTES, type PolicyModule, type Snapshot } from './module.ts'
import type { Builtin, Circumstances, Host } from './builtins/builtin.ts'
import { nativeError, natives } from './natives.ts'
import { createMeter, OutOfSteps } from './steps.ts'
import { Num, parseValue, type Value, writeValue } from './value.ts'
import { FUEL_EXPORT } from './wasm/fuel.ts'
import { LOOKUP_EXPORT, LOOKUP_ID, STRICT_EXPORT } from './wasm/host-calls.ts'

/** How often the heap is emptied, in evaluations: compiled patterns live in it and are kept until then. */
const EVALUATIONS_A_HEAP = 16
/** Unless so many bytes were allocated before. */
const WARM_BYTES = 4 * 1024 * 1024

/** One WebAssembly instance on one memory. After a throw it must not be used again: its stack has leaked. */
export type Instance = {
  readonly memory: WebAssembly.Memory
  /**
   * @param input JSON; `undefined` for no input.
   * @param steps most loops and calls.
   * @returns the document as the module writes a value (see `parseValue`); `undefined` where there is none.
   * @throws anything; see `evaluationError`.
   */
  readonly run: (
    entrypoint: number,
    input: string | undefined,
    steps: number,
    given: Circumstances,
  ) => string | undefined
}

/** Thrown when the module gives up by itself; OPA's own message. */
export class Abort extends Error {}

/** Builtins by the module's ids, with their names. */
export type Table = ReadonlyMap<number, { readonly name: string; readonly run: Builtin }>

/** What a call of the host takes, and each character of its arguments, which are dumped by the module and parsed here. */
const STEPS_A_CALL = 32
const STEPS_A_CHARACTER = 2

const [BEFORE, AFTER] = ['{{"result":', '}}']

/** The result set of an entrypoint has one document, or none. */
function onlyResult(set: string): string | undefined {
  if (set === 'set()') return undefined
  if (set.startsWith(BEFORE) && set.endsWith(AFTER)) return set.slice(BEFORE.length, -AFTER.length)
  throw new Abort('the module answered with something else than one document')
}

/**
 * @param spent a memory of the same module that may be used again; a new one is made without it.
 * @throws {RangeError} when there is no memory left.
 */
export function createInstance(
  module: PolicyModule,
  snapshot: Snapshot,
  builtins: Table,
  mostPages: number,
  spent?: WebAssembly.Memory,
): Instance {
  const memory =
    spent ??
    new WebAssembly.Memory({ initial: snapshot.bytes.length / PAGE_BYTES, maximum: mostPages })
  const linked = link(memory, builtins, snapshot)
  const { exports } = new WebAssembly.Instance(module.module, linked.imports)
  const abi = exports as unknown as Abi
  const { text } = linked
  linked.bind(abi)
  // Written last: linking has put the module's initial data there.
  new Uint8Array(memory.buffer).set(snapshot.bytes)
  let evaluations = 0

  return {
    memory,
    run: (entrypoint, input, steps, given) => {
      const used = abi.opa_heap_ptr_get() - snapshot.heap
      if (evaluations % EVALUATIONS_A_HEAP === 0 || used > WARM_BYTES) {
        abi.opa_heap_ptr_set(snapshot.heap)
        evaluations = 0
      }
      evaluations += 1
      linked.enter(given)
      abi[FUEL_EXPORT].value = steps
      setStrict(abi, given.strict)
      try {
        const context = abi.opa_eval_ctx_new()
        abi.opa_eval_ctx_set_data(context, snapshot.data)
        if (input !== undefined) abi.opa_eval_ctx_set_input(context, text.write(input, 'json'))
        abi.opa_eval_ctx_set_entrypoint(context, entrypoint)
        abi.eval(context)
        return onlyResult(text.read(abi.opa_value_dump(abi.opa_eval_ctx_get_result(context))))
      } catch (cause) {
        if (abi[FUEL_EXPORT].value === 0) throw new OutOfSteps('out of steps', { cause })
        throw cause
      }
    },
  }
}

function setStrict(abi: Abi, strict: boolean): void {
  const flag = abi[STRICT_EXPORT]
  if (flag) flag.value = Number(strict)
  // Fail closed: an error would pass for undefined.
  else if (strict)
    throw new Error('the module has no names of functions, so errors of builtins cannot be told')
}

/** Text in and out of a memory. */
type TextPort = {
  readonly read: (address: number) => string
  /** Writes and parses; @returns the value's address. */
  readonly write: (text: string, as: 'json' | 'value') => number
}

function textPort(memory: WebAssembly.Memory, abi: () => Abi): TextPort {
  let view = Buffer.from(memory.buffer)
  // Growth detaches the old buffer.
  const bytes = (): Buffer =>
    view.buffer === memory.buffer ? view : (view = Buffer.from(memory.buffer))
  return {
    read: (address) => {
      const all = bytes()
      return all.toString('utf8', address, all.indexOf(0, address))
    },
    write: (text, as) => {
      const { opa_malloc, opa_json_parse, opa_value_parse } = abi()
      // At most 3 bytes a UTF-16 unit; long text is measured.
      const size = text.length < 16_384 ? text.length * 3 : Buffer.byteLength(text)
      const address = opa_malloc(size)
      const length = bytes().write(text, address)
      const value = (as === 'json' ? opa_json_parse : opa_value_parse)(address, length)
      if (value === 0) throw new Abort('the module cannot parse what it was given')
      return value
    },
  }
}

/** The module's imports, for one memory. */
export function link(
  memory: WebAssembly.Memory,
  builtins: Table,
  loaded?: Snapshot,
): {
  readonly imports: Record<string, Record<string, unknown>>
  readonly text: TextPort
  readonly bind: (abi: Abi) => void
  readonly enter: (given: Circumstances) => void
} {
  let bound: Abi | undefined
  const meter = createMeter()
  const { spend } = meter
  let host: Host = { input: () => undefined, strict: false, spend }
  const abi = (): Abi => {
    if (!bound) throw new EngineError('ENGINE_MODULE', 'the module calls its host while it starts')
    return bound
  }
  const text = textPort(memory, abi)

  const call = (id: number, _context: number, ...addresses: number[]): number => {
    if (id === LOOKUP_ID) return lookUp(addresses)
    if (id > LOOKUP_ID) return failNative(id - LOOKUP_ID - 1, addresses)
    const builtin = builtins.get(id)
    // Refused when the module is loaded; an answer here would be made up.
    if (!builtin) throw new EngineError('ENGINE_BUILTIN_MISSING', `there is no builtin ${id}`)
    try {
      const args = argumentsAt(addresses)
      const written = meter.run(abi()[FUEL_EXPORT], () => {
        const result = builtin.run(args, host)
        return result === undefined ? undefined : writeValue(result, spend)
      })
      return written === undefined ? 0 : text.write(written, 'value')
    } catch (error) {
      if (!(error instanceof BuiltinError)) throw error
      if (host.strict) throw new StrictError(builtin.name, error)
      return 0
    }
  }
  /** OPA reads data by paths of text: a number finds the key that is written like it. */
  const lookUp = ([value = 0, key = 0]: number[]): number => {
    if (!loaded || value < loaded.base || value >= loaded.heap) return 0
    const [number] = argumentsAt([key])
    if (!(number instanceof Num)) return 0
    return abi()[LOOKUP_EXPORT]?.(value, text.write(JSON.stringify(number.literal), 'value')) ?? 0
  }
  const failNative = (at: number, addresses: number[]): number => {
    const native = natives[at]
    const error = native && nativeError(native, argumentsAt(addresses))
    if (error) throw new StrictError(native.name, error)
    return 0
  }
  const argumentsAt = (addresses: readonly number[]): Value[] => {
    const texts = addresses.map(dump)
    return meter.run(abi()[FUEL_EXPORT], () => {
      spend(STEPS_A_CALL)
      for (const { length } of texts) spend(length * STEPS_A_CHARACTER)
      return texts.map((one) => parseValue(one))
    })
  }
  const dump = (address: number): string => {
    const { opa_value_dump, opa_free } = abi()
    const dumped = opa_value_dump(address)
    const written = text.read(dumped)
    opa_free(dumped)
    return written
  }

  return {
    text,
    bind: (abi) => void (bound = abi),
    enter: ({ input, time_ms, strict }) => void (host = { input, time_ms, strict, spend }),
    imports: {
      env: {
        memory,
        opa_abort: (address: number) => {
          throw new Abort(text.read(address))
        },
        // `print` is compiled away; nothing of a policy's own goes to a log.
        opa_println: () => {},
        opa_builtin0: call,
        opa_builtin1: call,
        opa_builtin2: call,
        opa_builtin3: call,
        opa_builtin4: call,
      },
    },
  }
}
