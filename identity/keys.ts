import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import { allowInsecureRequests, discovery } from 'openid-client'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import { isTrustworthy, type IssuerConfig } from './issuer.ts'

/** The signing keys of an issuer: found by discovery, fetched and fetched again as they rotate. */
export type IssuerKeys = {
  /** The key set, or why there is none yet. */
  readonly current: () => Result<JWTVerifyGetKey, string>
  /** Resolves after the first attempt, successful or not. */
  readonly tried: Promise<void>
  readonly close: () => void
}

export type KeysOptions = {
  /** Called when discovery succeeds or fails. */
  readonly onDiscovery: (problem: string | undefined) => void
  /** Least time between two fetches for keys that are not known, so that made-up key ids cost the issuer nothing. */
  readonly cooldown_ms?: number
  /** Wait before discovery is tried again; doubles up to a minute. */
  readonly retry_ms?: number
}

const MAX_RETRY_MS = 60_000
const FETCH_TIMEOUT_MS = 5000

/** Starts discovery (OpenID Connect Discovery 1.0 §4) and goes on trying until it succeeds. */
export function issuerKeys(issuer: IssuerConfig, options: KeysOptions): IssuerKeys {
  let state: Result<JWTVerifyGetKey, string> = err('its keys were not fetched yet')
  let wait = options.retry_ms ?? 1000
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function discover(): Promise<void> {
    try {
      state = ok(
        createRemoteJWKSet(await jwksUri(issuer), {
          cooldownDuration: options.cooldown_ms ?? 10_000,
          timeoutDuration: FETCH_TIMEOUT_MS,
        }),
      )
      options.onDiscovery(undefined)
    } catch (error) {
      // Fail closed: without its keys no token of this issuer is accepted.
      const problem = error instanceof Error ? error.message : 'discovery failed'
      state = err(`it cannot be reached (${problem})`)
      options.onDiscovery(problem)
      if (closed) return
      timer = setTimeout(() => void discover(), wait).unref()
      wait = Math.min(wait * 2, MAX_RETRY_MS)
    }
  }

  return {
    current: () => state,
    tried: discover(),
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}

async function jwksUri(issuer: IssuerConfig): Promise<URL> {
  const url = new URL(issuer.url)
  const found = await discovery(url, 'countersign', undefined, undefined, {
    timeout: FETCH_TIMEOUT_MS / 1000,
    // `issuerConfig` allows plain HTTP on loopback only.
    execute: url.protocol === 'http:' ? [allowInsecureRequests] : [],
  })
  const { issuer: name, jwks_uri } = found.serverMetadata()
  if (name !== issuer.url) throw new Error(`it calls itself ${name}`)
  const keys = URL.parse(jwks_uri ?? '')
  if (!keys || !isTrustworthy(keys)) throw new Error('it names no key set that is safe to fetch')
  return keys
}
