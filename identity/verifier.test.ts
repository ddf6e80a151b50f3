import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { issuerConfig } from './issuer.ts'
import { startIssuer, type TestIssuer } from './testing.ts'
import { createVerifier, type Verifier, type VerifierParts } from './verifier.ts'

let issuer: TestIssuer
let verifier: Verifier
let clock: number

const parts = (): VerifierParts => ({
  log: () => {},
  now: () => clock,
  cooldown_ms: 0,
  retry_ms: 20,
})

const configOf = (url: string, more: object = {}) =>
  issuerConfig.parse({ url, audience: 'countersign', ...more })

async function open(more: object = {}, with_: Partial<VerifierParts> = {}): Promise<void> {
  verifier.close()
  verifier = createVerifier([configOf(issuer.url, more)], { ...parts(), ...with_ })
  await verifier.tried
}

async function codeOf(token: string): Promise<string> {
  const result = await verifier.verify(token)
  return result.ok ? 'ok' : result.error.code
}

beforeEach(async () => {
  clock = Date.now()
  issuer = await startIssuer()
  verifier = createVerifier([configOf(issuer.url)], parts())
  await verifier.tried
})
afterEach(async () => {
  verifier.close()
  await issuer.close()
})

describe('a good token', () => {
  test('gives its subject, groups, scopes and claims', async () => {
    const token = await issuer.token({ scope: 'read write', team: 'blue' })
    const result = await verifier.verify(token)
    expect(result).toMatchObject({
      ok: true,
      value: {
        subject: {
          type: 'agent',
          id: 'agent-1',
          properties: { issuer: issuer.url, groups: ['agents'], scopes: ['read', 'write'] },
        },
        token_session: 'jti:login-1',
      },
    })
    if (!result.ok) throw new Error('unreachable')
    expect(result.value.subject.properties.claims['team']).toBe('blue')
    expect(result.value.subject.properties.claims).not.toHaveProperty('jti')
  })

  test('belongs to a session of its issuer, subject and login, whatever its other claims', async () => {
    const session = async (claims: Record<string, unknown>): Promise<string> => {
      const result = await verifier.verify(await issuer.token(claims))
      return result.ok ? result.value.session_id : ''
    }
    const first = await session({})
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(await session({ extra: 1 })).toBe(first)
    expect(await session({ jti: 'login-2' })).not.toBe(first)
    expect(await session({ sub: 'agent-2' })).not.toBe(first)
    expect(await session({ sid: 'login-1' })).not.toBe(first)
  })

  test('is mapped by the claims that the configuration names, also by path', async () => {
    await open({
      claims: {
        id: 'client_id',
        type: { claim: 'use', default: 'service' },
        groups: 'realm_access.roles',
      },
    })
    const claims = { client_id: 'c-9', use: 'user', realm_access: { roles: ['ops', 7] } }
    expect(await verifier.verify(await issuer.token(claims))).toMatchObject({
      value: { subject: { id: 'c-9', type: 'user', properties: { groups: ['ops'] } } },
    })
    const without = await issuer.token({ client_id: 'c-9' })
    expect(await verifier.verify(without)).toMatchObject({
      value: { subject: { type: 'service' } },
    })
  })
})

describe('a token is refused', () => {
  const seconds = (offset: number): number => Math.floor(clock / 1000) + offset

  test('with alg none', async () => {
    const token = new UnsecuredJWT({ iss: issuer.url, aud: 'countersign', sub: 'agent-1' })
      .setExpirationTime('5m')
      .encode()
    expect(await codeOf(token)).not.toBe('ok')
    const [head = '', body = ''] = (await issuer.token()).split('.')
    const none = Buffer.from('{"alg":"none","kid":"key-1"}').toString('base64url')
    expect(head).not.toBe(none)
    expect(await codeOf(`${none}.${body}.`)).not.toBe('ok')
  })

  test('signed with HMAC under the public key', async () => {
    const secret = new TextEncoder().encode(await exportSPKI(issuer.publicKey()))
    const token = await new SignJWT({ iss: issuer.url, aud: 'countersign', sub: 'agent-1' })
      .setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
      .setExpirationTime('5m')
      .sign(secret)
    expect(await codeOf(token)).toBe('IDENTITY_REFUSED')
  })

  test('signed by a key of its own that it brings along or names like ours', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    const token = await new SignJWT({ iss: issuer.url, aud: 'countersign', sub: 'agent-1' })
      .setProtectedHeader({ alg: 'ES256', kid: 'key-1', jwk })
      .setExpirationTime('5m')
      .sign(privateKey)
    expect(await codeOf(token)).toBe('IDENTITY_REFUSED')
  })

  test('for another audience, of another issuer, or without one', async () => {
    expect(await codeOf(await issuer.token({ aud: 'other' }))).toBe('IDENTITY_REFUSED')
    expect(await codeOf(await issuer.token({ aud: undefined }))).toBe('IDENTITY_REFUSED')
    expect(await codeOf(await issuer.token({ iss: 'https://evil.example.com' }))).toBe(
      'IDENTITY_UNKNOWN_ISSUER',
    )
    expect(await codeOf(await issuer.token({ iss: `${issuer.url}/` }))).toBe(
      'IDENTITY_UNKNOWN_ISSUER',
    )
  })

  test('expired, not yet valid, or without an end; within the skew it is accepted', async () => {
    expect(await codeOf(await issuer.token({ exp: seconds(-31) }))).toBe('IDENTITY_EXPIRED')
    expect(await codeOf(await issuer.token({ exp: seconds(-20) }))).toBe('ok')
    expect(await codeOf(await issuer.token({ nbf: seconds(60) }))).toBe('IDENTITY_REFUSED')
    expect(await codeOf(await issuer.token({ nbf: seconds(20) }))).toBe('ok')
    expect(await codeOf(await issuer.token({ exp: undefined }))).toBe('IDENTITY_REFUSED')
  })

  test('of another type, e.g. a logout token', async () => {
    expect(await codeOf(await issuer.token({}, { typ: 'logout+jwt' }))).toBe('IDENTITY_REFUSED')
    expect(await codeOf(await issuer.token({}, { typ: 'JWT' }))).toBe('ok')
  })

  test('without a subject', async () => {
    expect(await codeOf(await issuer.token({ sub: undefined }))).toBe('IDENTITY_REFUSED')
    expect(await codeOf(await issuer.token({ sub: '' }))).toBe('IDENTITY_REFUSED')
  })

  test('with a changed payload', async () => {
    const [head = '', body = '', signature = ''] = (await issuer.token()).split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object
    const forged = Buffer.from(JSON.stringify({ ...claims, groups: ['admins'] }))
    expect(await codeOf(`${head}.${forged.toString('base64url')}.${signature}`)).toBe(
      'IDENTITY_REFUSED',
    )
  })

  test.each(['', 'x', 'a.b.c', 'sk-not-a-jwt', 'a'.repeat(20_000)])(
    'that is not a JWT: %.20s',
    async (token) => {
      expect(await codeOf(token)).toBe('IDENTITY_MALFORMED')
    },
  )
})

describe('keys', () => {
  test('that rotate are fetched when a token names one that is not known', async () => {
    const before = await issuer.token()
    expect(await codeOf(before)).toBe('ok')
    await issuer.rotate()
    expect(await codeOf(await issuer.token({ jti: 'login-2' }))).toBe('ok')
    expect(issuer.fetched()).toBe(2)
  })

  test('are not fetched for every made-up key id', async () => {
    await open({}, { cooldown_ms: 60_000 })
    expect(await codeOf(await issuer.token())).toBe('ok')
    const fetched = issuer.fetched()
    for (let i = 0; i < 20; i++) {
      expect(await codeOf(await issuer.token({}, { kid: `made-up-${i}` }))).toBe('IDENTITY_REFUSED')
    }
    expect(issuer.fetched()).toBe(fetched)
  })

  test('are found once an issuer that was down at start is up', async () => {
    const { port } = new URL(issuer.url)
    await issuer.close()
    verifier.close()
    verifier = createVerifier([configOf(issuer.url)], parts())
    await verifier.tried
    const early = await issuer.token()
    const refused = await verifier.verify(early)
    expect(refused).toMatchObject({ ok: false, error: { code: 'IDENTITY_ISSUER_UNAVAILABLE' } })
    expect(verifier.status()).toMatchObject([{ issuer: issuer.url, problem: expect.anything() }])
    issuer = await startIssuer(Number(port))
    await expect
      .poll(async () => codeOf(await issuer.token()), { timeout: 5000, interval: 20 })
      .toBe('ok')
    expect(verifier.status()).toEqual([{ issuer: issuer.url }])
  })
})

test('a verified token is taken again without its key for the cache time, and never past its end', async () => {
  await open({ clock_skew_s: 0 }, { cache_ms: 60_000 })
  const token = await issuer.token({ exp: Math.floor(clock / 1000) + 90 })
  expect(await codeOf(token)).toBe('ok')
  await issuer.rotate()
  clock += 59_000
  expect(await codeOf(token)).toBe('ok')
  clock += 32_000
  expect(await codeOf(token)).toBe('IDENTITY_EXPIRED')
})

describe('configuration', () => {
  test('takes asymmetric algorithms only', () => {
    for (const algorithm of ['none', 'HS256', 'hs512']) {
      expect(() => configOf('https://a.example.com', { algorithms: [algorithm] })).toThrow()
    }
  })
  test('takes plain HTTP on loopback only', () => {
    expect(() => configOf('http://login.example.com')).toThrow(/https/)
    expect(() => configOf('http://127.0.0.1:9')).not.toThrow()
  })
})
