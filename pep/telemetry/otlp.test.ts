import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPep } from '../pep.ts'
import { parsePepConfig } from '../config.ts'
import { type Bench, createTestJournal, createTestPdp, startBench } from '../testing.ts'
import { type Collector, startCollector } from './testing.ts'

let collector: Collector
let bench: Bench | undefined

beforeEach(async () => {
  collector = await startCollector()
})
afterEach(async () => {
  await bench?.close()
  bench = undefined
  await collector.close()
})

const SECRET = 'collector-secret-of-this-test'
const start = async (url = collector.url, more: object = {}): Promise<Bench> =>
  (bench = await startBench({
    pep: {
      name: 'pep-7',
      telemetry: { otlp: { url, headers: { 'x-key': { env: 'OTLP_KEY' } } }, ...more },
    },
    env: { OTLP_KEY: SECRET },
  }))
const get = (
  it: Bench,
  path = '/customers/42?token=query-of-this-test',
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
) =>
  fetch(`${it.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${it.token}`, ...headers },
  })
const counted = async (it: Bench, name: string): Promise<number> => {
  const line = new RegExp(`^countersign_telemetry_${name}_total (\\d+)$`, 'm')
  return Number(line.exec(await it.pep.metrics.metrics())?.[1])
}

test('a request over HTTP is a span of a client, without its path, its query and its headers', async () => {
  const it = await start(undefined, { resource: { 'deployment.environment.name': 'test' } })
  await get(it, undefined, { headers: { 'x-agent': 'header-of-this-test' } })
  await expect.poll(() => collector.spans.length, { timeout: 5000 }).toBe(1)
  const [span] = collector.spans
  expect(span).toMatchObject({
    name: 'GET',
    kind: 3,
    status: 0,
    attributes: {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'countersign.connection': 'api',
      'countersign.decision.effect': 'allow',
      'countersign.result': 'completed',
    },
    resource: {
      'service.name': 'countersign-pep',
      'service.instance.id': 'pep-7',
      'deployment.environment.name': 'test',
    },
  })
  const [request] = collector.requests
  expect(request?.path).toBe('/v1/traces')
  expect(request?.headers['x-key']).toBe(SECRET)
  expect(request?.body).not.toMatch(/customers|query-of-this-test|header-of-this-test/)
  await expect.poll(() => counted(it, 'exported')).toBe(1)
})

test('a method that clients made up makes no names', async () => {
  const it = await start()
  await get(it, '/', { method: 'PROPFIND' })
  await expect.poll(() => collector.spans.length, { timeout: 5000 }).toBe(1)
  expect(collector.spans[0]).toMatchObject({
    name: 'HTTP',
    attributes: { 'http.request.method': '_OTHER' },
  })
})

test('an upstream that cannot be reached is an error of the refusal’s code', async () => {
  const it = await start()
  it.upstream = (_received, response) => void response.destroy()
  await get(it)
  await expect.poll(() => collector.spans.length, { timeout: 5000 }).toBe(1)
  expect(collector.spans[0]).toMatchObject({
    status: 2,
    attributes: { 'error.type': 'upstream_unavailable', 'countersign.result': 'failed' },
  })
})

test('a decision service that does not answer is an error, and no decision is told', async () => {
  const it = await start()
  await get(it)
  it.pdp.available = false
  await get(it)
  await expect.poll(() => collector.spans.length, { timeout: 5000 }).toBe(2)
  const { attributes } = collector.spans[1] ?? {}
  expect(attributes).toMatchObject({ 'error.type': 'pdp_unavailable' })
  expect(attributes).not.toHaveProperty('countersign.decision.id')
})

describe('requests go on as without it, and closing is not held up, when the collector', () => {
  test('hangs', async () => {
    collector.answer = () => {}
    const it = await start()
    for (let n = 0; n < 20; n += 1) expect((await get(it)).status).toBe(200)
    await expect.poll(() => collector.requests.length, { timeout: 5000 }).toBe(1)
    const before = performance.now()
    for (let n = 0; n < 20; n += 1) expect((await get(it)).status).toBe(200)
    await it.close()
    bench = undefined
    expect(performance.now() - before).toBeLessThan(5000)
    expect(await counted(it, 'dropped')).toBe(40 - collector.spans.length)
  })

  test('is down', async () => {
    const it = await start('http://127.0.0.1:1')
    for (let n = 0; n < 5; n += 1) expect((await get(it)).status).toBe(200)
    const before = performance.now()
    await it.close()
    bench = undefined
    expect(performance.now() - before).toBeLessThan(4000)
    expect(await counted(it, 'exported')).toBe(0)
  })

  test('refuses', async () => {
    collector.answer = (response) => void response.writeHead(400).end('no')
    const it = await start()
    expect((await get(it)).status).toBe(200)
    await expect.poll(() => counted(it, 'failed'), { timeout: 5000 }).toBe(1)
    collector.answer = (response) => void response.writeHead(200).end('{}')
    expect((await get(it)).status).toBe(200)
    await expect.poll(() => counted(it, 'exported'), { timeout: 5000 }).toBe(1)
  })
})

describe('configuration', () => {
  const parse = (telemetry: object) => parsePepConfig({ pep: { telemetry } }).pep.telemetry

  test('is off by default: nothing is counted', async () => {
    bench = await startBench()
    await get(bench)
    expect(await bench.pep.metrics.metrics()).not.toContain('countersign_telemetry')
  })

  test('the path of the protocol is added where it is missing', () => {
    for (const [url, whole] of [
      ['http://localhost:4318', 'http://localhost:4318/v1/traces'],
      ['https://otel.example/otlp/', 'https://otel.example/otlp/v1/traces'],
      ['https://otel.example/v1/traces', 'https://otel.example/v1/traces'],
    ])
      expect(parse({ otlp: { url } })?.otlp.url.href).toBe(whole)
  })

  test.each([
    [{ otlp: { url: 'http://otel.example:4318' } }, 'in the clear'],
    [{ otlp: { url: 'https://user:password@otel.example' } }, 'credential'],
    [{ otlp: { url: 'grpc://otel.example' } }, 'pep.telemetry.otlp.url'],
    [
      { otlp: { url: 'https://otel.example', headers: { a: 'written here' } } },
      'where the secret is',
    ],
    [{ otlp: { url: 'https://otel.example' }, sample: 2 }, 'pep.telemetry.sample'],
    [{ otlp: { url: 'https://otel.example' }, include_content: true }, 'include_content'],
    [{}, 'pep.telemetry.otlp'],
  ])('%j is refused', (telemetry, why) => {
    expect(() => parse(telemetry)).toThrow(why)
  })

  test('a header whose secret is missing keeps it from starting, by name', async () => {
    const headers = { 'x-key': { env: 'NOT_SET' } }
    const config = parsePepConfig({ pep: { telemetry: { otlp: { url: collector.url, headers } } } })
    const parts = { pdp: createTestPdp([]), journal: createTestJournal([]), log: () => {}, env: {} }
    await expect(createPep(config, { ...parts, maskKey: new Uint8Array(32) })).rejects.toThrow(
      'pep.telemetry.otlp.headers.x-key: set the environment variable NOT_SET',
    )
  })
})
