import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { z } from 'zod'
import { runWithInput } from '../../server/run.ts'
import { readSecret, secretSource } from '../../server/secret.ts'
import { err, ok, type Result } from '../contract/result.ts'
import {
  ED25519,
  isKeyName,
  parseVerifierKey,
  type VerifierKey,
  verifierKey,
  verifySignature,
} from './note.ts'

/**
 * Where a key that signs checkpoints comes from: a secret that holds it (PKCS#8 PEM, or the 32 byte seed in base64), or
 * a program that signs and never shows it.
 */
export const signerConfig = z.union(
  [
    secretSource,
    z.strictObject({
      /** Program and arguments: gets the text of a note on its standard input, prints the signature in base64. */
      signer: z.array(z.string().min(1)).min(1),
      /** Its public key, `<name>+<id>+<base64>`. */
      public_key: z.string().min(1),
    }),
  ],
  {
    error:
      'say where the key is: { env: NAME }, { file: path }, { command: [program, …] } or { signer: [program, …], public_key: vkey }',
  },
)
export type SignerConfig = z.infer<typeof signerConfig>

export type Signer = {
  readonly key: VerifierKey
  /** @returns 64 bytes. Rejects when the key does not sign; nothing is signed then. */
  readonly sign: (text: string) => Promise<Uint8Array>
}

const SEED_BYTES = 32
/** What PKCS#8 has in front of an Ed25519 seed: RFC 8410 §7. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SIGNER_TIMEOUT_MS = 10_000

/**
 * Opens a signer once; a key that changes is read at the next start.
 * @param origin name of the log, and so of its key.
 * @param env the environment as the process was started with.
 * @returns a sentence that says what to do when there is no key; it never quotes one.
 */
export async function openSigner(
  config: SignerConfig,
  origin: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Result<Signer, string>> {
  if (!isKeyName(origin))
    return err(`the log's name ${JSON.stringify(origin)} may have no white space and no plus`)
  if ('signer' in config) return externalSigner(config.signer, config.public_key, origin)
  const secret = await readSecret(config, env)
  if (!secret.ok) return err(`the key that signs checkpoints: ${secret.error}`)
  const key = privateKey(secret.value.value)
  return key ? ok(localSigner(key, origin)) : err(NO_KEY)
}

const NO_KEY =
  'the key that signs checkpoints is neither an Ed25519 key in PKCS#8 PEM nor 32 bytes in base64'

function privateKey(text: string): KeyObject | undefined {
  try {
    const key = text.includes('-----BEGIN')
      ? createPrivateKey(text)
      : createPrivateKey({ key: pkcs8(text), format: 'der', type: 'pkcs8' })
    return key.asymmetricKeyType === 'ed25519' ? key : undefined
  } catch {
    // An error's text could quote the key; without one nothing is signed.
    return undefined
  }
}

function pkcs8(base64: string): Buffer {
  const seed = Buffer.from(base64, 'base64')
  if (seed.length !== SEED_BYTES || seed.toString('base64') !== base64)
    throw new Error('not 32 bytes in base64')
  return Buffer.concat([PKCS8_PREFIX, seed])
}

function localSigner(secret: KeyObject, origin: string): Signer {
  const { x = '' } = createPublicKey(secret).export({ format: 'jwk' })
  return {
    key: verifierKey(origin, Buffer.from(x, 'base64url')),
    sign: (text) => Promise.resolve(sign(null, Buffer.from(text), secret)),
  }
}

function externalSigner(
  command: readonly string[],
  vkey: string,
  origin: string,
): Result<Signer, string> {
  const key = parseVerifierKey(vkey)
  if (!key.ok) return key
  if (key.value.type !== ED25519)
    return err('public_key of a signer is one of type 1: a log does not cosign')
  if (key.value.name !== origin)
    return err(`public_key is named ${key.value.name}, and the log ${origin}`)
  return ok({ key: key.value, sign: (text) => askSigner(command, key.value, text) })
}

async function askSigner(
  command: readonly string[],
  key: VerifierKey,
  text: string,
): Promise<Uint8Array> {
  const printed = await runWithInput(command, text, SIGNER_TIMEOUT_MS)
  if (!printed.ok) throw new Error(`the signer: ${printed.error}`)
  const signature = Buffer.from(printed.value.trim(), 'base64')
  const { name, id } = key
  if (!verifySignature(text, { name, id, signature, line: '' }, key))
    throw new Error(`the signer ${command[0]} gave no signature that its public key confirms`)
  return signature
}
