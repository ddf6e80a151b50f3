import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type MasterKey, type MasterKeyConfig, openMasterKey } from '../../sealing/master-key.ts'
import { createWrapper, type Wrapper } from '../../sealing/wrapper.ts'
import { readSecret, type SecretSource } from '../../server/secret.ts'
import { keepPrivate } from '../private-file.ts'
import { StartError } from './config.ts'

type Env = Readonly<Record<string, string | undefined>>

const random = (): Promise<string> => Promise.resolve(randomBytes(32).toString('base64url'))

/** @param what the key of `countersign.yaml` that names the source. */
export async function required(source: SecretSource, env: Env, what: string): Promise<string> {
  const secret = await readSecret(source, env)
  if (!secret.ok) throw new StartError(`${what}: ${secret.error}`)
  return secret.value.value
}

const tokenFile = (folder: string): string => join(folder, 'pep-token')

/** The token that the one enforcement point of this folder shows; made at the first start, kept 0600. */
export const ownPepToken = (folder: string): Promise<string> =>
  keepPrivate(tokenFile(folder), random)

/** As a split-off enforcement point finds it. */
export async function pepToken(
  source: SecretSource | undefined,
  folder: string,
  env: Env,
): Promise<string> {
  if (source) return required(source, env, 'pep.pdp.token')
  const kept = await readFile(tokenFile(folder), 'utf8').catch(() => '')
  if (kept.trim() === '')
    throw new StartError(
      `the decision service asks for a token: name it under pep.pdp.token, or copy its pep-token file to ${tokenFile(folder)}`,
    )
  return kept.trim()
}

const masterKeyFile = (folder: string): string => join(folder, 'master-key')

/**
 * What the keys of recorded content are wrapped by: where `sealing.master_key` says, else one of this folder, made at the
 * first start and kept 0600.
 * @param role a split-off enforcement point makes none: what it sealed under a key of its own, nobody could read.
 */
export async function masterKey(
  config: MasterKeyConfig | undefined,
  role: 'pdp' | 'pep' | undefined,
  folder: string,
  env: Env,
): Promise<MasterKey> {
  const path = masterKeyFile(folder)
  if (!config && role === 'pep' && !existsSync(path))
    throw new StartError(
      `what is recorded is sealed under a master key that the decision service has too: name it under sealing.master_key, or copy its master-key file to ${path}`,
    )
  const make = (): Promise<string> => Promise.resolve(randomBytes(32).toString('base64'))
  if (!config) await keepPrivate(path, make)
  const key = await openMasterKey(config ?? { file: path }, env)
  if (!key.ok) throw new StartError(`sealing.master_key: ${key.error}`)
  return key.value
}

/** A key service that does not answer now is found out before anything is recorded, not at the first request. */
export function usableWrapper(master: MasterKey): Promise<Wrapper> {
  return createWrapper(master).catch((error: unknown) => {
    throw new StartError(`sealing.master_key: ${error instanceof Error ? error.message : ''}`)
  })
}

const MIN_KEY_BYTES = 32

/** Key of `hash` and `token` masks. */
export async function maskKey(
  source: SecretSource | undefined,
  folder: string,
  env: Env,
): Promise<Buffer> {
  const text = source
    ? await required(source, env, 'pep.mask_key')
    : await keepPrivate(join(folder, 'mask-key'), random)
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length < MIN_KEY_BYTES)
    throw new StartError(`pep.mask_key: must be base64 of at least ${MIN_KEY_BYTES} bytes`)
  return key
}
