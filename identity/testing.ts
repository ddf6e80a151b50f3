import { createServer, type Server } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { keptPort } from '../server/testing-port.ts'

/** An issuer on loopback for tests: real discovery, real keys, real signatures. */
export type TestIssuer = {
  readonly url: string
  /** How often its key set was fetched. */
  readonly fetched: () => number
  /** Signs a token; claims and header fields may be replaced, or left out with `undefined`. */
  readonly token: (
    claims?: Record<string, unknown>,
    header?: Record<string, unknown>,
  ) => Promise<string>
  /** Makes a new key; the old one is no longer published. */
  readonly rotate: () => Promise<void>
  /** Public key of now, as PEM. */
  readonly publicKey: () => CryptoKey
  readonly close: () => Promise<void>
}

type Signing = {
  readonly kid: string
  readonly publicKey: CryptoKey
  readonly privateKey: CryptoKey
}

export async function startIssuer(kept?: number): Promise<TestIssuer> {
  const port = kept ?? (await keptPort())
  let fetched = 0
  let keys = 0
  let url = ''
  const newKey = async (): Promise<Signing> => {
    keys += 1
    const pair = await generateKeyPair('ES256', { extractable: true })
    return { kid: `key-${keys}`, ...pair }
  }
  let signing = await newKey()
  const server = createServer((request, response) => {
    const send = (value: unknown): void => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(value))
    }
    if (request.url === '/.well-known/openid-configuration') {
      send({ issuer: url, jwks_uri: `${url}/jwks`, response_types_supported: ['code'] })
    } else if (request.url === '/jwks') {
      fetched += 1
      void exportJWK(signing.publicKey).then((jwk) =>
        send({ keys: [{ ...jwk, kid: signing.kid, alg: 'ES256', use: 'sig' }] }),
      )
    } else response.writeHead(404).end()
  })
  await listening(server, port)
  url = `http://127.0.0.1:${port}`
  return {
    url,
    fetched: () => fetched,
    token(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000)
      const payload = {
        iss: url,
        aud: 'countersign',
        sub: 'agent-1',
        groups: ['agents'],
        jti: 'login-1',
        iat: now,
        exp: now + 300,
        ...claims,
      }
      const protectedHeader = { alg: 'ES256', kid: signing.kid, typ: 'at+jwt', ...header }
      return new SignJWT(JSON.parse(JSON.stringify(payload)) as JWTPayload)
        .setProtectedHeader(JSON.parse(JSON.stringify(protectedHeader)) as { alg: string })
        .sign(signing.privateKey)
    },
    async rotate() {
      signing = await newKey()
    },
    publicKey: () => signing.publicKey,
    close: () => closing(server),
  }
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })

const closing = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
