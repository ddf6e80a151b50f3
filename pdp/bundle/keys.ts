import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  X509Certificate,
} from 'node:crypto'
import { z } from 'zod'
import { secretSource } from '../../server/secret.ts'
import { algorithm, algorithms } from '../jose/algorithms.ts'
import { BundleError } from './errors.ts'

/** Names of JSON Web Algorithms that a bundle may be signed with: RFC 7518 §3.1, RFC 8037. */
export const signingAlgorithm = z.enum(Object.keys(algorithms) as [string, ...string[]])

/** `pdp.bundle_keys`: keys that bundles may be signed with, by id; OPA's `keys`. */
export const bundleKeysConfig = z.record(
  z.string().min(1).max(256),
  z.strictObject({
    algorithm: signingAlgorithm.default('RS256'),
    /** A public key or certificate in PEM; for HS256 and its kind the secret. */
    key: secretSource,
    /** What the signature must say that it is for. */
    scope: z.string().optional(),
  }),
)

export type VerificationKey = {
  readonly id: string
  readonly algorithm: string
  readonly key: KeyObject
  readonly scope?: string | undefined
}

export type SigningKey = {
  readonly id?: string
  readonly algorithm: string
  readonly key: KeyObject
}

/** @throws {BundleError} BUNDLE_KEY, without the key. */
export function verificationKey(
  id: string,
  name: string,
  text: string,
  scope?: string,
): VerificationKey {
  return { id, algorithm: name, key: readKey(id, name, text, publicKey), scope }
}

/** @throws {BundleError} BUNDLE_KEY, without the key. */
export function signingKey(name: string, text: string, id?: string): SigningKey {
  const key = readKey(id ?? 'the signing key', name, text, createPrivateKey)
  return { algorithm: name, key, ...(id !== undefined && { id }) }
}

function publicKey(text: string): KeyObject {
  return text.includes('BEGIN CERTIFICATE')
    ? new X509Certificate(text).publicKey
    : createPublicKey(text)
}

function readKey(
  id: string,
  name: string,
  text: string,
  read: (text: string) => KeyObject,
): KeyObject {
  const known = algorithm(name)
  if (!known) throw new BundleError('BUNDLE_KEY', `${id}: ${name} is no algorithm for bundles`)
  if (known.keyType === 'oct') return createSecretKey(Buffer.from(text))
  let key: KeyObject
  try {
    key = read(text)
  } catch {
    throw new BundleError('BUNDLE_KEY', `${id}: not a key in PEM`)
  }
  if (key.asymmetricKeyType !== known.keyType)
    throw new BundleError('BUNDLE_KEY', `${id}: a key for ${name} must be of type ${known.keyType}`)
  return key
}
