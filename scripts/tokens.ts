import * as client from 'openid-client'

/** Tokens of any OpenID Connect issuer, by `openid-client`. */

export type ClientCredentials = {
  readonly issuer: string
  readonly client_id: string
  readonly client_secret: string
  readonly scope?: string
  /** RFC 8707, for issuers that have several audiences. */
  readonly resource?: string
}

async function discover(
  issuer: string,
  client_id: string,
  secret: string | undefined,
): Promise<client.Configuration> {
  const url = new URL(issuer)
  return client.discovery(
    url,
    client_id,
    undefined,
    secret === undefined ? client.None() : client.ClientSecretPost(secret),
    // In the clear only without leaving the machine.
    /^(?:127\.0\.0\.1|localhost|\[::1\])$/.test(url.hostname)
      ? { execute: [client.allowInsecureRequests] }
      : {},
  )
}

/** RFC 6749 §4.4. @throws {Error} with what the issuer said. */
export async function clientCredentialsToken(asked: ClientCredentials): Promise<string> {
  const config = await discover(asked.issuer, asked.client_id, asked.client_secret)
  const tokens = await client.clientCredentialsGrant(config, {
    ...(asked.scope !== undefined && { scope: asked.scope }),
    ...(asked.resource !== undefined && { resource: asked.resource }),
  })
  return tokens.access_token
}

export type DeviceLogin = {
  readonly issuer: string
  readonly client_id: string
  readonly scope: string
  readonly resource?: string
  /** Told where to go and what to type. */
  readonly onCode: (code: { readonly uri: string; readonly user_code: string }) => void
  readonly signal?: AbortSignal
}

/** RFC 8628. @returns the token, and when it expires, milliseconds since the epoch. */
export async function deviceToken(
  asked: DeviceLogin,
): Promise<{ readonly token: string; readonly expires_ms: number }> {
  const config = await discover(asked.issuer, asked.client_id, undefined)
  const device = await client.initiateDeviceAuthorization(config, {
    scope: asked.scope,
    ...(asked.resource !== undefined && { resource: asked.resource }),
  })
  asked.onCode({
    uri: device.verification_uri_complete ?? device.verification_uri,
    user_code: device.user_code,
  })
  const tokens = await client.pollDeviceAuthorizationGrant(config, device, undefined, {
    ...(asked.signal && { signal: asked.signal }),
  })
  const seconds = tokens.expires_in ?? 300
  return { token: tokens.access_token, expires_ms: Date.now() + seconds * 1000 }
}
