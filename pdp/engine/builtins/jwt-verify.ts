import { createSecretKey } from 'node:crypto'
import type { Spend } from '../steps.ts'
import { isArray, Num, type Value, keyText } from '../value.ts'
import { failed, object, text } from './arguments.ts'
import type { Builtins, Host } from './builtin.ts'
import { parseJsonObject } from './go/json.ts'
import { algorithm } from '../../jose/algorithms.ts'
import { readKeys, type VerificationKey } from './jose-keys.ts'
import { innerToken, isSigned, readToken } from './jwt.ts'
import { requestTime } from './time.ts'

/** `io.jwt.decode_verify`: a token with everything that it must fulfil; RFC 7519 §7.2. */
export const jwtVerify: Builtins = {
  'io.jwt.decode_verify': (args, host) => {
    const constraints = readConstraints(object(args, 1), host.spend)
    let token = readToken(text(args, 0))
    for (let depth = 0; depth < MOST_NESTED; depth += 1) {
      if (!fulfils(token, constraints, host.spend)) return unverified()
      const inner = innerToken(token)
      if (inner === undefined) {
        const payload = parseJsonObject(token.payload.toString())
        return claimsHold(payload, constraints, host) ? [true, token.header, payload] : unverified()
      }
      token = readToken(inner)
    }
    throw failed('the token is nested too deep')
  },
}

const MOST_NESTED = 16
const unverified = (): Value => [false, new Map(), new Map()]

type Constraints = {
  readonly keys: readonly VerificationKey[]
  readonly alg?: string
  readonly iss?: string
  readonly aud?: string
  /** Nanoseconds since the epoch; absent: the request's. */
  readonly time?: number
}

function readConstraints(given: ReadonlyMap<Value, Value>, spend: Spend): Constraints {
  let keys: readonly VerificationKey[] | undefined
  let secret: string | undefined
  const rest: { alg?: string; iss?: string; aud?: string; time?: number } = {}
  for (const [name, value] of given) {
    if (name === 'cert') keys = readKeys(textOf(name, value), spend)
    else if (name === 'secret') secret = textOf(name, value)
    else if (name === 'alg' || name === 'iss' || name === 'aud') rest[name] = textOf(name, value)
    else if (name === 'time') rest.time = timeOf(value)
    else throw failed(`unknown token validation constraint: ${keyText(name)}`)
  }
  if (keys && secret !== undefined && secret !== '') throw failed('duplicate key constraints')
  const secrets =
    secret === undefined || secret === ''
      ? undefined
      : [{ key: createSecretKey(Buffer.from(secret)), alg: '', kid: '' }]
  const all = keys ?? secrets
  if (!all) throw failed('no key constraint')
  return { keys: all, ...rest }
}

function textOf(name: string, value: Value): string {
  if (typeof value === 'string') return value
  throw failed(`token constraint: ${name}: must be a string`)
}

function timeOf(value: Value): number {
  const time = value instanceof Num ? Number(value.literal) : Number.NaN
  if (time >= 0) return time
  throw failed('token time constraint: invalid time')
}

function fulfils(
  token: ReturnType<typeof readToken>,
  { alg: wanted, keys }: Constraints,
  spend: Spend,
): boolean {
  const { header } = token
  const alg = header.get('alg')
  const one = typeof alg === 'string' ? algorithm(alg) : undefined
  // Extensions that must be understood (RFC 7515 §4.1.11): there are none.
  if (!one || header.has('crit')) return false
  if (wanted !== undefined && wanted !== '' && wanted !== alg) return false
  return isSigned(token, keys, one, spend)
}

function claimsHold(
  payload: ReadonlyMap<Value, Value>,
  { iss, aud, time }: Constraints,
  host: Host,
): boolean {
  if (iss !== undefined && iss !== '' && payload.get('iss') !== iss) return false
  if (!audienceHolds(payload.get('aud'), aud)) return false
  const now = time ?? Number(requestTime(host))
  const exp = dateOf(payload, 'exp')
  if (exp !== undefined && now >= exp) return false
  const nbf = dateOf(payload, 'nbf')
  return nbf === undefined || now >= nbf
}

/** A token that is for somebody is for nobody else: RFC 7519 §4.1.3. */
function audienceHolds(claimed: Value | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === '') return claimed === undefined
  return (
    claimed === wanted || (claimed !== undefined && isArray(claimed) && claimed.includes(wanted))
  )
}

/** Nanoseconds. @throws {BuiltinError} */
function dateOf(payload: ReadonlyMap<Value, Value>, name: string): number | undefined {
  const value = payload.get(name)
  if (value === undefined) return undefined
  if (value instanceof Num) return Number(value.literal) * 1e9
  throw failed(`${name} value must be a number`)
}
