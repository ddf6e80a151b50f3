import { expect, test } from 'vitest'
import { readModule, writeModule } from './binary.ts'
import { addFuel as addFuelTo, FUEL_EXPORT } from './fuel.ts'

const addFuel = (bytes: Uint8Array) => writeModule(addFuelTo(readModule(bytes)).sections)

/** (module (func (export "spin") (loop (br 0))) (func (export "dive") (call 1)) (func (export "add") …)) */
const code = (...bodies: number[][]): number[] => {
  const framed = bodies.flatMap((body) => [body.length, ...body])
  return [0x0a, framed.length + 1, bodies.length, ...framed]
}
const module = (...bodies: number[][]): Uint8Array =>
  Uint8Array.from(
    [
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7f], // type: () -> i32
      [0x03, bodies.length + 1, bodies.length, ...bodies.map(() => 0x00)],
      [0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00], // export "f"
      code(...bodies),
    ].flat(),
  )

const SPIN = [0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x41, 0x00, 0x0b]
const DIVE = [0x00, 0x10, 0x00, 0x0b]
const SEVEN = [0x00, 0x41, 0x07, 0x0b]

type Exports = { f: () => number; [FUEL_EXPORT]: { value: number } }

function instantiate(bytes: Uint8Array): Exports {
  const compiled = new WebAssembly.Module(addFuel(bytes))
  return new WebAssembly.Instance(compiled).exports as unknown as Exports
}

test('a loop that never ends stops when its fuel is used up', () => {
  const exports = instantiate(module(SPIN))
  exports[FUEL_EXPORT].value = 1000
  expect(() => exports.f()).toThrow('unreachable')
  expect(exports[FUEL_EXPORT].value).toBe(0)
})

test('a recursion stops when its fuel is used up, before the stack does', () => {
  const exports = instantiate(module(DIVE))
  exports[FUEL_EXPORT].value = 100
  expect(() => exports.f()).toThrow('unreachable')
})

/** Counts a local down from 3 and returns 7 out of the loop. */
const COUNT = [
  [0x01, 0x01, 0x7f, 0x41, 0x03, 0x21, 0x00], // local i := 3
  [0x03, 0x40, 0x20, 0x00, 0x45, 0x04, 0x40, 0x41, 0x07, 0x0f, 0x0b], // loop: if i = 0 return 7
  [0x20, 0x00, 0x41, 0x01, 0x6b, 0x21, 0x00, 0x0c, 0x00, 0x0b], // i := i - 1; again
  [0x41, 0x00, 0x0b],
].flat()

test('a module with enough fuel answers as before and says what it used', () => {
  const exports = instantiate(module(COUNT))
  exports[FUEL_EXPORT].value = 5
  expect(exports.f()).toBe(7)
  expect(exports[FUEL_EXPORT].value).toBe(1)
})

test('what a loop used is known to the caller, and the next call begins with what is left', () => {
  const exports = instantiate(module([0x00, 0x10, 0x01, 0x1a, 0x10, 0x01, 0x0b], COUNT))
  exports[FUEL_EXPORT].value = 9
  expect(exports.f()).toBe(7)
  expect(exports[FUEL_EXPORT].value).toBe(0)
  exports[FUEL_EXPORT].value = 8
  expect(() => exports.f()).toThrow('unreachable')
})

test('a function that always ends soon takes no step', () => {
  const exports = instantiate(module(SEVEN))
  exports[FUEL_EXPORT].value = 5
  expect(exports.f()).toBe(7)
  expect(exports[FUEL_EXPORT].value).toBe(5)
})

test('calls that double at each level are counted, though none of them loops', () => {
  const level = (callee: number): number[] => [0x00, 0x10, callee, 0x1a, 0x10, callee, 0x0b]
  const exports = instantiate(
    module(...Array.from({ length: 12 }, (_, at) => level(at + 1)), SEVEN),
  )
  exports[FUEL_EXPORT].value = 50
  expect(() => exports.f()).toThrow('unreachable')
})

test('a module with an instruction that is not known is refused, not run without a counter', () => {
  expect(() => addFuel(module([0x00, 0xfd, 0x00, 0x0b]))).toThrow('unknown instruction 0xfd')
  expect(() => addFuel(module([0x00, 0x06, 0x40, 0x0b, 0x0b]))).toThrow('unknown instruction 0x6')
})

test('a module that is cut off anywhere is refused or is still a module', () => {
  const whole = module(SPIN, SEVEN)
  for (let length = 0; length < whole.length; length += 1) {
    const cut = whole.subarray(0, length)
    let fueled: Uint8Array<ArrayBuffer>
    try {
      fueled = addFuel(cut)
    } catch {
      continue
    }
    // Only a cut between sections reads as a module; the engine then finds its exports missing.
    const kept = WebAssembly.validate(Uint8Array.from(cut))
    expect(WebAssembly.validate(fueled)).toBe(kept)
  }
})
