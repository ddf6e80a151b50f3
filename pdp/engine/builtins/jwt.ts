import { createSecretKey } from 'node:crypto'
import type { Spend } from '../steps.ts'
import type { Value } from '../value.ts'
import { failed, text } from './arguments.ts'
import type { Builtin, Builtins } from './builtin.ts'
import { parseJson, parseJsonObject } from './go/json.ts'
import { type Algorithm, algorithms } from '../../jose/algorithms.ts'
import { readKeys, stepsOfSignature, type VerificationKey } from './jose-keys.ts'

/** JSON Web Tokens: RFC 7519, in the compact form of RFC 7515. */
export const jwt: Builtins = {
  /** Nothing is verified: the header, the payload and the signature as hex. */
  'io.jwt.decode': (args) => decode(text(args, 0)),
  ...Object.fromEntries(
    Object.entries(algorithms).map(([name, one]) => [
      `io.jwt.verify_${name.toLowerCase()}`,
      verifier(one),
    ]),
  ),
}

export type Token = {
  readonly header: ReadonlyMap<Value, Value>
  /** What is signed. */
  readonly signed: string
  readonly payload: Buffer
  readonly signature: Buffer
}

/** @throws {BuiltinError} when it is no token. */
export function readToken(token: string): Token {
  const parts = token.split('.')
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3) throw failed(`encoded JWT must have 3 sections, found ${parts.length}`)
  const header = parseJsonObject(base64url(head, 'header').toString())
  if (header.has('enc')) throw failed('JWT is a JWE object, which is not supported')
  return {
    header,
    signed: `${head}.${body}`,
    payload: base64url(body, 'payload'),
    signature: base64url(signature, 'signature'),
  }
}

/** A token within a token (RFC 7519 §5.2); `undefined` when it holds claims. */
export function innerToken({ header, payload }: Token): string | undefined {
  const type = header.get('cty')
  if (typeof type !== 'string' || type.toUpperCase() !== 'JWT') return undefined
  const body = payload.toString()
  const inner = body.startsWith('"') ? parseJson(body) : body
  if (typeof inner !== 'string') throw failed('a nested token is not text')
  return inner
}

function decode(token: string): Value {
  const read = readToken(token)
  const inner = innerToken(read)
  if (inner !== undefined) return decode(inner)
  const { header, payload, signature } = read
  return [header, parseJsonObject(payload.toString()), signature.toString('hex')]
}

/** The token's own `alg` does not choose: the policy named the algorithm. */
function verifier(one: Algorithm): Builtin {
  return (args, { spend }) => {
    const token = readToken(text(args, 0))
    const key = text(args, 1)
    const keys =
      one.keyType === 'oct'
        ? [{ key: createSecretKey(Buffer.from(key)), alg: '', kid: '' }]
        : readKeys(key, spend)
    return isSigned(token, keys, one, spend)
  }
}

/** By the key that the header names, else by any that does not say that it is for another algorithm. */
export function isSigned(
  { header, signed, signature }: Token,
  keys: readonly VerificationKey[],
  one: Algorithm,
  spend: Spend,
): boolean {
  const verified = ({ key }: VerificationKey): boolean => {
    spend(stepsOfSignature(key, signed.length, false))
    return one.verify(key, signed, signature)
  }
  const kid = header.get('kid')
  const named =
    typeof kid === 'string' && kid !== '' ? keys.find((key) => key.kid === kid) : undefined
  if (named) return verified(named)
  const alg = header.get('alg')
  return keys.some(
    (key) =>
      (key.alg === '' || typeof alg !== 'string' || alg === '' || key.alg === alg) && verified(key),
  )
}

function base64url(encoded: string, part: string): Buffer {
  const bare = encoded.replace(/={1,2}$/, '')
  const at = /[^A-Za-z0-9_-]/.exec(bare)?.index ?? (bare.length % 4 === 1 ? bare.length : -1)
  if (at !== -1)
    throw failed(`JWT ${part} had invalid encoding: illegal base64 data at input byte ${at}`)
  return Buffer.from(bare, 'base64url')
}
