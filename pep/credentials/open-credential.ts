import { z } from 'zod'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Refusal } from '../core/refusal.ts'
import type { Log } from '../core/services.ts'
import { watchFiles } from '../../server/watch-files.ts'
import type { Credential, Injected } from './credential.ts'
import { escapedForms } from './escaped-forms.ts'
import { readSecret, type Secret, secretSource } from '../../server/secret.ts'

export const credentialConfig = z.strictObject({
  /** The header the secret goes into. */
  header: z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be a header name')
    .transform((name) => name.toLowerCase()),
  /** What stands in front of the secret in the header, e.g. `Bearer `. */
  prefix: z.string().optional(),
  from: secretSource,
  /** Reads it again so often, seconds. A file is read again when it changes, without this. */
  refresh_s: z.int().positive().max(86_400).optional(),
})
export type CredentialConfig = z.infer<typeof credentialConfig>

export type CredentialParts = {
  readonly connection: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly now: () => number
}

/** Shorter secrets would be redacted out of ordinary text. */
const MIN_SECRET = 8
/** Wait before a failed read is tried again. */
const RETRY_MS = 5000
/** An expiring secret is read again so long before its end. */
const AHEAD_MS = 60_000

/** A connection without a credential: its requests go out with none. */
export const noCredential: Credential = {
  header: undefined,
  current: () => ok(undefined),
  close: () => {},
}

/** Reads a credential and keeps it fresh. The first read is done when it resolves, successful or not. */
export async function openCredential(
  config: CredentialConfig,
  parts: CredentialParts,
): Promise<Credential> {
  const { connection, env, log, now } = parts
  let state: Result<Injected, string> = err('it was not read yet')
  let secret: Secret | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function refresh(): Promise<void> {
    clearTimeout(timer)
    const read = await readSecret(config.from, env)
    if (closed) return
    const next = read.ok ? injected(config, read.value.value) : read
    const changed = next.ok && (!state.ok || state.value.value !== next.value.value)
    if (changed) log('info', 'credential.loaded', { connection })
    if (!next.ok) log('warn', 'credential.unavailable', { connection, reason: next.error })
    // Fail closed: when it cannot be read any more it may have been taken away.
    if (next.ok || !stillGood()) state = changed || !next.ok ? next : state
    if (read.ok) secret = read.value
    schedule(next.ok)
  }

  /** A command that fails once does not take away what it said is good until later. */
  const stillGood = (): boolean =>
    'command' in config.from && secret?.expires_ms !== undefined && secret.expires_ms > now()

  function schedule(read: boolean): void {
    const waits = [
      ...(read ? [] : [RETRY_MS]),
      ...(config.refresh_s === undefined ? [] : [config.refresh_s * 1000]),
      ...(secret?.expires_ms === undefined
        ? []
        : [Math.max(secret.expires_ms - now() - AHEAD_MS, 1000)]),
    ]
    if (waits.length === 0) return
    timer = setTimeout(() => void refresh(), Math.min(...waits)).unref()
  }

  await refresh()
  const watcher =
    'file' in config.from ? watchFiles([config.from.file], () => void refresh()) : undefined

  return {
    header: config.header,
    current(): Result<Injected, Refusal> {
      if (state.ok && !(secret?.expires_ms !== undefined && secret.expires_ms <= now()))
        return state
      const why = state.ok ? 'it has expired' : state.error
      return err({
        code: 'credential_unavailable',
        message: `the credential of connection ${connection} is not available: ${why}`,
      })
    },
    close() {
      closed = true
      clearTimeout(timer)
      watcher?.close()
    },
  }
}

function injected(config: CredentialConfig, secret: string): Result<Injected, string> {
  if (secret.length < MIN_SECRET) return err(`it has fewer than ${MIN_SECRET} characters`)
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(secret))
    return err('it holds characters that a header cannot carry')
  const { header, prefix = '' } = config
  const secrets = [secret, ...basicParts(prefix, secret)]
  return ok({ header, value: prefix + secret, literals: secrets.flatMap(escapedForms) })
}

/** The password inside of HTTP Basic credentials, which an upstream may echo by itself. */
function basicParts(prefix: string, secret: string): string[] {
  if (prefix.trim().toLowerCase() !== 'basic') return []
  const decoded = Buffer.from(secret, 'base64').toString('utf8')
  const password = decoded.slice(decoded.indexOf(':') + 1)
  return password.length >= MIN_SECRET ? [password] : []
}
