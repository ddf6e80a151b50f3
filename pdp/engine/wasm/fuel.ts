import {
  appended,
  code,
  concat,
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
import { type Functions, readFunctions } from './functions.ts'

/**
 * A deadline that holds inside WebAssembly: every loop takes a step each time around, and so does every function whose
 * calls could add up. Without steps left the module traps. Nothing else can end a synchronous evaluation: a timer does
 * not fire while it runs.
 *
 * A counter and not a clock, so that the same input runs out at the same step everywhere and in replay.
 */
export const FUEL_EXPORT = 'countersign_fuel'

/** What may run between two steps at most, in calls. */
const FREE_CALLS = 64

/** @returns the module's sections with counters and with the mutable global `countersign_fuel` (i32, starts full) exported. */
export function addFuel(module: WasmModule): WasmModule {
  const functions = readFunctions(module)
  const { sections } = module
  const fuel = functions.importedGlobals + vectorLength(sections.get(SECTION.global))
  const bodies = readCode(sections.get(SECTION.code) ?? Uint8Array.of(0))
  if (bodies.length !== functions.own.length) throw new WasmError('functions without code')
  const shapes = bodies.map(shapeOf)
  const free = freeFunctions(shapes, functions.imported.length)
  const counted = bodies.map((body, at) => {
    const shape = shapes[at]
    const type = functions.types[functions.own[at] ?? -1]
    if (!shape || !type) throw new WasmError('a function without a type')
    if (!shape.loops) return free.has(at) ? body : countEach(body, fuel, true)
    // Without calls nobody else sees the counter: it can be a local, which costs next to nothing.
    const leaf = shape.callees.length === 0 && !shape.indirect && type.results.length <= 1
    return leaf
      ? countLocally(body, fuel, type)
      : countEach(body, fuel, !callsAreFree(shape, free, functions))
  })
  return {
    custom: module.custom,
    sections: new Map([
      ...sections,
      // (global (mut i32) (i32.const -1)): full at the start, so that the module's own set-up can run.
      [
        SECTION.global,
        appended(sections.get(SECTION.global), [
          Uint8Array.of(I32, 0x01, OP.i32_const, 0x7f, OP.end),
        ]),
      ],
      [SECTION.export, appended(sections.get(SECTION.export), [globalExport(FUEL_EXPORT, fuel)])],
      [SECTION.code, writeCode(counted)],
    ]),
  }
}

export function globalExport(name: string, index: number): Uint8Array {
  const text = Buffer.from(name)
  return code(leb(text.length), text, 0x03, leb(index))
}

type Shape = {
  readonly loops: boolean
  readonly indirect: boolean
  readonly callees: readonly number[]
}

function shapeOf(body: Uint8Array): Shape {
  const r = bodyReader(body)
  const callees: number[] = []
  let [loops, indirect] = [false, false]
  while (r.at < body.length) {
    const op = skipInstruction(r)
    if (op === OP.loop) loops = true
    else if (op === OP.call_indirect) indirect = true
    else if (op === OP.call) callees.push(r.callee)
  }
  return { loops, indirect, callees }
}

/**
 * Functions that run for a bounded time by themselves: no loop, and calls of such functions alone, few in all. Those
 * that call themselves in a circle are never found. The host's functions are not ours to count.
 * @returns the calls that each can make, by its place among the module's own functions.
 */
function freeFunctions(shapes: readonly Shape[], imported: number): Map<number, number> {
  const calls = new Map<number, number>()
  for (let before = -1; before !== calls.size;) {
    before = calls.size
    for (const [at, { loops, indirect, callees }] of shapes.entries()) {
      if (loops || indirect || calls.has(at)) continue
      let sum = 1
      for (const callee of callees)
        sum += callee < imported ? 1 : (calls.get(callee - imported) ?? Infinity)
      if (sum <= FREE_CALLS) calls.set(at, sum)
    }
  }
  return calls
}

/** Whether what a function calls outside of its loops is bounded without counting. */
function callsAreFree(
  shape: Shape,
  free: ReadonlyMap<number, number>,
  { imported }: Functions,
): boolean {
  if (shape.indirect) return false
  const cost = (callee: number): number =>
    callee < imported.length ? 1 : (free.get(callee - imported.length) ?? Infinity)
  return shape.callees.reduce((sum, callee) => sum + cost(callee), 0) <= FREE_CALLS
}

/** A reader that stands behind the declarations of locals. */
function bodyReader(body: Uint8Array): Reader {
  const r = new Reader(body)
  for (let groups = r.u32(); groups > 0; groups -= 1) {
    r.u32()
    r.byte()
  }
  return r
}

/** `if fuel = 0 trap; fuel := fuel - 1` */
const takeStep = (fuel: number): Uint8Array =>
  code(
    [OP.global_get, leb(fuel), OP.i32_eqz, OP.if, VOID, OP.unreachable, OP.end],
    [OP.global_get, leb(fuel), OP.i32_const, 1, OP.i32_sub, OP.global_set, leb(fuel)],
  )

/** The same on a copy of the counter; the global says why it trapped. */
const takeLocalStep = (local: number, fuel: number): Uint8Array =>
  code(
    [OP.local_get, leb(local), OP.i32_eqz, OP.if, VOID],
    [OP.i32_const, 0, OP.global_set, leb(fuel), OP.unreachable, OP.end],
    [OP.local_get, leb(local), OP.i32_const, 1, OP.i32_sub, OP.local_set, leb(local)],
  )

/** A step at every loop, and at the head. Branch depths stay right because what is put in is closed in itself. */
function countEach(body: Uint8Array, fuel: number, head: boolean): Uint8Array {
  const step = takeStep(fuel)
  const r = bodyReader(body)
  const out: Uint8Array[] = [body.subarray(0, r.at)]
  if (head) out.push(step)
  let copied = r.at
  while (r.at < body.length) {
    if (skipInstruction(r) !== OP.loop) continue
    out.push(body.subarray(copied, r.at), step)
    copied = r.at
  }
  out.push(body.subarray(copied))
  return concat(out)
}

/** A step at every loop, counted in a local that is read at the head and written back wherever the function ends. */
function countLocally(
  body: Uint8Array,
  fuel: number,
  { params, results }: { readonly params: number; readonly results: readonly number[] },
): Uint8Array {
  const r = new Reader(body)
  const groups = r.u32()
  const declared = r.at
  let locals = params
  for (let group = 0; group < groups; group += 1) {
    locals += r.u32()
    r.byte()
  }
  const local = locals
  const step = takeLocalStep(local, fuel)
  const out: Uint8Array[] = [
    leb(groups + 1),
    body.subarray(declared, r.at),
    code(leb(1), I32),
    code(OP.global_get, leb(fuel), OP.local_set, leb(local)),
    // All of the body is a block, so that every way out of it leads to its end.
    code(OP.block, results[0] ?? VOID),
  ]
  let copied = r.at
  let depth = 0
  while (r.at < body.length) {
    const before = r.at
    const op = skipInstruction(r)
    if (op === OP.block || op === OP.loop || op === OP.if) depth += 1
    if (op === OP.end) depth -= 1
    if (op !== OP.loop && op !== OP.return) continue
    if (op === OP.loop) out.push(body.subarray(copied, r.at), step)
    else out.push(body.subarray(copied, before), code(OP.br, leb(depth)))
    copied = r.at
  }
  if (depth !== -1) throw new WasmError('a function that does not end')
  // The body's own end closes the block.
  out.push(body.subarray(copied), code(OP.local_get, leb(local), OP.global_set, leb(fuel), OP.end))
  return concat(out)
}
