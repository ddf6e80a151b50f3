import {
  appended,
  code,
  concat,
  constant,
  I32,
  leb,
  OP,
  readCode,
  Reader,
  SECTION,
  skipInstruction,
  vectorLength,
  VOID,
  WasmError,
  type WasmModule,
  writeCode,
} from './binary.ts'
import { globalExport } from './fuel.ts'
import { type Functions, readFunctions } from './functions.ts'

/**
 * Tells the host where rules call OPA's own functions in vain. The module's functions answer 0 both for an error and
 * for undefined; OPA tells the two apart when errors of builtins are strict. Calls from rules go through a function of
 * ours that, when it gets a 0, asks the host (`opa_builtin<n>`, whose ids begin at `LOOKUP_ID` for these).
 */
export const STRICT_EXPORT = 'countersign_strict'
export const LOOKUP_EXPORT = 'countersign_value_get'

/**
 * Ids of builtins that the compiler leaves to the host begin at 0. This one: a look-up by number that found nothing: OPA finds what a text key of
 * the same digits has in data.
 */
export const LOOKUP_ID = 1_000_000

const NUMBER_TYPE = 3

/** @param natives names of the functions that may fail, by id past `LOOKUP_ID`. */
export function addHostCalls(module: WasmModule, natives: readonly string[]): WasmModule {
  const functions = readFunctions(module)
  const { sections } = module
  const byName = new Map([...functions.names].map(([index, name]) => [name, index]))
  const lookup = byName.get('opa_value_get')
  // Without names nothing can be told apart: strict evaluation is then refused by the engine.
  if (lookup === undefined) return module
  const strict = functions.importedGlobals + vectorLength(sections.get(SECTION.global))
  const wrapped: { readonly index: number; readonly body: Uint8Array }[] = [
    { index: lookup, body: lookupBody(lookup, dispatcher(functions, 2)) },
  ]
  for (const [at, name] of natives.entries()) {
    const index = byName.get(name)
    if (index === undefined || index < functions.imported.length) continue
    const { params } = typeOf(functions, index)
    const call = dispatcher(functions, params)
    wrapped.push({ index, body: nativeBody(index, params, LOOKUP_ID + 1 + at, call, strict) })
  }
  const first = functions.imported.length + functions.own.length
  const redirected = new Map(wrapped.map(({ index }, at) => [index, first + at]))
  const bodies = readCode(sections.get(SECTION.code) ?? Uint8Array.of(0)).map((body, at) =>
    isRule(functions.names.get(functions.imported.length + at)) ? redirect(body, redirected) : body,
  )
  return {
    custom: module.custom,
    sections: new Map([
      ...sections,
      [
        SECTION.function,
        appended(
          sections.get(SECTION.function),
          wrapped.map(({ index }) => leb(functions.own[index - functions.imported.length] ?? 0)),
        ),
      ],
      // (global (mut i32) (i32.const 0)): lenient, as OPA is unless it is asked.
      [
        SECTION.global,
        appended(sections.get(SECTION.global), [Uint8Array.of(I32, 0x01, OP.i32_const, 0, OP.end)]),
      ],
      [
        SECTION.export,
        appended(sections.get(SECTION.export), [
          globalExport(STRICT_EXPORT, strict),
          functionExport(LOOKUP_EXPORT, lookup),
        ]),
      ],
      [SECTION.code, writeCode([...bodies, ...wrapped.map(({ body }) => body)])],
    ]),
  }
}

/** What OPA's planner made of rules: `g0.data.…`, `g1.data.…` under `with`, and the entrypoints. */
const isRule = (name: string | undefined): boolean =>
  name !== undefined && (name === 'eval' || /^g\d+\./.test(name))

function typeOf({ imported, own, types }: Functions, index: number) {
  const type = types[own[index - imported.length] ?? -1]
  if (!type) throw new WasmError('a function without a type')
  return type
}

function dispatcher({ imported }: Functions, params: number): number {
  const index = imported.indexOf(`opa_builtin${params}`)
  if (index === -1) throw new WasmError(`the module does not import opa_builtin${params}`)
  return index
}

const functionExport = (name: string, index: number): Uint8Array => {
  const text = Buffer.from(name)
  return code(leb(text.length), text, 0x00, leb(index))
}

const parameters = (count: number): Uint8Array =>
  concat(Array.from({ length: count }, (_, at) => code(OP.local_get, leb(at))))

/** `result := native(…); if result = 0 and strict { host(id, 0, …) }; result` */
function nativeBody(
  index: number,
  params: number,
  id: number,
  host: number,
  strict: number,
): Uint8Array {
  return code(
    [leb(1), leb(1), I32],
    [parameters(params), OP.call, leb(index), OP.local_tee, leb(params), OP.i32_eqz, OP.if, VOID],
    [OP.global_get, leb(strict), OP.if, VOID],
    [OP.i32_const, constant(id), OP.i32_const, 0, parameters(params), OP.call, leb(host), OP.drop],
    [OP.end, OP.end, OP.local_get, leb(params), OP.end],
  )
}

/** `result := get(value, key); if result = 0 and key is a number { result := host(id, 0, value, key) }; result` */
function lookupBody(index: number, host: number): Uint8Array {
  const load = [OP.local_get, 1, OP.i32_load8_u, 0, 0]
  return code(
    [leb(1), leb(1), I32],
    [parameters(2), OP.call, leb(index), OP.local_tee, 2, OP.i32_eqz, OP.if, VOID],
    [OP.local_get, 1, OP.if, VOID, ...load, OP.i32_const, NUMBER_TYPE, OP.i32_eq, OP.if, VOID],
    [OP.i32_const, constant(LOOKUP_ID), OP.i32_const, 0, parameters(2), OP.call, leb(host)],
    [OP.local_set, 2, OP.end, OP.end, OP.end, OP.local_get, 2, OP.end],
  )
}

/** Replaces the functions that are called. */
function redirect(body: Uint8Array, to: ReadonlyMap<number, number>): Uint8Array {
  const r = new Reader(body)
  for (let groups = r.u32(); groups > 0; groups -= 1) {
    r.u32()
    r.byte()
  }
  const out: Uint8Array[] = []
  let copied = 0
  while (r.at < body.length) {
    const before = r.at
    if (skipInstruction(r) !== OP.call) continue
    const target = to.get(r.callee)
    if (target === undefined) continue
    out.push(body.subarray(copied, before), code(OP.call, leb(target)))
    copied = r.at
  }
  out.push(body.subarray(copied))
  return concat(out)
}
