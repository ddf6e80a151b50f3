import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto'
import type { Spend } from '../steps.ts'
import { isObject, type Value, keyText } from '../value.ts'
import { failed, object, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { goJson, parseJson } from './go/json.ts'
import { stepsOfSignature } from './jose-keys.ts'
import { type Algorithm, algorithm } from '../../jose/algorithms.ts'

/** Makes tokens, RFC 7515 §5.1. ES* and PS* signatures are another each time, in OPA as well. */
export const jwtSign: Builtins = {
  'io.jwt.encode_sign': (args, { spend }) =>
    encode(goJson(object(args, 0)), goJson(object(args, 1)), goJson(object(args, 2)), spend),
  'io.jwt.encode_sign_raw': (args, { spend }) =>
    encode(text(args, 0), text(args, 1), text(args, 2), spend),
}

function encode(header: string, payload: string, jwk: string, spend: Spend): string {
  const { alg, type } = readHeader(header)
  if (type === 'JWT' && !isJson(payload)) throw failed('type is JWT but payload is not JSON')
  const signed = `${base64url(header)}.${base64url(payload)}`
  spend(STEPS_A_KEY)
  const key = readKey(jwk, alg)
  spend(stepsOfSignature(key, signed.length, true))
  try {
    return `${signed}.${alg.sign(key, signed).toString('base64url')}`
  } catch (error) {
    throw failed((error as Error).message)
  }
}

const STEPS_A_KEY = 10_000

const base64url = (plain: string): string => Buffer.from(plain).toString('base64url')

function readHeader(header: string): { readonly alg: Algorithm; readonly type: Value | undefined } {
  if (!isJson(header)) throw failed("missing or invalid 'alg' header: cannot parse JSON")
  const value = parseJson(header)
  const name = isObject(value) ? value.get('alg') : undefined
  const alg = typeof name === 'string' ? algorithm(name) : undefined
  if (!alg)
    throw failed(`missing or invalid 'alg' header: unknown JWS algorithm: ${keyText(name ?? null)}`)
  const type = isObject(value) ? value.get('typ') : undefined
  return { alg, type: type === undefined || type === '' ? 'JWT' : type }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function readKey(text: string, { keyType }: Algorithm): KeyObject {
  const jwk = parseJson(text)
  if (!isObject(jwk)) throw failed('failed to parse JWK: not an object')
  try {
    if (keyType !== 'oct')
      return createPrivateKey({ key: JSON.parse(goJson(jwk)) as object, format: 'jwk' })
    const secret = jwk.get('k')
    if (typeof secret === 'string' && jwk.get('kty') === 'oct')
      return createSecretKey(Buffer.from(secret, 'base64url'))
  } catch (error) {
    throw failed(`failed to parse JWK: ${(error as Error).message}`)
  }
  throw failed('failed to parse JWK: the key does not fit the algorithm')
}
