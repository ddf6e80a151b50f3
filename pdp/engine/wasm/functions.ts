import { Reader, SECTION, skipLimits, WasmError, type WasmModule } from './binary.ts'

/** The index space of a module's functions: imported ones first. §5.5.5, §5.5.6 */
export type Functions = {
  readonly imported: readonly string[]
  /** Type indexes of the module's own functions, in order. */
  readonly own: readonly number[]
  readonly types: readonly FunctionType[]
  readonly importedGlobals: number
  /** From the custom section `name`; empty when the module has none. Several functions may have one name. */
  readonly names: ReadonlyMap<number, string>
}

/** How many parameters; value types of results, as bytes. */
export type FunctionType = { readonly params: number; readonly results: readonly number[] }

export function readFunctions({ sections, custom }: WasmModule): Functions {
  const imports = readImports(sections.get(SECTION.import))
  return {
    ...imports,
    own: vector(sections.get(SECTION.function), (r) => r.u32()),
    types: vector(sections.get(SECTION.type), readType),
    names: readNames(custom.get('name')),
  }
}

function vector<T>(body: Uint8Array | undefined, one: (r: Reader) => T): T[] {
  if (!body) return []
  const r = new Reader(body)
  const values = Array.from({ length: r.u32() }, () => one(r))
  r.expectEnd()
  return values
}

function readType(r: Reader): FunctionType {
  if (r.byte() !== 0x60) throw new WasmError('a type that is no function is not supported')
  const values = (): number[] => Array.from({ length: r.u32() }, () => r.byte())
  const params = values().length
  return { params, results: values() }
}

function readImports(body: Uint8Array | undefined): {
  readonly imported: string[]
  readonly importedGlobals: number
} {
  const imported: string[] = []
  let importedGlobals = 0
  vector(body, (r) => {
    r.text() // module
    const name = r.text()
    const kind = r.byte()
    if (kind === 0x00) {
      r.u32()
      imported.push(name)
    } else if (kind === 0x01) {
      r.byte()
      skipLimits(r)
    } else if (kind === 0x02) skipLimits(r)
    else if (kind === 0x03) {
      r.bytes(2)
      importedGlobals += 1
    } else throw new WasmError(`unknown import kind ${kind}`)
  })
  return { imported, importedGlobals }
}

const FUNCTION_NAMES = 1

function readNames(body: Uint8Array | undefined): Map<number, string> {
  const names = new Map<number, string>()
  if (!body) return names
  const r = new Reader(body)
  while (r.at < body.length) {
    const id = r.byte()
    const part = r.bytes(r.u32())
    if (id === FUNCTION_NAMES) vector(part, (one) => names.set(one.u32(), one.text()))
  }
  return names
}
