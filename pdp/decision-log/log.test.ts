import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { Registry } from 'prom-client'
import { afterAll, describe, expect, test } from 'vitest'
import type { Revision } from '../contract/brand.ts'
import { err, ok } from '../contract/result.ts'
import { createPdpMetrics } from '../metrics.ts'
import type { ActivePolicy, QueryDocument } from '../policy/policy.ts'
import type { DecisionEvent } from './event.ts'
import { createDecisionLog } from './log.ts'
import { maskEvent } from './mask.ts'
import { fileSink, httpSink, type Sink } from './sinks.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-decision-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const policy = (document: QueryDocument): ActivePolicy => ({
  revision: 'r' as Revision,
  bundles: [{ name: 'default', revision: 'one', digest: '', activated_ms: 0 }],
  profile: { detectors: [], custom_detectors: [], phrases: [], json_paths: [], inspect_bodies: [] },
  index: { complete: true, rules: [], inputs: {} },
  modules: [],
  evaluate: () => ok(undefined),
  document,
})

/** A policy whose `system.log` says this. */
const saying = (said: { mask?: unknown; drop?: unknown }): ActivePolicy =>
  policy((path) => {
    const value = said[path[2] as 'mask' | 'drop']
    return ok({ json: value === undefined ? undefined : JSON.stringify(value) })
  })

const logged = (by: ActivePolicy, more: object = {}) => ({
  policy: by,
  decision_id: 'd-1',
  path: 'a/b',
  requested_by: 'pep-1',
  time_ms: 0,
  input: { user: 'ada', password: 'hunter2', list: [{ card: '4111' }, { card: '5500' }] },
  result: { allow: true },
  took_ns: 5,
  ...more,
})

function collecting(): { sink: Sink; events: DecisionEvent[] } {
  const events: DecisionEvent[] = []
  return {
    events,
    sink: {
      name: 'test',
      write: (texts) =>
        Promise.resolve(events.push(...texts.map((one) => JSON.parse(one) as DecisionEvent)) && 0),
    },
  }
}

function start(sinks: readonly Sink[], more: object = {}) {
  const registry = new Registry()
  const log = createDecisionLog({
    sinks,
    labels: { id: 'pdp-1' },
    buffer_bytes: 1024 * 1024,
    delay_ms: 1,
    metrics: createPdpMetrics(registry),
    log: () => {},
    ...more,
  })
  return { log, registry }
}

async function told(by: ActivePolicy): Promise<DecisionEvent[]> {
  const { sink, events } = collecting()
  const { log } = start([sink])
  log.record(logged(by))
  await log.close()
  return events
}

test('an event has OPA’s fields', async () => {
  expect(await told(saying({}))).toEqual([
    {
      labels: { id: 'pdp-1' },
      decision_id: 'd-1',
      bundles: { default: { revision: 'one' } },
      path: 'a/b',
      requested_by: 'pep-1',
      timestamp: '1970-01-01T00:00:00.000Z',
      input: { user: 'ada', password: 'hunter2', list: [{ card: '4111' }, { card: '5500' }] },
      result: { allow: true },
      metrics: { timer_rego_query_eval_ns: 5 },
    },
  ])
})

test('what policy masks is taken out or replaced, and the event says so', async () => {
  const mask = [
    '/input/password',
    '/input/none',
    { op: 'upsert', path: '/input/list/0/card', value: '****' },
    { op: 'remove', path: '/input/list/1' },
  ]
  const [event] = await told(saying({ mask }))
  expect(event).toMatchObject({
    input: { user: 'ada', list: [{ card: '****' }] },
    erased: ['/input/password', '/input/list/1'],
    masked: ['/input/list/0/card'],
  })
  expect(JSON.stringify(event)).not.toMatch(/hunter2|4111|5500/)
})

test('pointers name the places that were there, whatever is taken out before', async () => {
  const mask = [
    '/input/list/0',
    '/input/list/1',
    { op: 'upsert', path: '/input/list/2', value: 'x' },
  ]
  const by = saying({ mask })
  const input = { list: ['secret-1', 'secret-2', 'secret-3', 'kept'] }
  const { sink, events } = collecting()
  const { log } = start([sink])
  log.record(logged(by, { input }))
  await log.close()
  expect(events[0]).toMatchObject({ input: { list: ['x', 'kept'] } })
})

test('what failed does not quote what was masked', async () => {
  const { sink, events } = collecting()
  const { log } = start([sink])
  const error = { code: 'internal_error', errors: [{ message: 'invalid: hunter2' }] }
  log.record(logged(saying({ mask: ['/input/password'] }), { error }))
  log.record(logged(saying({}), { error }))
  await log.close()
  expect(events[0]?.error).toEqual({ code: 'masked' })
  expect(events[1]?.error).toEqual(error)
})

test('an event is told without content when policy cannot say whether to drop it', async () => {
  const [event] = await told(
    policy((path) =>
      path[2] === 'drop'
        ? err({ code: 'eval_cancel_error', message: 'too many steps' })
        : ok({ json: undefined }),
    ),
  )
  expect(event).toMatchObject({ decision_id: 'd-1', erased: ['/input', '/result'] })
  expect(JSON.stringify(event)).not.toMatch(/hunter2|4111|allow/)
})

test('one event that a collector will never take does not stop the others', async () => {
  const got: string[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const text = gunzipSync(Buffer.concat(parts)).toString()
      if (text.length > 5000) {
        response.writeHead(413).end()
        return
      }
      got.push(...(JSON.parse(text) as DecisionEvent[]).map(({ decision_id }) => decision_id))
      response.end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const { log, registry } = start([httpSink({ url, chunk_bytes: 4000 })])
  for (let n = 0; n < 6; n += 1) {
    const input = n === 2 ? 'x'.repeat(9000) : 'small'
    log.record(logged(saying({}), { decision_id: `d-${n}`, input }))
  }
  await log.close()
  server.close()
  expect(got.sort()).toEqual(['d-0', 'd-1', 'd-3', 'd-4', 'd-5'])
  expect(await registry.metrics()).toContain('sink="http",result="refused"} 1')
})

test('what policy drops is not told', async () => {
  expect(await told(saying({ drop: true }))).toEqual([])
  expect(await told(saying({ drop: false }))).toHaveLength(1)
})

describe('without content, when the mask', () => {
  test.each([
    [
      'cannot be evaluated',
      policy((path) =>
        path[2] === 'mask'
          ? err({ code: 'eval_conflict_error', message: 'conflict' })
          : ok({ json: undefined }),
      ),
    ],
    [
      'is in rules that were not compiled',
      policy(() => err({ code: 'undefined_document_path', message: 'not compiled' })),
    ],
    ['is no list', saying({ mask: { a: 1 } })],
    ['names a place outside of input and result', saying({ mask: ['/labels'] })],
    ['has an operation that nobody knows', saying({ mask: [{ op: 'move', path: '/input' }] })],
  ])('%s', async (_, by) => {
    const [event] = await told(by)
    expect(event).toMatchObject({ erased: ['/input', '/result'], error: { code: 'mask_error' } })
    expect(JSON.stringify(event)).not.toMatch(/hunter2|4111|allow/)
  })
})

test('nothing that stood under a path which was taken out is left, whatever its name', () => {
  const secret = 'secret-of-this-test'
  const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'a/b', '~', '0'))
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 5 }), fc.jsonValue(), (path, beside) => {
      const input = path.reduceRight<unknown>(
        (value, name) =>
          JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`) as unknown,
        secret,
      )
      const pointer = `/input/${path.map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`
      const event = { input, result: beside } as unknown as DecisionEvent
      const masked = maskEvent(event, [pointer])
      expect(masked.ok && JSON.stringify(masked.value.input)).not.toContain(secret)
      expect(JSON.stringify(event)).toContain(secret)
    }),
  )
})

test('a collector gets gzip in chunks, and again what it did not take', async () => {
  const got: { headers: IncomingHttpHeaders; url: string; events: DecisionEvent[] }[] = []
  let calls = 0
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      calls += 1
      if (calls === 1) {
        response.writeHead(503).end()
        return
      }
      const events = JSON.parse(gunzipSync(Buffer.concat(parts)).toString()) as DecisionEvent[]
      got.push({ headers: request.headers, url: request.url ?? '', events })
      response.end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base`)
  const { log, registry } = start([
    httpSink({ url, chunk_bytes: 600, token: () => Promise.resolve('collector-token') }),
  ])
  for (let n = 0; n < 5; n += 1) log.record(logged(saying({}), { decision_id: `d-${n}` }))
  await log.close()
  server.close()
  expect(got.length).toBeGreaterThan(1)
  expect(got[0]).toMatchObject({
    url: '/base/logs',
    headers: { 'content-encoding': 'gzip', authorization: 'Bearer collector-token' },
  })
  const ids = new Set(got.flatMap(({ events }) => events.map(({ decision_id }) => decision_id)))
  expect([...ids].sort()).toEqual(['d-0', 'd-1', 'd-2', 'd-3', 'd-4'])
  expect(await registry.metrics()).toContain('sink="http",result="retried"} 1')
})

test('a sink that hangs costs memory up to the limit, and what is dropped is counted; others are told', async () => {
  const hanging: Sink = { name: 'hanging', write: () => new Promise(() => {}) }
  const { sink, events } = collecting()
  const { log, registry } = start([hanging, sink], { buffer_bytes: 2000 })
  for (let n = 0; n < 50; n += 1) {
    log.record(logged(saying({})))
    await new Promise((done) => setTimeout(done, 3))
  }
  await expect.poll(() => events.length).toBe(50)
  expect(await registry.metrics()).toMatch(/sink="hanging",result="dropped"} [1-9]/)
})

test('a file is put aside when it is full, and no more are kept than asked for', async () => {
  const path = join(folder, 'decisions.log')
  const sink = fileSink({ path, max_bytes: 10, keep: 2 })
  for (let n = 0; n < 5; n += 1) await sink.write([JSON.stringify({ n, pad: 'xxxxxxxxxx' })])
  expect(readFileSync(path, 'utf8')).toContain('"n":4')
  expect(readFileSync(`${path}.1`, 'utf8')).toContain('"n":3')
  expect(readFileSync(`${path}.2`, 'utf8')).toContain('"n":2')
  expect(() => readFileSync(`${path}.3`)).toThrow()
})
