import { z } from 'zod'

/** Signature algorithms a token may have: asymmetric only, so that no public key is ever taken for a shared secret. */
const algorithm = z.enum([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
])

const loopback = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/

/** Whether keys and metadata may be fetched from there: over TLS, or without leaving the machine. */
export const isTrustworthy = (url: URL): boolean =>
  url.protocol === 'https:' || (url.protocol === 'http:' && loopback.test(url.hostname))

const issuerUrl = z.string().refine((text) => {
  const url = URL.parse(text)
  return url !== null && isTrustworthy(url) && url.search === '' && url.hash === ''
}, 'must be an https:// URL without query and fragment (http:// on loopback only)')

/** An OpenID Connect issuer whose tokens are accepted. Claims may be named by a path: `realm_access.roles`. */
export const issuerConfig = z.strictObject({
  /** Exactly what its tokens say in `iss`. */
  url: issuerUrl,
  /** A token must be made for one of these. */
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  algorithms: z.array(algorithm).min(1).default(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']),
  clock_skew_s: z.int().nonnegative().max(300).default(30),
  claims: z
    .strictObject({
      id: z.string().min(1).default('sub'),
      type: z
        .strictObject({ claim: z.string().optional(), default: z.string().min(1).default('agent') })
        .prefault({}),
      groups: z.string().min(1).default('groups'),
      /** What tells one login from another; default: `sid`, else `jti`, else the token itself. */
      session: z.string().min(1).optional(),
    })
    .prefault({}),
})
export type IssuerConfig = z.infer<typeof issuerConfig>
