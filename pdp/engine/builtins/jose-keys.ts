import { createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isArray, isObject, type Value } from '../value.ts'
import { failed } from './arguments.ts'
import { goJson, parseJson } from './go/json.ts'

/** Keys as OPA takes them to verify a token: a PEM certificate or public key, a JWK (RFC 7517) or a set of them. */
export type VerificationKey = {
  readonly key: KeyObject
  /** Empty when the key does not say. */
  readonly alg: string
  readonly kid: string
}

const PEM = /^\s*-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----\s*/

/** @throws {BuiltinError} when it is none of them. */
export function readKeys(text: string): readonly VerificationKey[] {
  const [block, type] = PEM.exec(text) ?? []
  if (block === undefined || type === undefined) return readJwks(text)
  if (block.length !== text.length) throw failed('extra data after a PEM certificate block')
  return [{ key: readPem(block, type), alg: '', kid: '' }]
}

function readPem(block: string, type: string): KeyObject {
  try {
    if (type === 'CERTIFICATE') return new X509Certificate(block).publicKey
    if (type === 'PUBLIC KEY') return createPublicKey(block)
  } catch (error) {
    throw failed(`failed to parse a PEM certificate: ${(error as Error).message}`)
  }
  throw failed('failed to extract a Key from the PEM certificate')
}

function readJwks(text: string): readonly VerificationKey[] {
  const value = parsed(text)
  if (!isObject(value)) throw failed('failed to parse a JWK key (set): not an object')
  const keys = value.get('keys')
  return (keys !== undefined && isArray(keys) ? keys : [value]).map(readJwk)
}

function parsed(text: string): Value {
  try {
    return parseJson(text)
  } catch (error) {
    throw failed(`failed to parse a JWK key (set): ${(error as Error).message}`)
  }
}

function readJwk(value: Value): VerificationKey {
  if (!isObject(value)) throw failed('failed to parse a JWK key (set): a key is no object')
  const field = (name: string): string => {
    const found = value.get(name)
    return typeof found === 'string' ? found : ''
  }
  try {
    const key =
      field('kty') === 'oct'
        ? createSecretKey(Buffer.from(field('k'), 'base64url'))
        : createPublicKey({ key: JSON.parse(goJson(value)) as object, format: 'jwk' })
    return { key, alg: field('alg'), kid: field('kid') }
  } catch (error) {
    throw failed(`failed to parse a JWK key (set): ${(error as Error).message}`)
  }
}
