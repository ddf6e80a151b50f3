import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { exampleSession, SESSION } from '../replay/testing.ts'

/** Answers as the decision service does, seven steps a page. */
const PAGE = 7
const all = exampleSession()
let server: Server
let pdp: string
let folder: string
let asked: string[] = []
/** What a test wants of the service. */
let grants = true
let repeats = false

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-replay-'))
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json')
    const url = new URL(request.url ?? '/', 'http://pdp')
    if (request.method === 'POST') {
      request.resume().on('end', () => {
        response.statusCode = grants ? 200 : 403
        response.end(
          JSON.stringify(
            grants ? { unmask: 901 } : { error: { message: 'policy does not let you' } },
          ),
        )
      })
      return
    }
    const from = Number(url.searchParams.get('after') ?? '0')
    const next = from + PAGE < all.length ? (repeats ? 7 : from + PAGE) : undefined
    const masked = url.searchParams.get('unmask') !== '901'
    response.end(JSON.stringify({ id: SESSION, masked, steps: all.slice(from, from + PAGE), next }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  pdp = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})
beforeEach(() => {
  asked = []
  grants = true
  repeats = false
})

type Ran = { readonly code: number; readonly out: string; readonly err: string }

const replay = (...args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/countersign.ts', 'sessions', 'replay', SESSION, '--pdp', pdp, ...args],
      { env: { ...process.env, COUNTERSIGN_TOKEN: 'a-person', NO_COLOR: '1' } },
      (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    )
  })

test('all pages are played, masked unless asked otherwise', async () => {
  const { code, out } = await replay('--speed', '0')
  expect(code).toBe(0)
  expect(out).toContain(`session ${SESSION}  values are masked`)
  expect(out).toContain('#100')
  expect(out).toContain(`#${all.at(-1)?.index}`)
  expect(asked).toHaveLength(Math.ceil(all.length / PAGE))
  expect(asked.every((one) => one.startsWith('GET'))).toBe(true)
}, 120_000)

test('--json gives each step as it was answered', async () => {
  const { out } = await replay('--json')
  const lines = out.trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(JSON.parse(JSON.stringify(all)))
}, 120_000)

test('--html writes a page that only its owner may read, and says how it is masked', async () => {
  const file = join(folder, 'session.html')
  const { code, out, err } = await replay('--html', file)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('9 operations, values are masked')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const html = await readFile(file, 'utf8')
  expect(html).toContain("default-src 'none'")
  expect(html).not.toMatch(/\bsrc=|href="http/)
}, 120_000)

test('--as gives one step: a command, or JSON', async () => {
  const curl = await replay('--as', 'curl', '--operation', 'op-3', '--gateway', 'http://gw:1')
  expect(curl.out).toContain("-- 'http://gw:1/customers/refunds'")
  expect(curl.err).toContain('values are masked')
  const json = await replay('--as', 'json', '--step-index', '103')
  expect(JSON.parse(json.out)).toMatchObject({
    session: SESSION,
    masked: true,
    steps: [{ index: 103 }],
  })
  expect((await replay('--as', 'curl')).code).toBe(2)
  expect((await replay('--as', 'curl', '--step-index', 'x')).code).toBe(2)
  expect((await replay('--as', 'curl', '--step-index', '1')).err).toContain('no step 1')
}, 120_000)

test('raw bodies need a reason, which goes on record before anything is read', async () => {
  expect((await replay('--raw')).code).toBe(2)
  expect((await replay('--raw', '--reason', ' ')).code).toBe(2)
  expect((await replay('--reason', 'x')).code).toBe(2)
  expect(asked).toEqual([])
  const { out } = await replay('--raw', '--reason', 'incident 12', '--speed', '0')
  expect(out).toContain('raw, without masks')
  expect(asked[0]).toBe(`POST /v1/sessions/${SESSION}/unmask`)
}, 120_000)

test('without the right to it nothing raw is read', async () => {
  grants = false
  const { code, out, err } = await replay('--raw', '--reason', 'curious', '--speed', '0')
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err).toContain('policy does not let you')
  expect(asked).toHaveLength(1)
}, 120_000)

test('a service that gives the same page again ends it, and not as if all were told', async () => {
  repeats = true
  const { code, err } = await replay('--json')
  expect(code).toBe(1)
  expect(err).toContain('the same page again')
}, 120_000)
