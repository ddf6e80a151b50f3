import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { listener } from './address.ts'
import { listen, ListenError, type Listener, type ListenerOptions } from './listen.ts'

let folder: string
let open: Listener | undefined
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-tls-'))
  certificate('one')
  certificate('two')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => open?.close(0))

/** A certificate that signs itself. */
function certificate(name: string): void {
  const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)]
  const kind = [
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ]
  const extra = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', ...kind, ...files, ...extra], { stdio: 'ignore' })
}
const path = (name: string): string => join(folder, name)

const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
  const { socket } = incoming
  const known = socket instanceof TLSSocket && socket.authorized
  outgoing.end(known ? 'known' : 'unknown')
}

async function serve(tls?: ListenerOptions['tls']): Promise<Listener> {
  open = await listen({
    address: { host: '127.0.0.1', port: 0 },
    tls,
    header_timeout_ms: 1000,
    idle_timeout_ms: 5000,
    onRequest: answer,
    log: () => {},
  })
  return open
}

const get = (url: string, options: object = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    request(url, { rejectUnauthorized: false, agent: false, ...options }, (response) => {
      response.on('data', (chunk: Buffer) => resolve(chunk.toString()))
    })
      .on('error', reject)
      .end()
  })

/** The common name of the certificate that is shown now. */
const shown = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      port: Number(new URL(url).port),
      host: '127.0.0.1',
      rejectUnauthorized: false,
    })
    socket.on('secureConnect', () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })

describe('TLS', () => {
  test('files that change are read again, without a restart', async () => {
    for (const end of ['crt', 'key']) execFileSync('cp', [path(`one.${end}`), path(`live.${end}`)])
    const { url } = await serve({
      cert: path('live.crt'),
      key: path('live.key'),
      require_client_certificate: false,
    })
    expect(await shown(url)).toBe('one')
    for (const end of ['key', 'crt']) {
      execFileSync('cp', [path(`two.${end}`), path(`next.${end}`)])
      renameSync(path(`next.${end}`), path(`live.${end}`))
    }
    await expect.poll(() => shown(url), { timeout: 10_000 }).toBe('two')
  })

  test('a client certificate is optional, or asked for', async () => {
    const files = { cert: path('one.crt'), key: path('one.key'), client_ca: path('two.crt') }
    const client = { cert: readFileSync(path('two.crt')), key: readFileSync(path('two.key')) }
    const optional = await serve({ ...files, require_client_certificate: false })
    expect(await get(optional.url)).toBe('unknown')
    expect(await get(optional.url, client)).toBe('known')
    await optional.close(0)
    const { url } = await serve({ ...files, require_client_certificate: true })
    await expect(get(url)).rejects.toThrow()
    expect(await get(url, client)).toBe('known')
  })

  test('a certificate that cannot be read is said, and nothing listens', async () => {
    const tls = { cert: '/nowhere.crt', key: path('one.key'), require_client_certificate: false }
    await expect(serve(tls)).rejects.toThrow(ListenError)
  })
})

test('an address that is taken is said', async () => {
  const { url } = await serve()
  const port = Number(new URL(url).port)
  const second = listen({
    address: { host: '127.0.0.1', port },
    header_timeout_ms: 1000,
    idle_timeout_ms: 5000,
    onRequest: answer,
    log: () => {},
  })
  await expect(second).rejects.toThrow('change listen in countersign.yaml')
})

describe('plain HTTP is for loopback only', () => {
  test.each(['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1'])('%s is', (address) => {
    expect(listener.safeParse({ address }).success).toBe(true)
  })
  test.each([
    '0.0.0.0:1',
    '[::]:1',
    '192.0.2.1:1',
    'localhost.example.com:1',
    '127.0.0.1.example.com:1',
  ])('%s is not, unless somebody says so', (address) => {
    expect(listener.safeParse({ address }).success).toBe(false)
    expect(listener.safeParse({ address, dangerously_allow_plain_http: true }).success).toBe(true)
    expect(listener.safeParse({ address, tls: { cert: 'a', key: 'b' } }).success).toBe(true)
  })
})
