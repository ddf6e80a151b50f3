import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT } from 'jose'
import * as client from 'openid-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createVerifier } from '../../identity/verifier.ts'
import { keptPort } from '../../server/testing-port.ts'
import { AGENT_RESOURCE, APPROVALS_RESOURCE, CLI_CLIENT } from './issuer-provider.ts'
import { type DevIssuer, startDevIssuer } from './issuer.ts'
import { createBrowser, signIn } from './sign-in-by-fetch.ts'

let folder = ''
let issuer: DevIssuer
let clock = Date.now()
const logged: string[] = []
const log = (_: string, event: string): void => void logged.push(event)
const printed = [vi.spyOn(console, 'info'), vi.spyOn(console, 'warn'), vi.spyOn(console, 'log')]

const start = async (): Promise<DevIssuer> =>
  startDevIssuer({
    address: { host: '127.0.0.1', port: await keptPort() },
    folder,
    development: true,
    log,
    now: () => clock,
  })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-issuer-'))
})
beforeEach(async () => {
  issuer = await start()
  printed.forEach((spy) => spy.mockClear())
})
afterEach(async () => {
  await issuer.close()
  for (const spy of printed) expect(spy).not.toHaveBeenCalled()
})
afterAll(() => rm(folder, { recursive: true }))

const discover = (id: string, secret?: string): Promise<client.Configuration> =>
  client.discovery(
    new URL(issuer.url),
    id,
    undefined,
    secret ? client.ClientSecretBasic(secret) : client.None(),
    {
      execute: [client.allowInsecureRequests],
    },
  )

const agent = (): Promise<client.Configuration> =>
  discover(issuer.demo_client.id, issuer.demo_client.secret)

const begin = async (resource: string) => {
  const config = await discover(CLI_CLIENT)
  const device = await client.initiateDeviceAuthorization(config, { scope: 'openid', resource })
  return { config, device, address: device.verification_uri_complete ?? '' }
}
type Begun = Awaited<ReturnType<typeof begin>>

const poll = async ({ config, device }: Begun): Promise<string> =>
  (await client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0.01 })).access_token

/** One look at the token endpoint: the token, or the error's code. */
const look = async ({ device }: Begun): Promise<string> => {
  const response = await fetch(`${issuer.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: device.device_code,
      client_id: CLI_CLIENT,
    }),
  })
  const answer = (await response.json()) as { access_token?: string; error?: string }
  return answer.access_token ?? answer.error ?? ''
}

const verify = async (token: string, as: 'issuer' | 'approvals') => {
  const verifier = createVerifier([issuer[as]], { log: () => {} })
  await verifier.tried
  const verified = await verifier.verify(token)
  verifier.close()
  return verified
}

const right = () => ({ name: 'alice', secret: issuer.operator_secret })

describe('an agent', () => {
  test('gets a signed access token with its client secret, and it is taken for an agent', async () => {
    const { access_token } = await client.clientCredentialsGrant(await agent(), {
      resource: AGENT_RESOURCE,
    })
    expect(decodeProtectedHeader(access_token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' })
    expect(await verify(access_token, 'issuer')).toMatchObject({
      ok: true,
      value: {
        subject: {
          type: 'agent',
          id: 'demo-agent',
          properties: { groups: ['agents', 'developers'] },
        },
      },
    })
    expect((await verify(access_token, 'approvals')).ok).toBe(false)
  })

  test('gets the audience of agents when it names none', async () => {
    const { access_token } = await client.clientCredentialsGrant(await agent())
    expect(decodeJwt(access_token).aud).toBe('countersign')
  })

  test('gets no token with the wrong secret', async () => {
    const config = await discover(issuer.demo_client.id, 'not-the-secret')
    await expect(client.clientCredentialsGrant(config)).rejects.toMatchObject({ status: 401 })
  })

  test.each([
    [APPROVALS_RESOURCE],
    [`${APPROVALS_RESOURCE}/`],
    ['URN:countersign:approvals'],
    ['https://elsewhere.example.com'],
  ])('never gets the audience of approvers: %s', async (resource) => {
    const asked = client.clientCredentialsGrant(await agent(), { resource })
    await expect(asked).rejects.toMatchObject({ error: 'invalid_target' })
  })

  test('gets no token for both audiences at once', async () => {
    const parameters = new URLSearchParams([
      ['resource', AGENT_RESOURCE],
      ['resource', APPROVALS_RESOURCE],
    ])
    await expect(client.clientCredentialsGrant(await agent(), parameters)).rejects.toThrow()
  })

  test('cannot begin a device login, nor can the command use client credentials', async () => {
    await expect(client.initiateDeviceAuthorization(await agent(), {})).rejects.toThrow()
    await expect(client.clientCredentialsGrant(await discover(CLI_CLIENT))).rejects.toThrow()
  })

  test('that reads every file of the folder cannot sign a token of an approver', async () => {
    const key = JSON.parse(await readFile(join(folder, 'issuer-key.json'), 'utf8')) as {
      kid: string
    }
    const forged = await new SignJWT({
      groups: ['approvers'],
      sub: 'mallory',
      subject_type: 'user',
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid })
      .setIssuer(issuer.url)
      .setAudience('countersign-approvals')
      .setExpirationTime('5m')
      .sign(await importJWK(key, 'ES256'))
    expect(await verify(forged, 'approvals')).toMatchObject({
      ok: false,
      error: { code: 'IDENTITY_REFUSED' },
    })
    for (const name of await readdir(folder)) {
      expect(await readFile(join(folder, name), 'utf8')).not.toContain(issuer.operator_secret)
      expect((await stat(join(folder, name))).mode & 0o077).toBe(0)
    }
  })
})

describe('a person', () => {
  test('who knows the secret becomes an approver under their own name', async () => {
    const login = await begin(APPROVALS_RESOURCE)
    expect(await look(login)).toBe('authorization_pending')
    expect(await signIn(login.address, right())).toMatchObject({
      status: 200,
      html: expect.stringContaining('Logged in') as string,
    })
    const token = await poll(login)
    expect(await verify(token, 'approvals')).toMatchObject({
      ok: true,
      value: {
        subject: {
          type: 'user',
          id: 'alice',
          properties: { groups: ['approvers', 'auditors', 'security', 'privacy'] },
        },
      },
    })
    expect((await verify(token, 'issuer')).ok).toBe(false)
  })

  test('who asks for the other audience is no approver', async () => {
    const login = await begin(AGENT_RESOURCE)
    await signIn(login.address, right())
    const token = await poll(login)
    expect(decodeJwt(token)).toMatchObject({ aud: 'countersign', groups: ['agents', 'developers'] })
    expect((await verify(token, 'approvals')).ok).toBe(false)
  })

  test('cannot take a token of the audience that the page did not name', async () => {
    const login = await begin(AGENT_RESOURCE)
    await signIn(login.address, right())
    await expect(
      client.pollDeviceAuthorizationGrant(
        login.config,
        { ...login.device, interval: 0.01 },
        {
          resource: APPROVALS_RESOURCE,
        },
      ),
    ).rejects.toMatchObject({ error: 'invalid_target' })
  })

  test('is not asked for two audiences at once, nor for none that is known', async () => {
    const config = await discover(CLI_CLIENT)
    const parameters = new URLSearchParams([
      ['scope', 'openid'],
      ['resource', AGENT_RESOURCE],
      ['resource', APPROVALS_RESOURCE],
    ])
    const device = await client.initiateDeviceAuthorization(config, parameters)
    const login = { config, device, address: device.verification_uri_complete ?? '' }
    const browser = createBrowser()
    const page = await browser.submit(await browser.open(login.address), {})
    expect(page.html).not.toContain('name="secret"')
    expect(await look(login)).toBe('invalid_target')
    await expect(begin('urn:countersign:other')).rejects.toMatchObject({ error: 'invalid_target' })
  })

  test('types the secret as they like, with spaces and in lower case', async () => {
    const login = await begin(APPROVALS_RESOURCE)
    const secret = ` ${issuer.operator_secret.toLowerCase().replaceAll('-', ' ')} `
    expect(await signIn(login.address, { name: 'alice', secret })).toMatchObject({ status: 200 })
  })

  test('is asked again each time, also in a browser that logged in before, and under another name', async () => {
    const browser = createBrowser()
    const first = await begin(APPROVALS_RESOURCE)
    await signIn(first.address, right(), browser)
    const second = await begin(APPROVALS_RESOURCE)
    const asked = await browser.submit(await browser.open(second.address), {})
    expect(asked.html).toContain('name="secret"')
    expect(await look(second)).toBe('authorization_pending')
    const done = await browser.submit(asked, { ...right(), name: 'bob', answer: 'log in' })
    expect(done.html).toContain('Logged in')
    expect(decodeJwt(await poll(second)).sub).toBe('bob')
  })

  test('who cancels gives nothing', async () => {
    const login = await begin(APPROVALS_RESOURCE)
    await signIn(login.address, { ...right(), answer: 'cancel' })
    expect(await look(login)).toBe('access_denied')
  })

  test.each([['demo-agent'], ['Demo-Agent'], ['a b'], ['<b>'], ['\u001b[31m'], ['']])(
    'is not called %j',
    async (name) => {
      const login = await begin(APPROVALS_RESOURCE)
      expect(await signIn(login.address, { ...right(), name })).toMatchObject({ status: 400 })
      expect(await look(login)).toBe('authorization_pending')
    },
  )

  test('has one session a login', async () => {
    const sessions = new Set<unknown>()
    for (const _ of [1, 2]) {
      const login = await begin(APPROVALS_RESOURCE)
      await signIn(login.address, right())
      sessions.add(decodeJwt(await poll(login))['sid'])
    }
    expect(sessions.size).toBe(2)
    expect([...sessions].every((sid) => typeof sid === 'string')).toBe(true)
  })
})

describe('the secret', () => {
  test('that is wrong gives nothing, and after five of them the right one has to wait', async () => {
    const login = await begin(APPROVALS_RESOURCE)
    const browser = createBrowser()
    let page = await browser.submit(await browser.open(login.address), {})
    const send = async (secret: string): Promise<number> => {
      page = await browser.submit(page, { name: 'mallory', secret, answer: 'log in' })
      return page.status
    }
    logged.length = 0
    for (let i = 0; i < 5; i++) expect(await send(`wrong-${i}`)).toBe(403)
    expect(await send(issuer.operator_secret)).toBe(429)
    const other = await begin(APPROVALS_RESOURCE)
    expect(await signIn(other.address, right())).toMatchObject({ status: 429 })
    expect(await look(login)).toBe('authorization_pending')
    expect(logged.filter((event) => event === 'issuer.secret_refused')).toHaveLength(7)
    clock += 31_000
    expect(await send('wrong again')).toBe(403)
    clock += 31_000
    expect(await send(issuer.operator_secret)).toBe(429)
    clock += 31_000
    expect(await send(issuer.operator_secret)).toBe(200)
  })

  test('is another one at each start, and agents’ tokens outlive a restart', async () => {
    const { access_token } = await client.clientCredentialsGrant(await agent())
    const before = issuer
    const { port } = new URL(issuer.url)
    await issuer.close()
    issuer = await startDevIssuer({
      address: { host: '127.0.0.1', port: Number(port) },
      folder,
      development: true,
      log,
    })
    expect(issuer.operator_secret).not.toBe(before.operator_secret)
    expect(issuer.operator_secret).toMatch(/^(?:[2-9A-Z]{5}-){3}[2-9A-Z]{5}$/)
    expect(issuer.demo_client).toEqual(before.demo_client)
    expect((await verify(access_token, 'issuer')).ok).toBe(true)
  })
})

/** A request with headers that fetch does not let a caller set. */
const raw = (path: string, headers: Record<string, string>, method = 'GET') =>
  new Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const { hostname, port } = new URL(issuer.url)
    request({ hostname, port, path, method, headers }, (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, headers: response.headers })
    })
      .on('error', reject)
      .end()
  })

describe('a request is refused', () => {
  test.each([['evil.example.com'], ['localhost:1'], ['127.0.0.1'], ['[::1]']])(
    'that names another host: %j',
    async (host) => {
      const answer = await raw('/.well-known/openid-configuration', { host })
      expect([400, 421]).toContain(answer.status)
    },
  )
  test('in absolute form', async () => {
    const { host } = new URL(issuer.url)
    const target = 'http://evil.example.com/.well-known/openid-configuration'
    expect(await raw(target, { host })).toMatchObject({ status: 421 })
  })
  test('that a page of another origin sends', async () => {
    const { host } = new URL(issuer.url)
    for (const origin of ['https://evil.example.com', 'null', 'http://127.0.0.1:1'])
      expect(await raw('/token', { host, origin }, 'POST')).toMatchObject({ status: 403 })
    const cross = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
    expect(await raw('/jwks', cross)).toMatchObject({ status: 403 })
  })
  test('that asks for a redirect', async () => {
    for (const id of [CLI_CLIENT, issuer.demo_client.id]) {
      const query = new URLSearchParams({
        client_id: id,
        response_type: 'code',
        scope: 'openid',
        redirect_uri: 'http://127.0.0.1:9/take',
        resource: APPROVALS_RESOURCE,
      })
      const response = await fetch(`${issuer.url}/auth?${query.toString()}`, { redirect: 'manual' })
      expect(response.status).toBe(400)
      expect(response.headers.get('location')).toBeNull()
    }
  })
  test('for the page of a login that was begun in another browser', async () => {
    const login = await begin(APPROVALS_RESOURCE)
    const browser = createBrowser()
    const asked = await browser.submit(await browser.open(login.address), {})
    expect((await createBrowser().open(asked.url)).status).toBe(400)
    const forged = {
      ...asked,
      html: asked.html.replace(/name="csrf" value="[^"]+"/, 'name="csrf" value="x"'),
    }
    expect(await browser.submit(forged, { ...right(), answer: 'log in' })).toMatchObject({
      status: 403,
    })
    expect(await look(login)).toBe('authorization_pending')
  })
})

test('pages run no script, cannot be framed, and show what is typed as text', async () => {
  const { host } = new URL(issuer.url)
  const answer = await raw('/device', { host, accept: 'text/html' })
  expect(answer.headers['content-security-policy']).toMatch(
    /default-src 'none'.*frame-ancestors 'none'/,
  )
  const page = await createBrowser().open(
    `${issuer.url}/device?user_code=${encodeURIComponent('"><script>x')}`,
  )
  expect(page.html).not.toContain('<script')
})

test('it starts only for development and on loopback', async () => {
  const options = { folder, log, address: { host: '127.0.0.1', port: 0 } }
  await expect(startDevIssuer({ ...options, development: false })).rejects.toThrow(
    /development: true/,
  )
  await expect(
    startDevIssuer({ ...options, development: 'yes' as unknown as boolean }),
  ).rejects.toThrow(/development: true/)
  await expect(
    startDevIssuer({ ...options, development: true, address: { host: '0.0.0.0', port: 0 } }),
  ).rejects.toThrow(/loopback/)
})
