import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as fc from 'fast-check'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { evidenceSinksConfig } from './config.ts'
import { createSinkMetrics } from './metrics.ts'
import {
  createWebhookSink,
  type IndexedLeaf,
  type SinkFailure,
  type WebhookSink,
  type WebhookSinkOptions,
} from './webhook.ts'

const SECRET = 'secret-of-this-test'
const URL_SECRET = 'token-in-the-path'

type Delivery = {
  readonly from: number
  readonly next: number
  readonly leaves: readonly IndexedLeaf[]
}
type Answer = (response: ServerResponse, delivery: Delivery) => void

let server: Server
let url: string
let answer: Answer
let deliveries: Delivery[]
let requests: { headers: IncomingHttpHeaders; body: string }[]
/** Deliveries under way at this moment, and the most there ever were. */
let open: number
let mostOpen: number
const sinks: WebhookSink[] = []

const taken: Answer = (response) => void response.end()

beforeEach(async () => {
  answer = taken
  deliveries = []
  requests = []
  open = mostOpen = 0
  server = createServer((request, response) => {
    mostOpen = Math.max(mostOpen, (open += 1))
    response.on('close', () => (open -= 1))
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      requests.push({ headers: request.headers, body })
      const delivery = JSON.parse(body) as Delivery
      deliveries.push(delivery)
      answer(response, delivery)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${URL_SECRET}`
})

afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

const kinds = ['intent', 'outcome', 'event'] as const
const leafOf = (index: number): string => JSON.stringify({ v: 1, kind: kinds[index % 3], n: index })

/** A log and a position that outlive sinks, as the store does. */
function store(size: number) {
  const it = {
    leaves: Array.from({ length: size }, (_, index) => leafOf(index)),
    position: 0,
    down: false,
    writes: 0,
    brokenWrites: 0,
    grow(by: number) {
      for (let n = 0; n < by; n += 1) it.leaves.push(leafOf(it.leaves.length))
    },
  }
  const check = (): Promise<void> =>
    it.down ? Promise.reject(new Error('down')) : Promise.resolve()
  const options: Pick<WebhookSinkOptions, 'source' | 'position'> = {
    source: {
      leaves: (from, limit) =>
        check().then(() =>
          it.leaves.slice(from, from + limit).map((leaf, n) => ({ index: from + n, leaf })),
        ),
      size: () => check().then(() => it.leaves.length),
    },
    position: {
      read: () => check().then(() => it.position),
      write: (next) =>
        check().then(() => {
          it.writes += 1
          if (it.brokenWrites > 0) {
            it.brokenWrites -= 1
            throw new Error('cannot write')
          }
          it.position = next
        }),
    },
  }
  return Object.assign(it, { options })
}

function start(
  parts: Pick<WebhookSinkOptions, 'source' | 'position'>,
  more: Partial<WebhookSinkOptions> = {},
) {
  const registry = new Registry()
  const lines: string[] = []
  const failures: SinkFailure[] = []
  const sink = createWebhookSink({
    name: 'siem',
    url,
    secret: SECRET,
    batch: 10,
    ...parts,
    onFailing: (failure) => Promise.resolve(void failures.push(failure)),
    log: (level, event, detail) => lines.push(`${level} ${event} ${JSON.stringify(detail)}`),
    metrics: createSinkMetrics(registry),
    now: Date.now,
    retry_ms: 2,
    timeout_ms: 1000,
    ...more,
  })
  sinks.push(sink)
  return { sink, registry, lines, failures }
}

const indices = (): number[] => deliveries.flatMap(({ leaves }) => leaves.map(({ index }) => index))
const upTo = (size: number): number[] => Array.from({ length: size }, (_, index) => index)
const sentAll = (log: { position: number; leaves: readonly unknown[] }): Promise<void> =>
  expect.poll(() => log.position, { timeout: 5000, interval: 5 }).toBe(log.leaves.length)

test('leaves arrive in order, as the log holds them, one delivery at a time, and new ones follow', async () => {
  const log = store(25)
  const { sink, registry } = start(log.options)
  sink.wake()
  sink.wake()
  await sentAll(log)
  expect(deliveries.map(({ from, next }) => [from, next])).toEqual([
    [0, 10],
    [10, 20],
    [20, 25],
  ])
  log.grow(1)
  sink.wake()
  await sentAll(log)
  expect(deliveries.flatMap(({ leaves }) => leaves)).toEqual(
    log.leaves.map((leaf, index) => ({ index, leaf })),
  )
  expect(mostOpen).toBe(1)
  expect(sink.status()).toEqual({ next: 26, behind: 0 })
  expect(await registry.metrics()).toContain('sink_sent_total{sink="siem"} 26')
})

test('each delivery is signed over its time and its body', async () => {
  const log = store(3)
  start(log.options, { now: () => 1_700_000_000_999 }).sink.wake()
  await sentAll(log)
  const [{ headers, body } = { headers: {}, body: '' }] = requests
  const signature = createHmac('sha256', SECRET).update(`1700000000.${body}`).digest('hex')
  expect(headers['countersign-signature']).toBe(`t=1700000000,v1=${signature}`)
  expect(headers['content-type']).toBe('application/json')
  expect(JSON.parse(body)).toMatchObject({
    type: 'evidence.leaves',
    sink: 'siem',
    from: 0,
    next: 3,
  })
})

test('what a receiver refuses comes again, and nothing behind it comes before', async () => {
  const log = store(30)
  let refusals = 3
  answer = (response, { from }) => {
    if (from === 10 && refusals > 0) {
      refusals -= 1
      response.writeHead(refusals === 1 ? 503 : 500)
    }
    response.end()
  }
  const { sink, registry } = start(log.options)
  sink.wake()
  await sentAll(log)
  expect(deliveries.map(({ from }) => from)).toEqual([0, 10, 10, 10, 10, 20])
  expect(sink.status()).not.toHaveProperty('failing')
  expect(await registry.metrics()).toContain('sink_failed_total{sink="siem"} 3')
})

test('a redirect is not followed: the leaves go nowhere else', async () => {
  const log = store(1)
  answer = (response) => void response.writeHead(307, { location: `${url}/elsewhere` }).end()
  const { sink } = start(log.options)
  sink.wake()
  await expect.poll(() => deliveries.length).toBeGreaterThan(1)
  expect(log.position).toBe(0)
  expect(sink.status()).toMatchObject({ next: 0, behind: 1, failing: {} })
})

test('a receiver that hangs holds up nobody, is given up after the bound, and loses nothing', async () => {
  const log = store(5)
  answer = () => {}
  const { sink, registry } = start(log.options, { timeout_ms: 30 })
  const before = performance.now()
  sink.wake()
  log.grow(7)
  sink.wake(log.leaves.length)
  expect(performance.now() - before).toBeLessThan(20)
  await expect.poll(() => sink.status().failing?.problem).toContain('timeout')
  expect(await registry.metrics()).toContain('sink_behind{sink="siem"} 12')
  answer = taken
  await sentAll(log)
  expect(new Set(indices())).toEqual(new Set(upTo(12)))
  expect(await registry.metrics()).toContain('sink_behind{sink="siem"} 0')
})

test('a slow receiver gets one delivery at a time', async () => {
  const log = store(50)
  answer = (response) => void setTimeout(() => response.end(), 10)
  const { sink } = start(log.options)
  for (let n = 0; n < 20; n += 1) sink.wake()
  await sentAll(log)
  expect(indices()).toEqual(upTo(50))
  expect(mostOpen).toBe(1)
})

test('closing gives a delivery up, and the next process makes it again', async () => {
  const log = store(15)
  answer = (response, { from }) => from === 0 && response.end()
  const first = start(log.options).sink
  first.wake()
  await expect.poll(() => deliveries.length).toBe(2)
  await first.close()
  expect(log.position).toBe(10)
  first.wake()
  answer = taken
  start(log.options).sink.wake()
  await sentAll(log)
  expect(deliveries.map(({ from }) => from)).toEqual([0, 10, 10])
})

test('only leaves of the kinds asked for are sent, and the range says that the others were passed over', async () => {
  const log = store(25)
  start(log.options, { kinds: ['outcome'] }).sink.wake()
  await sentAll(log)
  expect(indices()).toEqual(upTo(25).filter((index) => index % 3 === 1))
  expect(deliveries.map(({ from, next }) => [from, next])).toEqual([
    [0, 10],
    [10, 20],
    [20, 25],
  ])
})

test('leaves of no kind that is asked for cost no delivery, and the position moves on', async () => {
  const log = store(25)
  start(log.options, { kinds: ['policy'] }).sink.wake()
  await sentAll(log)
  expect(requests).toHaveLength(0)
})

test('a receiver that takes smaller bodies only gets smaller deliveries', async () => {
  const log = store(40)
  answer = (response, { leaves }) => void response.writeHead(leaves.length > 4 ? 413 : 200).end()
  start(log.options).sink.wake()
  await sentAll(log)
  const ok = deliveries.filter(({ leaves }) => leaves.length <= 4)
  expect(ok.flatMap(({ leaves }) => leaves.map(({ index }) => index))).toEqual(upTo(40))
})

describe('when the store fails', () => {
  test('nothing is passed over, and it goes on when the store is back', async () => {
    const log = store(5)
    log.down = true
    const { sink } = start(log.options)
    sink.wake()
    await expect.poll(() => sink.status().failing?.problem).toContain('the store')
    expect(requests).toHaveLength(0)
    log.down = false
    await sentAll(log)
    expect(indices()).toEqual(upTo(5))
  })

  test('a position that cannot be noted is noted later; the delivery is not made again meanwhile', async () => {
    const log = store(12)
    log.brokenWrites = 4
    start(log.options).sink.wake()
    await sentAll(log)
    expect(indices()).toEqual(upTo(12))
    expect(log.writes).toBe(6)
  })

  test('a gap in what the store gives is no reason to go on', async () => {
    const log = store(5)
    const { source, position } = log.options
    const gap = {
      ...source,
      leaves: async (from: number, limit: number) =>
        (await source.leaves(from, limit)).filter(({ index }) => index !== 2),
    }
    const { sink } = start({ source: gap, position })
    sink.wake()
    await expect.poll(() => sink.status().failing?.problem).toContain('leaf 2')
    expect(requests).toHaveLength(0)
  })
})

describe('a failure of ten minutes', () => {
  test('is told once, again after a recovery, and never quotes the URL or the secret', async () => {
    let now = 1_000_000
    const log = store(5)
    answer = (response) => void response.writeHead(500).end()
    const { sink, failures, lines } = start(log.options, { now: () => now })
    sink.wake()
    await expect.poll(() => deliveries.length).toBeGreaterThan(2)
    expect(failures).toEqual([])
    now += 10 * 60_000
    await expect.poll(() => failures.length).toBe(1)
    const seen = deliveries.length
    await expect.poll(() => deliveries.length).toBeGreaterThan(seen + 2)
    expect(failures).toEqual([
      { sink: 'siem', since_ms: 1_000_000, problem: 'status 500', next: 0 },
    ])
    answer = taken
    await sentAll(log)
    answer = (response) => void response.destroy()
    log.grow(1)
    sink.wake()
    await expect.poll(() => sink.status().failing !== undefined).toBe(true)
    now += 10 * 60_000
    await expect.poll(() => failures.length, { timeout: 3000 }).toBe(2)
    const said = lines.join('\n') + JSON.stringify(failures) + JSON.stringify(sink.status())
    expect(said).not.toContain(URL_SECRET)
    expect(said).not.toContain(SECRET)
  })

  test('is told again when telling failed', async () => {
    let now = 0
    let told = 0
    const log = store(1)
    answer = (response) => void response.writeHead(500).end()
    const onFailing = (): Promise<void> => {
      told += 1
      return told < 3 ? Promise.reject(new Error('no leaf')) : Promise.resolve()
    }
    start(log.options, { now: () => (now += 300_000), onFailing }).sink.wake()
    await expect.poll(() => told).toBe(3)
    const seen = deliveries.length
    await expect.poll(() => deliveries.length, { timeout: 3000 }).toBeGreaterThan(seen + 1)
    expect(told).toBe(3)
  })
})

test('whatever the receiver does and whenever the process ends, every leaf arrives, in order', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('take', 'refuse', 'reset', 'takeAndReset') },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (steps, size, batch) => {
        const log = store(size)
        const script = [...steps]
        const got: number[] = []
        let restart: (() => void) | undefined
        answer = (response, { leaves }) => {
          const what = script.shift() ?? 'take'
          if (what === 'take' || what === 'takeAndReset')
            got.push(...leaves.map(({ index }) => index))
          if (what === 'take') response.end()
          else if (what === 'refuse') response.writeHead(500).end()
          else response.destroy()
          if (what === 'restart') restart?.()
        }
        let sink = start(log.options, { batch, retry_ms: 0 }).sink
        let restarting = Promise.resolve()
        restart = () => {
          const old = sink
          restarting = restarting
            .then(() => old.close())
            .then(() => {
              sink = start(log.options, { batch, retry_ms: 0 }).sink
              sink.wake()
            })
        }
        sink.wake()
        await sentAll(log)
        await restarting
        // Each first arrival follows the one before: no leaf is seen before an earlier one.
        const firsts = got.filter((index, n) => got.indexOf(index) === n)
        expect(firsts).toEqual(upTo(size))
        await sink.close()
      },
    ),
    { numRuns: 40 },
  )
}, 30_000)

test('configuration: names are unique, kinds are known, a URL is HTTP', () => {
  const sink = { name: 'siem', url: 'https://siem.example', secret: { env: 'S' } }
  expect(evidenceSinksConfig.parse(undefined)).toEqual([])
  expect(evidenceSinksConfig.parse([sink])).toEqual([{ ...sink, batch: 100 }])
  for (const wrong of [
    [sink, sink],
    [{ ...sink, kinds: ['unknown'] }],
    [{ ...sink, kinds: [] }],
    [{ ...sink, url: 'ftp://siem.example' }],
    [{ ...sink, secret: 'written here' }],
    [{ ...sink, batch: 0 }],
  ])
    expect(evidenceSinksConfig.safeParse(wrong).success).toBe(false)
})
