import * as opaWasm from '@open-policy-agent/opa-wasm'
import { EngineError } from './errors.ts'
import { natives } from './natives.ts'
import { readModule, writeModule } from './wasm/binary.ts'
import { addFuel, type FUEL_EXPORT } from './wasm/fuel.ts'
import { addHostCalls, type LOOKUP_EXPORT, type STRICT_EXPORT } from './wasm/host-calls.ts'

// What the package's types name is at run time below its default export.
const opa = (opaWasm as unknown as { default: typeof opaWasm }).default

/**
 * A policy module as OPA compiles it. The npm package reads the ABI and loads the data; the host functions are
 * ours, because the package's builtins win over others of the same name and some answer wrongly.
 */

/** Functions of the module, OPA's WebAssembly ABI 1.x; addresses and sizes in bytes. */
export type Abi = {
  opa_malloc: (size: number) => number
  opa_free: (address: number) => void
  opa_heap_ptr_set: (address: number) => void
  opa_heap_ptr_get: () => number
  opa_json_parse: (address: number, size: number) => number
  opa_json_dump: (value: number) => number
  opa_value_parse: (address: number, size: number) => number
  opa_value_dump: (value: number) => number
  opa_eval_ctx_new: () => number
  opa_eval_ctx_set_input: (context: number, value: number) => void
  opa_eval_ctx_set_data: (context: number, value: number) => void
  opa_eval_ctx_set_entrypoint: (context: number, id: number) => void
  opa_eval_ctx_get_result: (context: number) => number
  eval: (context: number) => number
  builtins: () => number
  [FUEL_EXPORT]: { value: number }
  /** Absent when the module has no names of functions. */
  [STRICT_EXPORT]?: { value: number }
  [LOOKUP_EXPORT]?: (value: number, key: number) => number
}

export type PolicyModule = {
  readonly module: WebAssembly.Module
  /** Names of the builtins that the module asks of its host, by id. */
  readonly builtins: ReadonlyMap<number, string>
  /** Ids of the entrypoints by path, `a/b/c` for `data.a.b.c`. */
  readonly entrypoints: ReadonlyMap<string, number>
  /** Pages of memory that the module wants to start with. */
  readonly pages: number
  readonly minorVersion: number
}

/** Memory after the data was loaded; every instance begins as a copy of it. */
export type Snapshot = {
  readonly bytes: Uint8Array
  /** Address of the data document. */
  readonly data: number
  /** Where the memory of the data begins. */
  readonly base: number
  /** Where free memory begins. */
  readonly heap: number
}

export const PAGE_BYTES = 65_536

/** @throws {EngineError} ENGINE_MODULE when these are not the bytes of a policy. */
export function compileModule(wasm: Uint8Array): PolicyModule {
  try {
    const module = new WebAssembly.Module(instrument(wasm))
    // Instantiated once by the package, which checks the ABI's version.
    const probe = opa.loadPolicySync(module)
    const exports = (probe.wasmInstance as WebAssembly.Instance).exports as unknown as Abi
    const json = readText(probe.mem, exports.opa_json_dump(exports.builtins()))
    const names = Object.entries(JSON.parse(json) as Record<string, number>)
    return {
      module,
      builtins: new Map(names.map(([name, id]) => [id, name])),
      entrypoints: new Map(Object.entries(probe.entrypoints as Record<string, number>)),
      pages: probe.mem.buffer.byteLength / PAGE_BYTES,
      minorVersion: probe.minorVersion as number,
    }
  } catch (cause) {
    // The package throws strings.
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError('ENGINE_MODULE', `not a policy module: ${why}`, { cause })
  }
}

const instrument = (wasm: Uint8Array): Uint8Array<ArrayBuffer> =>
  writeModule(
    addFuel(
      addHostCalls(
        readModule(wasm),
        natives.map((one) => one.function),
      ),
    ).sections,
  )

/**
 * Loads the data into a new instance.
 * @param data an object, or its JSON as bytes, which keeps number literals.
 * @throws {EngineError} ENGINE_DATA when it cannot be loaded.
 */
export function loadData(
  { module, pages, minorVersion }: PolicyModule,
  data: object,
  link: (memory: WebAssembly.Memory) => Record<string, Record<string, unknown>>,
  mostPages: number,
): Snapshot {
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: mostPages })
    const instance = new WebAssembly.Instance(module, link(memory))
    const policy = new opa.LoadedPolicy({ instance, module }, memory, minorVersion)
    policy.setData(data instanceof Uint8Array ? Uint8Array.from(data).buffer : data)
    return {
      bytes: new Uint8Array(memory.buffer.slice(0)),
      data: policy.dataAddr,
      base: policy.baseHeapPtr as number,
      heap: policy.dataHeapPtr as number,
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError('ENGINE_DATA', `the data cannot be loaded: ${why}`, { cause })
  }
}

/** Text that ends with a NUL, as the module writes it. */
export function readText(memory: WebAssembly.Memory, address: number): string {
  const view = Buffer.from(memory.buffer)
  return view.toString('utf8', address, view.indexOf(0, address))
}
