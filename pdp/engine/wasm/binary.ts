/**
 * The binary format of WebAssembly as far as modules are rewritten here: sections, instructions, names.
 * WebAssembly Core Specification 2.0, §5. What this decoder does not know refuses the module, so that no instruction is
 * ever passed over.
 */

export class WasmError extends Error {
  readonly code = 'WASM_UNSUPPORTED_MODULE'
}

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  global: 6,
  export: 7,
  code: 10,
} as const

/**
 * Section ids in the order the format wants them: §5.5.2. `data count` (12) stands before `code`, `tag` (13)
 * before `global`.
 */
const ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]

/** Bodies of sections by id, and of custom sections by name. */
export type WasmModule = {
  readonly sections: ReadonlyMap<number, Uint8Array>
  readonly custom: ReadonlyMap<string, Uint8Array>
}

export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  end: 0x0b,
  br: 0x0c,
  return: 0x0f,
  call: 0x10,
  call_indirect: 0x11,
  drop: 0x1a,
  local_get: 0x20,
  local_set: 0x21,
  local_tee: 0x22,
  global_get: 0x23,
  global_set: 0x24,
  i32_load8_u: 0x2d,
  i32_const: 0x41,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_sub: 0x6b,
} as const

/** Type of a block without a result; and the only value type that OPA's ABI has. */
export const [VOID, I32] = [0x40, 0x7f]

/** Reads one instruction and returns its opcode; of a call, `r.callee` is the function. §5.4 */
export function skipInstruction(r: Reader): number {
  const op = r.byte()
  if (op === OP.block || op === OP.loop || op === OP.if) {
    r.s33() // block type
  } else if (op === OP.call) {
    r.callee = r.u32()
  } else if (op === OP.br || op === 0x0d || (op >= 0x20 && op <= 0x26)) {
    r.u32() // br, br_if; local, global and table access
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
    if (r.u32() >= 0x40) throw new WasmError('several memories are not supported') // align
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
    throw new WasmError(`unknown instruction 0x${op.toString(16)}`)
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
  if (immediates === undefined) throw new WasmError('unknown 0xFC instruction')
  for (let i = 0; i < immediates; i += 1) r.u32()
}

export function skipLimits(r: Reader): void {
  const flags = r.byte()
  r.u64()
  if (flags & 0x01) r.u64()
}

export const vectorLength = (body: Uint8Array | undefined): number =>
  body ? new Reader(body).u32() : 0

/** A vector with entries added at its end. */
export function appended(body: Uint8Array | undefined, entries: readonly Uint8Array[]): Uint8Array {
  const r = new Reader(body ?? Uint8Array.of(0))
  const length = r.u32()
  return concat([leb(length + entries.length), r.rest(), ...entries])
}

export function readModule(module: Uint8Array): WasmModule {
  const r = new Reader(module)
  const magic = Buffer.from(r.bytes(8)).toString('hex')
  if (magic !== '0061736d01000000') throw new WasmError('not a WebAssembly module')
  const sections = new Map<number, Uint8Array>()
  const custom = new Map<string, Uint8Array>()
  while (r.at < module.length) {
    const id = r.byte()
    const body = r.bytes(r.u32())
    if (id === SECTION.custom) {
      const named = new Reader(body)
      custom.set(named.text(), named.rest())
    } else if (sections.has(id)) throw new WasmError(`section ${id} is there twice`)
    else sections.set(id, body)
  }
  return { sections, custom }
}

/** Custom sections say nothing that runs; they are left out. */
export function writeModule(sections: ReadonlyMap<number, Uint8Array>): Uint8Array<ArrayBuffer> {
  const unknown = [...sections.keys()].filter((id) => !ORDER.includes(id))
  if (unknown.length > 0) throw new WasmError(`unknown section ${unknown.join(', ')}`)
  const out: Uint8Array[] = [Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0)]
  for (const id of ORDER) {
    const body = sections.get(id)
    if (body) out.push(Uint8Array.of(id), leb(body.length), body)
  }
  return concat(out)
}

/** Bodies of functions, without their sizes. */
export function readCode(body: Uint8Array): Uint8Array[] {
  const r = new Reader(body)
  const bodies = Array.from({ length: r.u32() }, () => r.bytes(r.u32()))
  r.expectEnd()
  return bodies
}

export const writeCode = (bodies: readonly Uint8Array[]): Uint8Array =>
  concat([leb(bodies.length), ...bodies.flatMap((body) => [leb(body.length), body])])

/** Unsigned LEB128. */
export function leb(value: number): Uint8Array {
  const out: number[] = []
  let rest = value
  do {
    const byte = rest & 0x7f
    rest >>>= 7
    out.push(rest === 0 ? byte : byte | 0x80)
  } while (rest !== 0)
  return Uint8Array.from(out)
}

/** Signed LEB128 of a constant that is not negative. */
export function constant(value: number): Uint8Array {
  const bytes = [...leb(value)]
  const last = bytes.at(-1) ?? 0
  // The sign is the last group's highest bit.
  return Uint8Array.from((last & 0x40) === 0 ? bytes : [...bytes.slice(0, -1), last | 0x80, 0x00])
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

type Part = number | Uint8Array

/** Bytes of instructions, from opcodes, immediates and parts; a list is there to be read as one. */
export const code = (...parts: readonly (Part | readonly Part[])[]): Uint8Array =>
  concat(
    parts
      .flatMap((part) => (Array.isArray(part) ? (part as readonly Part[]) : [part as Part]))
      .map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part)),
  )

export class Reader {
  at = 0
  callee = 0
  readonly #bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }
  byte(): number {
    const value = this.#bytes[this.at]
    if (value === undefined) throw new WasmError('the module is cut off')
    this.at += 1
    return value
  }
  bytes(length: number): Uint8Array {
    const end = this.at + length
    if (end > this.#bytes.length) throw new WasmError('the module is cut off')
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
    throw new WasmError('a number is too long')
  }
  text(): string {
    return Buffer.from(this.bytes(this.u32())).toString()
  }
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.at)
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
    throw new WasmError('a number is too long')
  }
  expectEnd(): void {
    if (this.at !== this.#bytes.length) throw new WasmError('a section has bytes left over')
  }
}
