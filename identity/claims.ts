import { hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { Subject } from '../pdp/contract/request.ts'
import type { IssuerConfig } from './issuer.ts'

/** Who a verified token speaks for. */
export type Identity = {
  readonly subject: Subject
  /** What tells one login of the subject from another. */
  readonly token_session: string
  /** Derived from issuer, subject and token session; what a client says has no part in it. Hex: it is typed in commands, and begins none of their options. */
  readonly session_id: string
  /** When the token expires, milliseconds since the epoch. */
  readonly expires_ms: number
}

/** Differ from token to token of one login, so they say nothing that policy could use. */
const perToken: ReadonlySet<string> = new Set(['exp', 'iat', 'nbf', 'jti', 'auth_time'])

/**
 * Maps the claims of a verified token.
 * @returns `undefined` when the token does not say who it speaks for or until when.
 */
export function identityOf(
  payload: JWTPayload,
  token: string,
  issuer: IssuerConfig,
): Identity | undefined {
  const id = claimAt(payload, issuer.claims.id)
  if (typeof id !== 'string' || id === '' || id.length > 512) return undefined
  if (typeof payload.exp !== 'number') return undefined
  const { type } = issuer.claims
  const said = type.claim === undefined ? undefined : claimAt(payload, type.claim)
  const subject: Subject = {
    type: typeof said === 'string' && /^[A-Za-z][\w-]{0,63}$/.test(said) ? said : type.default,
    id,
    properties: {
      issuer: issuer.url,
      groups: strings(claimAt(payload, issuer.claims.groups)),
      scopes: [...words(payload['scope']), ...words(payload['scp'])],
      claims: Object.fromEntries(Object.entries(payload).filter(([name]) => !perToken.has(name))),
    },
  }
  const token_session = sessionOf(payload, issuer) ?? digest(token)
  return {
    subject,
    token_session,
    session_id: digest(JSON.stringify([issuer.url, id, token_session])),
    expires_ms: payload.exp * 1000,
  }
}

const digest = (text: string): string => hash('sha256', text)

function sessionOf(payload: JWTPayload, issuer: IssuerConfig): string | undefined {
  const names = issuer.claims.session === undefined ? ['sid', 'jti'] : [issuer.claims.session]
  for (const name of names) {
    const value = claimAt(payload, name)
    if (typeof value === 'string' && value !== '') return `${name}:${value}`
  }
  return undefined
}

/** A claim by its name, or by a path of names when no claim is called so. */
function claimAt(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name]
  let value: unknown = payload
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[part]
  }
  return value
}

const strings = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : Array.isArray(value)
      ? value.filter((item) => typeof item === 'string')
      : []

/** Scopes: one string with spaces, or a list. */
const words = (value: unknown): string[] =>
  strings(value).flatMap((item) => item.split(' ').filter((word) => word !== ''))
