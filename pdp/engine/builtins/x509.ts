import { createPrivateKey, type KeyObject } from 'node:crypto'
import { fromJson } from '../value.ts'
import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

const STEPS_A_KEY = 20_000

/** The other functions of `crypto.x509` answer with structures of Go's own library and are not offered. */
export const x509: Builtins = {
  /** A private key in PEM, or that in base64, as a JWK (RFC 7517, RFC 7518 §6.3). */
  'crypto.x509.parse_rsa_private_key': (args, { spend }) => {
    spend(STEPS_A_KEY)
    const given = text(args, 0)
    if (given === '') throw failed('failed to parse RSA private key: empty')
    const jwk = readRsa(given).export({ format: 'jwk' })
    return fromJson(jwk)
  },
}

function readRsa(given: string): KeyObject {
  const pem = given.includes('-----BEGIN') ? given : Buffer.from(given, 'base64').toString()
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (error) {
    throw failed(`failed to parse RSA private key: ${(error as Error).message}`)
  }
  if (key.asymmetricKeyType !== 'rsa') throw failed('failed to parse RSA private key: another type')
  return key
}
