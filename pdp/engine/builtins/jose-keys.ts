import { createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Spend } from '../steps.ts'
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

const STEPS_A_KEY = 5000

const PEM = /^\s*-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----\s*/

/** @throws {BuiltinError} when it is none of them. */
export function readKeys(text: string, spend: Spend): readonly VerificationKey[] {
  spend(STEPS_A_KEY)
  const [block, type] = PEM.exec(text) ?? []
  if (block === undefined || type === undefined) return readJwks(text, spend)
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

function readJwks(text: string, spend: Spend): readonly VerificationKey[] {
  const value = parsed(text)
  if (!isObject(value)) throw failed('failed to parse a JWK key (set): not an object')
  const keys = value.get('keys')
  return (keys !== undefined && isArray(keys) ? keys : [value]).map((one) => {
    spend(STEPS_A_KEY)
    return readJwk(one)
  })
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

/**
 * What a signature takes, by the key: that of a large RSA key takes as long as thousands of small ones.
 * @param characters of what is signed.
 */
export function stepsOfSignature(key: KeyObject, characters: number, signs: boolean): number {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {}
  // By the cube with the exponents that only private keys should have.
  const cubic = signs || publicExponent > 0xffff_ffff_ffff_ffffn
  const rsa = cubic ? modulusLength ** 3 / 32_000 : modulusLength ** 2 / 400
  const curve = namedCurve === undefined ? 0 : namedCurve === 'prime256v1' ? 20_000 : 300_000
  return 2000 + characters + rsa + curve + (key.asymmetricKeyType?.startsWith('ed') ? 30_000 : 0)
}
