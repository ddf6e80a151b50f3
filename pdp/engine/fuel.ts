/**
 * A deadline that holds inside WebAssembly. The pass puts a counter at the head of every function and every
 * loop of a module; when it reaches zero the module traps. Nothing else can end a synchronous evaluation: a
 * timer does not fire while it runs.
 *
 * A counter and not a clock, so that the same input runs out at the same step everywhere and in replay.
 * Binary format: WebAssembly Core Specification 2.0, §5. Instructions that this decoder does not know refuse
 * the module, so none is ever left without its counter.
 */

export const FUEL_EXPORT = 'countersign_fuel'

export class FuelError extends Error {
  readonly code = 'FUEL_UNSUPPORTED_MODULE'
}

const SECTION = { custom: 0, import: 2, global: 6, export: 7, code: 10 } as const

/**
 * Section ids in the order the format wants them: §5.5.2. `data count` (12) stands before `code`, `tag` (13)
 * before `global`.
 */
const ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]

type Section = { readonly id: number; readonly body: Uint8Array }

/** @returns the module with counters and with the mutable global `countersign_fuel` (i32, unsigned, starts full) exported. */
export function addFuel(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const sections = readSections(module)
  const find = (id: number): Uint8Array | undefined => sections.find((s) => s.id === id)?.body
  const index = importedGlobals(find(SECTION.import)) + vectorLength(find(SECTION.global))

  const replaced = new Map<number, Uint8Array>([
    // (global (mut i32) (i32.const -1)): full at the start, so that the module's own set-up can run.
    [SECTION.global, appendEntry(find(SECTION.global), [0x7f, 0x01, 0x41, 0x7f, 0x0b])],
    [SECTION.export, appendEntry(find(SECTION.export), exportEntry(index))],
  ])
  const code = find(SECTION.code)
  if (code) replaced.set(SECTION.code, countCode(code, counter(index)))
  return writeModule(module.subarray(0, 8), sections, replaced)
}

/** `if fuel = 0 trap; fuel := fuel - 1` */
function counter(index: number): Uint8Array {
  const global = leb(index)
  const get = [0x23, ...global]
  const trapAtZero = [...get, 0x45, 0x04, 0x40, 0x00, 0x0b] // i32.eqz, if, unreachable, end
  const takeOne = [...get, 0x41, 0x01, 0x6b, 0x24, ...global] // i32.const 1, i32.sub, global.set
  return Uint8Array.from([...trapAtZero, ...takeOne])
}

function exportEntry(index: number): number[] {
  const name = new TextEncoder().encode(FUEL_EXPORT)
  return [...leb(name.length), ...name, 0x03, ...leb(index)]
}

/** Rewrites each function body; branch depths stay right because what is put in is closed in itself. */
function countCode(body: Uint8Array, count: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  const functions = reader.u32()
  const out: Uint8Array[] = [Uint8Array.from(leb(functions))]
  for (let i = 0; i < functions; i += 1) {
    const size = reader.u32()
    const counted = countFunction(reader.bytes(size), count)
    out.push(Uint8Array.from(leb(counted.length)), counted)
  }
  reader.expectEnd()
  return concat(out)
}

function countFunction(body: Uint8Array, count: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    reader.u32()
    reader.byte()
  }
  const out: Uint8Array[] = [body.subarray(0, reader.at), count]
  let copied = reader.at
  while (reader.at < body.length) {
    if (skipInstruction(reader) !== LOOP) continue
    out.push(body.subarray(copied, reader.at), count)
    copied = reader.at
  }
  out.push(body.subarray(copied))
  return concat(out)
}

const LOOP = 0x03

/** Reads one instruction and returns its opcode. §5.4 */
function skipInstruction(r: Reader): number {
  const op = r.byte()
  if (op === 0x02 || op === LOOP || op === 0x04) {
    r.s33() // block type
  } else if (op === 0x0c || op === 0x0d || op === 0x10 || (op >= 0x20 && op <= 0x26)) {
    r.u32() // br, br_if, call; local, global and table access
  } else if (op === 0xd2) {
    r.u32() // ref.func
  } else if (op === 0x0e) {
    for (let labels = r.u32() + 1; labels > 0; labels -= 1) r.u32() // br_table
  } else if (op === 0x11) {
    r.u32() // call_indirect
    r.u32()
  } else if (op === 0x1c) {
    for (let types = r.u32(); types > 0; types -= 1) r.byte() // select t*
  } else if (op >= 0x28 && op <= 0x3e) {
    if (r.u32() >= 0x40) throw new FuelError('several memories are not supported') // align
    r.u64() // offset
  } else if (op === 0x3f || op === 0x40 || op === 0xd0) {
    r.byte() // memory.size, memory.grow, ref.null
  } else if (op === 0x41) {
    r.s33() // i32.const
  } else if (op === 0x42) {
    r.u64() // i64.const: only its length matters
  } else if (op === 0x43) {
    r.bytes(4)
  } else if (op === 0x44) {
    r.bytes(8)
  } else if (op === 0xfc) {
    skipPrefixed(r)
  } else if (!isPlain(op)) {
    throw new FuelError(`unknown instruction 0x${op.toString(16)}`)
  }
  return op
}

/** Instructions without immediates. */
function isPlain(op: number): boolean {
  return (
    op === 0x00 || // unreachable
    op === 0x01 || // nop
    op === 0x05 || // else
    op === 0x0b || // end
    op === 0x0f || // return
    op === 0x1a || // drop
    op === 0x1b || // select
    (op >= 0x45 && op <= 0xc4) || // numeric
    op === 0xd1 // ref.is_null
  )
}

/** How many immediates follow each 0xFC instruction: saturating truncation, bulk memory, tables. */
const PREFIXED = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1]

function skipPrefixed(r: Reader): void {
  const immediates = PREFIXED[r.u32()]
  if (immediates === undefined) throw new FuelError('unknown 0xFC instruction')
  for (let i = 0; i < immediates; i += 1) r.u32()
}

function importedGlobals(body: Uint8Array | undefined): number {
  if (!body) return 0
  const r = new Reader(body)
  let globals = 0
  for (let imports = r.u32(); imports > 0; imports -= 1) {
    r.bytes(r.u32()) // module
    r.bytes(r.u32()) // name
    const kind = r.byte()
    if (kind === 0x00) r.u32()
    else if (kind === 0x01) {
      r.byte()
      skipLimits(r)
    } else if (kind === 0x02) skipLimits(r)
    else if (kind === 0x03) {
      r.bytes(2)
      globals += 1
    } else throw new FuelError(`unknown import kind ${kind}`)
  }
  r.expectEnd()
  return globals
}

function skipLimits(r: Reader): void {
  const flags = r.byte()
  r.u64()
  if (flags & 0x01) r.u64()
}

const vectorLength = (body: Uint8Array | undefined): number => (body ? new Reader(body).u32() : 0)

function appendEntry(body: Uint8Array | undefined, entry: readonly number[]): Uint8Array {
  if (!body) return Uint8Array.from([1, ...entry])
  const r = new Reader(body)
  const length = r.u32()
  return concat([Uint8Array.from(leb(length + 1)), body.subarray(r.at), Uint8Array.from(entry)])
}

function readSections(module: Uint8Array): Section[] {
  const r = new Reader(module)
  const magic = Buffer.from(r.bytes(8)).toString('hex')
  if (magic !== '0061736d01000000') throw new FuelError('not a WebAssembly module')
  const sections: Section[] = []
  while (r.at < module.length) {
    const id = r.byte()
    sections.push({ id, body: r.bytes(r.u32()) })
  }
  return sections
}

function writeModule(
  header: Uint8Array,
  sections: readonly Section[],
  replaced: ReadonlyMap<number, Uint8Array>,
): Uint8Array<ArrayBuffer> {
  const known = new Map(sections.filter((s) => s.id !== SECTION.custom).map((s) => [s.id, s.body]))
  for (const [id, body] of replaced) known.set(id, body)
  const out: Uint8Array[] = [header]
  for (const id of ORDER) {
    const body = known.get(id)
    if (!body) continue
    known.delete(id)
    out.push(Uint8Array.from([id, ...leb(body.length)]), body)
  }
  if (known.size > 0) throw new FuelError(`unknown section ${[...known.keys()].join(', ')}`)
  // Names and other custom sections say nothing that runs; they are left out.
  return concat(out)
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  const out: number[] = []
  let rest = value
  do {
    const byte = rest & 0x7f
    rest >>>= 7
    out.push(rest === 0 ? byte : byte | 0x80)
  } while (rest !== 0)
  return out
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

class Reader {
  at = 0
  readonly #bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }
  byte(): number {
    const value = this.#bytes[this.at]
    if (value === undefined) throw new FuelError('the module is cut off')
    this.at += 1
    return value
  }
  bytes(length: number): Uint8Array {
    const end = this.at + length
    if (end > this.#bytes.length) throw new FuelError('the module is cut off')
    const part = this.#bytes.subarray(this.at, end)
    this.at = end
    return part
  }
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new FuelError('a number is too long')
  }
  /** Skips up to 64 bits. */
  u64(): void {
    this.#skip(10)
  }
  /** Skips a signed number of up to 33 bits. */
  s33(): void {
    this.#skip(5)
  }
  #skip(most: number): void {
    for (let i = 0; i < most; i += 1) if (this.byte() < 0x80) return
    throw new FuelError('a number is too long')
  }
  expectEnd(): void {
    if (this.at !== this.#bytes.length) throw new FuelError('a section has bytes left over')
  }
}
