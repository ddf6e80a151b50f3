import { execFile } from 'node:child_process'
import { err, ok, type Result } from '../pdp/contract/result.ts'

const TIMEOUT_MS = 30_000
const MAX_BYTES = 64 * 1024

/** Runs a program without a shell. @returns what it printed; an error never quotes input or output. */
export function runWithInput(
  command: readonly string[],
  input: string,
): Promise<Result<string, string>> {
  const [program = '', ...args] = command
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_BYTES, encoding: 'utf8' } as const
    const child = execFile(program, args, options, (error, stdout) => {
      const code = error && 'code' in error ? String(error.code) : 'unknown'
      resolve(error ? err(`the command ${program} failed (${code})`) : ok(stdout))
    })
    // A program that ends without reading its input says so by its exit code.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
