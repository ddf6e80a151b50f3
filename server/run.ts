import { execFile } from 'node:child_process'
import { err, ok, type Result } from '../pdp/contract/result.ts'

const TIMEOUT_MS = 30_000
const MAX_BYTES = 64 * 1024

/**
 * Runs a program without a shell. One that takes too long is killed, and not asked to end: whoever waits for it does not
 * wait for a program that ignores that.
 * @returns what it printed; an error never quotes input or output.
 */
export function runWithInput(
  command: readonly string[],
  input: string,
  timeout_ms = TIMEOUT_MS,
): Promise<Result<string, string>> {
  const [program = '', ...args] = command
  return new Promise((resolve) => {
    const options = {
      timeout: timeout_ms,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_BYTES,
      encoding: 'utf8',
    } as const
    const child = execFile(program, args, options, (error, stdout) => {
      const code = String(error?.code ?? error?.signal ?? 'unknown')
      resolve(error ? err(`the command ${program} failed (${code})`) : ok(stdout))
    })
    // A program that ends without reading its input says so by its exit code.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
