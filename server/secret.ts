import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import { runWithInput } from './run.ts'

/** Where a secret comes from; it is never written into configuration. */
export const secretSource = z.union(
  [
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ command: z.array(z.string().min(1)).min(1) }),
  ],
  { error: 'say where the secret is: { env: NAME }, { file: path } or { command: [program, …] }' },
)
export type SecretSource = z.infer<typeof secretSource>

export type Secret = {
  readonly value: string
  /** When it stops being good, milliseconds since the epoch; only a command says so. */
  readonly expires_ms?: number
}

/** What a command may print instead of the bare secret. */
const printed = z.object({
  value: z.string(),
  /** ISO 8601. */
  expires_at: z.iso.datetime({ offset: true }).optional(),
})

const MAX_BYTES = 64 * 1024

/**
 * Reads a secret once.
 * @param env the environment as the process was started with.
 * @returns the secret without white space around it, or a sentence that says what to do; it never quotes the secret.
 */
export async function readSecret(
  source: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Result<Secret, string>> {
  if ('env' in source) {
    const value = env[source.env]
    return value === undefined ? err(`set the environment variable ${source.env}`) : usable(value)
  }
  if ('file' in source) {
    try {
      return usable(await readFile(source.file, 'utf8'))
    } catch (error) {
      return err(`the file ${source.file} cannot be read (${codeOf(error)})`)
    }
  }
  const ran = await runWithInput(source.command, '')
  return ran.ok ? parsePrinted(ran.value) : ran
}

function usable(text: string, expires_ms?: number): Result<Secret, string> {
  const value = text.trim()
  if (value === '') return err('it is empty')
  if (value.length > MAX_BYTES) return err('it is too long')
  return ok({ value, ...(expires_ms !== undefined && { expires_ms }) })
}

function parsePrinted(stdout: string): Result<Secret, string> {
  if (!stdout.trimStart().startsWith('{')) return usable(stdout)
  try {
    const { value, expires_at } = printed.parse(JSON.parse(stdout))
    return usable(value, expires_at === undefined ? undefined : Date.parse(expires_at))
  } catch {
    return err('the command must print the secret, or { "value": "…", "expires_at": "…" }')
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
