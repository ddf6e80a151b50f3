import { hash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import { type Identity, identityOf } from './claims.ts'
import type { IssuerConfig } from './issuer.ts'
import { type IssuerKeys, issuerKeys, type KeysOptions } from './keys.ts'

export type IdentityErrorCode =
  /** Not a signed JWT. */
  | 'IDENTITY_MALFORMED'
  | 'IDENTITY_UNKNOWN_ISSUER'
  /** The issuer's keys could not be fetched; may come back. */
  | 'IDENTITY_ISSUER_UNAVAILABLE'
  | 'IDENTITY_EXPIRED'
  /** Signature, algorithm, audience, type or claims are wrong. */
  | 'IDENTITY_REFUSED'

/** `message` is for the caller; it never quotes the token. */
export type IdentityError = { readonly code: IdentityErrorCode; readonly message: string }

/** Verifies OIDC access tokens (RFC 9068 and plain JWTs) of the configured issuers. */
export type Verifier = {
  readonly verify: (token: string) => Promise<Result<Identity, IdentityError>>
  /** Issuers and what is wrong with them, for `/health` and `doctor`. */
  readonly status: () => readonly { readonly issuer: string; readonly problem?: string }[]
  /** Resolves when every issuer was tried once. */
  readonly tried: Promise<void>
  readonly close: () => void
}

export type VerifierParts = Pick<KeysOptions, 'cooldown_ms' | 'retry_ms'> & {
  readonly log: (
    level: 'info' | 'warn' | 'error',
    event: string,
    detail?: Record<string, unknown>,
  ) => void
  readonly now?: () => number
  /** Longest time a verified token is taken without verifying it again: how late a withdrawn key is noticed. */
  readonly cache_ms?: number
}

const MAX_TOKEN = 16 * 1024
const MAX_CACHED = 10_000

/** `typ` of tokens that are for callers: access tokens, and JWTs that do not say what they are. */
const types: ReadonlySet<string | undefined> = new Set([
  undefined,
  'jwt',
  'at+jwt',
  'application/at+jwt',
])

type Known = { readonly issuer: IssuerConfig; readonly keys: IssuerKeys }

export function createVerifier(issuers: readonly IssuerConfig[], parts: VerifierParts): Verifier {
  const now = parts.now ?? Date.now
  const known = new Map<string, Known>()
  for (const issuer of issuers) {
    const onDiscovery = (problem: string | undefined): void =>
      problem === undefined
        ? parts.log('info', 'issuer.ready', { issuer: issuer.url })
        : parts.log('warn', 'issuer.unavailable', { issuer: issuer.url, problem })
    known.set(issuer.url, { issuer, keys: issuerKeys(issuer, { ...parts, onDiscovery }) })
  }
  const cache = new Map<string, { readonly identity: Identity; readonly until: number }>()

  async function verify(token: string): Promise<Result<Identity, IdentityError>> {
    const key = hash('sha256', token, 'base64url')
    const cached = cache.get(key)
    if (cached && cached.until > now()) return ok(cached.identity)
    const verified = await verifyOnce(token, known, now)
    if (!verified.ok) return verified
    if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value ?? '')
    const until = Math.min(verified.value.expires_ms, now() + (parts.cache_ms ?? 60_000))
    cache.delete(key)
    cache.set(key, { identity: verified.value, until })
    return verified
  }

  return {
    verify,
    status: () =>
      [...known.values()].map(({ issuer, keys }) => {
        const current = keys.current()
        return { issuer: issuer.url, ...(!current.ok && { problem: current.error }) }
      }),
    tried: Promise.all([...known.values()].map(({ keys }) => keys.tried)).then(() => {}),
    close: () => known.forEach(({ keys }) => keys.close()),
  }
}

async function verifyOnce(
  token: string,
  known: ReadonlyMap<string, Known>,
  now: () => number,
): Promise<Result<Identity, IdentityError>> {
  const claimed = token.length > MAX_TOKEN ? undefined : peek(token)
  if (!claimed) return err({ code: 'IDENTITY_MALFORMED', message: 'it is not a signed JWT' })
  const found = known.get(claimed.issuer)
  if (!found)
    return err({ code: 'IDENTITY_UNKNOWN_ISSUER', message: 'its issuer is not accepted here' })
  const { issuer, keys } = found
  // Before any key is looked for: `none` and HMAC are not in the list and can never be.
  if (!issuer.algorithms.some((algorithm) => algorithm === claimed.algorithm))
    return err({ code: 'IDENTITY_REFUSED', message: 'its signature algorithm is not accepted' })
  if (!types.has(claimed.type))
    return err({ code: 'IDENTITY_REFUSED', message: 'it is not an access token' })
  const current = keys.current()
  if (!current.ok) {
    const message = `its issuer ${issuer.url} is not available: ${current.error}; try again later`
    return err({ code: 'IDENTITY_ISSUER_UNAVAILABLE', message })
  }
  try {
    const { payload } = await jwtVerify(token, current.value, {
      issuer: issuer.url,
      audience: issuer.audience,
      algorithms: issuer.algorithms,
      clockTolerance: issuer.clock_skew_s,
      requiredClaims: ['exp', 'iss', 'aud'],
      currentDate: new Date(now()),
    })
    const identity = identityOf(payload, token, issuer)
    return identity
      ? ok(identity)
      : err({ code: 'IDENTITY_REFUSED', message: 'it does not say who it speaks for' })
  } catch (error) {
    return err(problemOf(error, issuer)) // whatever was thrown, the token is not accepted
  }
}

/** What a token says of itself; nothing of it is trusted yet. */
function peek(
  token: string,
):
  | { readonly issuer: string; readonly algorithm: unknown; readonly type: string | undefined }
  | undefined {
  try {
    const { alg, typ } = decodeProtectedHeader(token)
    const { iss } = decodeJwt(token)
    if (iss === undefined || (typ !== undefined && typeof typ !== 'string')) return undefined
    return { issuer: iss, algorithm: alg, type: typ?.toLowerCase() }
  } catch {
    return undefined
  }
}

/** Failures that lie with the issuer's key set, not with the token. */
const unavailable: ReadonlySet<string> = new Set([
  errors.JWKSTimeout.code,
  errors.JWKSInvalid.code,
  errors.JOSEError.code,
])

function problemOf(error: unknown, issuer: IssuerConfig): IdentityError {
  if (error instanceof errors.JWTExpired)
    return { code: 'IDENTITY_EXPIRED', message: 'it has expired; get a new one' }
  if (error instanceof errors.JWTClaimValidationFailed)
    return {
      code: 'IDENTITY_REFUSED',
      message:
        error.claim === 'aud'
          ? 'it is made for another audience'
          : `its claim ${error.claim} is not right`,
    }
  if (error instanceof errors.JOSEError && !unavailable.has(error.code))
    return { code: 'IDENTITY_REFUSED', message: 'its signature cannot be verified' }
  const message = `the keys of its issuer ${issuer.url} cannot be fetched; try again later`
  return { code: 'IDENTITY_ISSUER_UNAVAILABLE', message }
}
