/** What a worker says of itself in memory that the watcher can read while the worker hangs. */

const INPUT_BYTES = 1024 * 1024
const EXECUTIONS = 0
const LENGTH = 1
const STARTED = 2

export type Shared = {
  /** Notes what is about to be executed. */
  readonly begin: (input: unknown) => void
  /** Notes that nothing is executed. */
  readonly rest: () => void
  readonly executions: () => number
  /** How long the execution that is going on has taken, ms. */
  readonly running_ms: () => number
  readonly input: () => unknown
  readonly buffer: SharedArrayBuffer
}

export function createShared(
  buffer: SharedArrayBuffer = new SharedArrayBuffer(32 + INPUT_BYTES),
): Shared {
  const numbers = new Float64Array(buffer, 0, 4)
  const bytes = new Uint8Array(buffer, 32)
  return {
    buffer,
    begin(input) {
      const json = Buffer.from(JSON.stringify(input))
      bytes.set(json.subarray(0, INPUT_BYTES))
      numbers[LENGTH] = json.length
      numbers[EXECUTIONS] = (numbers[EXECUTIONS] ?? 0) + 1
      numbers[STARTED] = Date.now()
    },
    rest() {
      numbers[STARTED] = 0
    },
    executions: () => numbers[EXECUTIONS] ?? 0,
    running_ms() {
      const started = numbers[STARTED] ?? 0
      return started === 0 ? 0 : Date.now() - started
    },
    input() {
      const json = Buffer.from(bytes.slice(0, numbers[LENGTH] ?? 0)).toString()
      try {
        return JSON.parse(json)
      } catch {
        return json
      }
    },
  }
}
