import { gzipSync, brotliCompressSync, zstdCompressSync, deflateSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Obligation } from '../../../pdp/contract/obligation.ts'
import { type Bench, KEY, profileOf, startBench, type Verdict } from '../../testing.ts'

const EMAIL = ['ada', 'example.com'].join('@')
const maskEmail = {
  kind: 'mask',
  where: 'response',
  detectors: ['email'],
  style: 'redact',
} satisfies Obligation

let bench: Bench
beforeEach(async () => {
  bench = await startBench()
})
afterEach(() => bench.close())

type Init = Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> }

const call = (path: string, init: Init = {}): Promise<Response> =>
  fetch(bench.url + path, {
    ...init,
    headers: { authorization: `Bearer ${bench.token}`, ...init.headers },
  })

const json = (value: unknown): Init => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

const codeOf = async (response: Response): Promise<string> => {
  const { error } = (await response.json()) as { error: { code: string } }
  return error.code
}

describe('an allowed request', () => {
  test('reaches the upstream as it came, with the connection credential instead of the caller’s', async () => {
    bench.upstream = (_, response) => {
      response.setHeader('x-kept', 'yes')
      response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":7}')
    }
    const response = await call('/things?a=1&b=%20x', json({ name: 'é', n: 1 }))
    expect(response.status).toBe(201)
    expect(response.headers.get('x-kept')).toBe('yes')
    expect(response.headers.get('content-length')).toBe('8')
    expect(await response.json()).toEqual({ id: 7 })
    const [got] = bench.received
    expect(got).toMatchObject({ method: 'POST', url: '/things?a=1&b=%20x' })
    expect(got?.headers).toMatchObject({ 'x-upstream-key': KEY, 'accept-encoding': 'identity' })
    expect(got?.headers.authorization).toBeUndefined()
    expect(got?.body.toString()).toBe('{"name":"é","n":1}')
  })

  test('is on record before it is forwarded, and its outcome before its end is seen', async () => {
    const response = await call('/things', json({ a: 1 }))
    await response.text()
    expect(bench.events).toEqual(['decide', 'intent', 'upstream', 'outcome'])
    const [intent, outcome] = bench.journal.records
    expect(outcome).toMatchObject({ rest: [{ direction: 'delivered', offset: 0 }] })
    expect(intent).toMatchObject({
      kind: 'intent',
      connection: 'api',
      exchange: { method: 'POST', target: '/things', body_bytes: 7 },
    })
    expect(outcome).toMatchObject({
      kind: 'outcome',
      result: 'completed',
      status: 200,
      bytes_out: 2,
    })
    expect(JSON.stringify(bench.journal.records)).not.toContain(bench.token)
    expect(JSON.stringify(bench.journal.records)).not.toContain(KEY)
  })

  test('is described to policy', async () => {
    bench.pdp.profileNow = profileOf({
      json_paths: ['$.amount'],
      phrases: [{ name: 'secret', phrases: ['project bluebird'] }],
    })
    await call('/a/b%20c?x=1&x=2', json({ amount: 700, to: EMAIL, note: 'Project\n bluebird' }))
    const [request] = bench.pdp.requests
    expect(request).toMatchObject({
      subject: { id: 'agent-1' },
      action: { name: 'http.request' },
      resource: { type: 'http.path', id: '/a/b%20c', properties: { connection: 'api' } },
      context: {
        facts: {
          detectors: { email: 1 },
          phrases: ['secret'],
          paths: { '$.amount': [700] },
          incomplete: [],
          http: {
            method: 'POST',
            segments: ['a', 'b c'],
            query: { x: ['1', '2'] },
            content_type: 'application/json',
            inspected: true,
          },
        },
      },
    })
    expect(request?.context.action_digest).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'may have any method: %s',
    async (method) => {
      const response = await call('/things', { method })
      expect(response.status).toBe(200)
      expect(bench.received[0]?.method).toBe(method)
    },
  )

  test('gets no redirect followed, and a Location that leads back through the connection', async () => {
    bench.upstream = (_, response, request) => {
      response.writeHead(302, { location: `http://${request.headers.host}/other?x=1` }).end()
    }
    const response = await call('/things', { redirect: 'manual' })
    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe('/api/other?x=1')
  })

  test('gets errors of the upstream unchanged', async () => {
    bench.upstream = (_, response) =>
      void response.writeHead(422, { 'content-type': 'application/json' }).end('{"e": "no" }')
    const response = await call('/things')
    expect(response.status).toBe(422)
    expect(await response.text()).toBe('{"e": "no" }')
  })
})

describe('headers', () => {
  test('hop-by-hop ones, those that Connection names and spoofed addresses are not forwarded', async () => {
    const { rawRequest } = await import('../../testing.ts')
    const answer = await rawRequest(
      bench.port,
      [
        'GET /api/x HTTP/1.1',
        'host: a',
        `authorization: Bearer ${bench.token}`,
        'connection: x-drop, close',
        'x-drop: 1',
        'te: trailers',
        'proxy-authorization: Basic eA==',
        'x-forwarded-for: 10.0.0.1',
        'x-upstream-key: mine',
        'x-keep: 1',
        '',
        '',
      ].join('\r\n'),
    )
    expect(answer).toMatch(/^HTTP\/1.1 200/)
    const { headers } = bench.received[0]!
    expect(headers['x-keep']).toBe('1')
    expect(headers['x-upstream-key']).toBe(KEY)
    for (const name of ['x-drop', 'te', 'proxy-authorization', 'x-forwarded-for'])
      expect(headers).not.toHaveProperty(name)
  })

  test('that make a server act on another method or path are refused', async () => {
    const response = await call('/x', { headers: { 'x-http-method-override': 'DELETE' } })
    expect(response.status).toBe(400)
    expect(bench.received).toHaveLength(0)
  })

  test('cookies are forwarded, and only their digest is on record', async () => {
    await call('/x', { headers: { cookie: 'session=very-secret' } })
    expect(bench.received[0]?.headers.cookie).toBe('session=very-secret')
    expect(JSON.stringify(bench.journal.records)).not.toContain('very-secret')
  })
})

describe('refusals', () => {
  test('a denied request is a 403 that names the decision, on record, and never forwarded', async () => {
    bench.pdp.decideAs = () => ({ effect: 'deny', reasons: [{ rule: 'r', message: 'Not here.' }] })
    const response = await call('/x')
    expect(response.status).toBe(403)
    expect(await response.json()).toEqual({
      error: { code: 'denied', message: 'Countersign: Not here.', decision_id: 'decision-1' },
    })
    expect(bench.events).toEqual(['decide', 'decision'])
    expect(bench.received).toHaveLength(0)
  })

  test('without a credential, with two, or with a wrong one it is a 401 and policy is not asked', async () => {
    const cases: Record<string, string>[] = [
      {},
      { authorization: 'Basic eDp5' },
      { authorization: `Bearer ${bench.token}`, 'x-api-key': bench.token },
      { 'x-api-key': `${bench.token}, ${bench.token}` },
      { authorization: `Bearer ${bench.token}x` },
    ]
    for (const headers of cases) {
      const response = await fetch(`${bench.url}/x`, { headers })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
    }
    expect(bench.events).toEqual([])
    const good = await fetch(`${bench.url}/x`, { headers: { 'x-api-key': bench.token } })
    expect(good.status).toBe(200)
    expect(bench.received[0]?.headers['x-api-key']).toBeUndefined()
  })

  test('when the PDP, the record, or the upstream is not there', async () => {
    bench.journal.broken.add('intent')
    expect(await codeOf(await call('/x'))).toBe('record_unavailable')
    bench.journal.broken.clear()
    bench.journal.accepting = false
    expect(await codeOf(await call('/x'))).toBe('record_unavailable')
    bench.journal.accepting = true
    bench.pdp.available = false
    const response = await call('/x')
    expect(response.status).toBe(503)
    expect(await codeOf(response)).toBe('pdp_unavailable')
    expect(bench.received).toHaveLength(0)
  })

  test('when a connection is unknown it is a 404 that says where connections are', async () => {
    const response = await fetch(`${bench.url}x/y`)
    expect(response.status).toBe(404)
    expect(await codeOf(response)).toBe('unknown_connection')
  })

  test('an obligation that cannot be kept refuses', async () => {
    bench.pdp.decideAs = () => ({
      effect: 'allow',
      obligations: [{ kind: 'limit', max_rows: 5 }],
    })
    expect(await codeOf(await call('/x'))).toBe('obligation_unsupported')
    bench.pdp.decideAs = () => ({
      effect: 'allow',
      obligations: [{ ...maskEmail, detectors: ['not_a_detector'] }],
    })
    expect(await codeOf(await call('/x'))).toBe('obligation_unsupported')
    expect(bench.received).toHaveLength(0)
  })

  test.each([
    ['{"a":1', 'not whole'],
    ['{"a":1,"a":2}', 'a key twice'],
    ['['.repeat(1000) + ']'.repeat(1000), 'nested too deep'],
    [Buffer.from([0x22, 0xff, 0x22]), 'not UTF-8'],
  ])('a JSON body that readers read differently is a 400: %s', async (body, _why) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const response = await call('/x', { ...init, body: body as never })
    expect(response.status).toBe(400)
    expect(bench.events).toEqual([])
  })

  test('a body past the limit is a 413, also when it does not say how long it is', async () => {
    await bench.close()
    bench = await startBench({ pep: { limits: { body_bytes: 1000 } } })
    const declared = await call('/x', { method: 'POST', body: 'x'.repeat(1001) })
    expect(declared.status).toBe(413)
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(Buffer.alloc(100))
        controller.close()
      },
    })
    const chunked = await call('/x', { method: 'POST', body: stream, duplex: 'half' } as never)
    expect(chunked.status).toBe(413)
    expect(bench.events).toEqual([])
  })
})

describe('approvals', () => {
  const approve = {
    kind: 'approve',
    approvers: ['people'],
    count: 1,
    wait_s: 1,
    valid_s: 60,
  } satisfies Obligation
  beforeEach(() => {
    bench.pdp.decideAs = (): Verdict =>
      bench.pdp.approval === 'approved'
        ? { effect: 'allow', approval: { id: 'approval-1', approvers: [], approved_ms: 1 } }
        : { effect: 'approve', obligations: [approve] }
  })

  test('the client waits until it is approved; the approval is used before the record and forwarding', async () => {
    const answered = call('/x', { method: 'DELETE' })
    await expect.poll(() => bench.events).toContain('decide')
    bench.pdp.approval = 'approved'
    const response = await answered
    expect(response.status).toBe(200)
    expect(bench.events).toEqual(['decide', 'decide', 'use', 'intent', 'upstream', 'outcome'])
  })

  test('denied is a 403', async () => {
    bench.pdp.approval = 'denied'
    const response = await call('/x', { method: 'DELETE' })
    expect(response.status).toBe(403)
    expect(await codeOf(response)).toBe('approval_denied')
    expect(bench.received).toHaveLength(0)
  })

  test('past the wait it is a 409 that names the approval', async () => {
    const response = await call('/x', { method: 'DELETE' })
    expect(response.status).toBe(409)
    expect(response.headers.get('retry-after')).toBe('1')
    const { error } = (await response.json()) as { error: object }
    expect(error).toMatchObject({ code: 'approval_pending', approval_id: 'approval-1' })
    expect(bench.received).toHaveLength(0)
  })

  test('the same action has the same digest whatever its tracing headers, and one changed character has another', async () => {
    bench.pdp.decideAs = () => ({ effect: 'allow' })
    const send = async (body: unknown, headers: Record<string, string> = {}) => {
      const init = json(body)
      await call('/x', { ...init, headers: { ...init.headers, ...headers } })
      return bench.pdp.requests.at(-1)?.context.action_digest
    }
    const first = await send({ a: 1 }, { traceparent: 'one' })
    expect(await send({ a: 1 }, { traceparent: 'two' })).toBe(first)
    expect(await send({ a: 2 })).not.toBe(first)
    expect(await send({ a: 1 }, { 'x-mode': 'b' })).not.toBe(first)
  })
})

describe('masking', () => {
  beforeEach(() => {
    bench.pdp.decideAs = () => ({ effect: 'allow', obligations: [maskEmail] })
  })

  test('JSON and text are masked; what was found is counted on record', async () => {
    bench.upstream = (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', etag: '"1"', digest: 'x' })
        .end(JSON.stringify({ to: EMAIL }))
    const response = await call('/x')
    expect(await response.json()).toEqual({ to: '[REDACTED:email]' })
    expect(response.headers.get('etag')).toBeNull()
    expect(response.headers.get('digest')).toBeNull()
    expect(bench.journal.records.at(-1)).toMatchObject({ masked: { email: 1 } })
    expect(JSON.stringify(bench.journal.records)).not.toContain(EMAIL)
  })

  test('an answer in which nothing was found keeps its bytes, its length and its ETag', async () => {
    bench.upstream = (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', etag: '"1"', 'content-length': 11 })
        .end('{ "a" : 1 }')
    const response = await call('/x')
    expect(response.headers.get('etag')).toBe('"1"')
    expect(await response.text()).toBe('{ "a" : 1 }')
  })

  test.each([1, 2, 3, 7, 1000])(
    'a stream is masked whatever its chunks: %d bytes',
    async (size) => {
      bench.upstream = async (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
        const text = Buffer.from(`é ${EMAIL} – and on ${'.'.repeat(20)} ${EMAIL}`)
        for (let i = 0; i < text.length; i += size) {
          response.write(text.subarray(i, i + size))
          await new Promise(setImmediate)
        }
        response.end()
      }
      const masked = '[REDACTED:email]'
      expect(await (await call('/x')).text()).toBe(
        `é ${masked} – and on ${'.'.repeat(20)} ${masked}`,
      )
    },
  )

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ] as const)('a compressed answer is unpacked: %s', async (encoding, compress) => {
    bench.upstream = (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding })
        .end(compress(Buffer.from(JSON.stringify({ to: EMAIL }))))
    const response = await call('/x')
    expect(response.headers.get('content-encoding')).toBeNull()
    expect(await response.json()).toEqual({ to: '[REDACTED:email]' })
  })

  test('a bomb, an unknown or a broken encoding is refused', async () => {
    const answer = async (encoding: string, body: Buffer) => {
      bench.upstream = (_, response) =>
        void response
          .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': encoding })
          .end(body)
      try {
        return (await (await call('/x')).text()).slice(0, 2000)
      } catch {
        return 'cut'
      }
    }
    expect(await answer('gzip', gzipSync(Buffer.alloc(64 * 1024 * 1024)))).toMatch(
      /cut|response_refused/,
    )
    expect(await answer('compress', Buffer.from('x'))).toContain('response_refused')
    expect(await answer('gzip, br', Buffer.from('x'))).toContain('response_refused')
    expect(await answer('gzip', Buffer.from(`not gzip ${EMAIL}`))).toMatch(/cut|response_refused/)
    expect(bench.journal.records.at(-1)).toMatchObject({ kind: 'outcome', result: 'cut' })
  })

  test('a type that cannot be looked into passes only when policy lists it', async () => {
    bench.upstream = (_, response) =>
      void response.writeHead(200, { 'content-type': 'image/png' }).end('png')
    const refused = await call('/x')
    expect(refused.status).toBe(502)
    expect(await codeOf(refused)).toBe('response_refused')
    bench.pdp.decideAs = () => ({
      effect: 'allow',
      obligations: [maskEmail, { kind: 'limit', content_types: ['image/*'] }],
    })
    expect(await (await call('/x')).text()).toBe('png')
    bench.upstream = (_, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    expect(await codeOf(await call('/x'))).toBe('response_refused')
  })

  test('text in another character set, or bytes that are not UTF-8, never pass', async () => {
    for (const type of ['text/plain; charset=utf-16', 'text/plain; charset=iso-8859-1']) {
      bench.upstream = (_, response) =>
        void response.writeHead(200, { 'content-type': type }).end(EMAIL)
      expect(await codeOf(await call('/x'))).toBe('response_refused')
    }
    bench.upstream = (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'text/plain', 'content-length': 2 })
        .end(Buffer.from([0xff, 0x41]))
    expect(await codeOf(await call('/x'))).toBe('response_refused')
  })

  test('broken JSON is refused, and cut when it had begun', async () => {
    bench.upstream = (_, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":')
    const whole = await call('/x')
    expect(whole.status).toBe(502)
    bench.upstream = async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"a":1,')
      await new Promise((resolve) => setTimeout(resolve, 300))
      response.end('"a":2}')
    }
    await expect(call('/x').then((response) => response.text())).rejects.toThrow()
    expect(bench.journal.records.at(-1)).toMatchObject({ result: 'cut' })
  })

  test('fields are masked in JSON, also when it is called text; other text is refused', async () => {
    const fields = {
      kind: 'mask',
      where: 'response',
      fields: ['$.ssn'],
      style: 'redact',
    } satisfies Obligation
    bench.pdp.decideAs = () => ({ effect: 'allow', obligations: [fields] })
    for (const type of ['application/json', 'text/plain']) {
      bench.upstream = (_, response) =>
        void response.writeHead(200, { 'content-type': type }).end('{"ssn":"1","b":2}')
      expect(await (await call('/x')).text()).toBe('{"ssn":"[REDACTED:field]","b":2}')
    }
    bench.upstream = (_, response) =>
      void response.writeHead(200, { 'content-type': 'text/plain' }).end('ssn 1')
    expect(await codeOf(await call('/x'))).toBe('response_refused')
  })

  test('fields are masked in JSON that is called text and begins late, and no blank passes for text', async () => {
    bench.pdp.decideAs = () => ({
      effect: 'allow',
      obligations: [
        { kind: 'mask', where: 'response', fields: ['$.ssn'], style: 'redact' },
        { kind: 'limit', content_types: ['text/*'] },
      ],
    })
    const document = Buffer.from('\ufeff \n {"ssn":"123"}')
    for (let at = 0; at < document.length; at += 1) {
      bench.upstream = async (_, response) => {
        response.setHeader('content-type', 'text/plain')
        response.write(document.subarray(0, at))
        await new Promise((resolve) => {
          setTimeout(resolve, 5)
        })
        response.end(document.subarray(at))
      }
      expect(await (await call('/x')).text()).toContain('{"ssn":"[REDACTED:field]"}')
    }
    bench.upstream = (_, response) => {
      response.setHeader('content-type', 'text/plain')
      response.write(' '.repeat(70_000))
      setTimeout(() => response.end('{"ssn":"123"}'), 50)
    }
    expect((await call('/x')).status).toBe(502)
  })

  test('observing counts and alters nothing', async () => {
    bench.pdp.decideAs = () => ({ effect: 'allow', obligations: [{ ...maskEmail, observe: true }] })
    bench.upstream = (_, response) =>
      void response.writeHead(200, { 'content-type': 'text/plain' }).end(EMAIL)
    expect(await (await call('/x')).text()).toBe(EMAIL)
    expect(bench.journal.records.at(-1)).toMatchObject({ observed: { email: 1 }, masked: {} })
  })

  test('Range is not forwarded, and an upstream that answers in part anyway is refused', async () => {
    bench.upstream = (_, response) =>
      void response
        .writeHead(206, { 'content-type': 'text/plain', 'content-range': 'bytes 0-1/9' })
        .end('ab')
    const response = await call('/x', { headers: { range: 'bytes=0-1', 'if-range': '"1"' } })
    expect(bench.received[0]?.headers).not.toHaveProperty('range')
    expect(bench.received[0]?.headers).not.toHaveProperty('if-range')
    expect(await codeOf(response)).toBe('response_refused')
  })

  test('a request body is masked where policy says so, and recorded as it goes out', async () => {
    bench.pdp.decideAs = () => ({
      effect: 'allow',
      obligations: [
        { ...maskEmail, where: 'request' },
        { kind: 'record', body: 'masked' },
      ],
    })
    await call('/x', json({ to: EMAIL, n: 1.0 }))
    expect(bench.received[0]?.body.toString()).toBe('{"to":"[REDACTED:email]","n":1}')
    expect(JSON.stringify(bench.journal.records)).not.toContain(EMAIL)
    expect(await codeOf(await call(`/x?to=${encodeURIComponent(EMAIL)}`, json({})))).toBe(
      'obligation_unsupported',
    )
    expect(bench.received).toHaveLength(1)
  })
})

describe('limits', () => {
  const limited = (limit: object) => {
    bench.pdp.decideAs = () => ({ effect: 'allow', obligations: [{ kind: 'limit', ...limit }] })
  }

  test('an answer larger than policy allows is refused, or cut once it began', async () => {
    limited({ max_bytes: 10 })
    bench.upstream = (_, response) => void response.end('x'.repeat(11))
    expect(await codeOf(await call('/x'))).toBe('response_refused')
    bench.upstream = async (_, response) => {
      response.write('x'.repeat(9))
      await new Promise((resolve) => setTimeout(resolve, 300))
      response.end('x'.repeat(9))
    }
    await expect(call('/x').then((response) => response.text())).rejects.toThrow()
  })

  test('an answer that takes longer than policy allows is a 504, or cut', async () => {
    limited({ timeout_ms: 50 })
    bench.upstream = () => {}
    const response = await call('/x')
    expect(response.status).toBe(504)
    expect(await codeOf(response)).toBe('upstream_timeout')
  })
})

describe('the record', () => {
  test('keeps bodies as policy says: full, masked, or only sizes', async () => {
    const bodies = async (body: 'full' | 'masked' | 'metadata') => {
      bench.pdp.decideAs = () => ({
        effect: 'allow',
        obligations: [maskEmail, { ...maskEmail, where: 'request' }, { kind: 'record', body }],
      })
      bench.upstream = (_, response) =>
        void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ to: EMAIL, key: KEY }))
      await (await call('/x', json({ mine: EMAIL }))).text()
      const records = bench.journal.records.splice(0)
      const [intent] = records
      const outcome = records.at(-1)
      if (intent?.kind !== 'intent' || outcome?.kind !== 'outcome') throw new Error('unexpected')
      const text = (bytes?: Uint8Array) => bytes && Buffer.from(bytes).toString()
      return {
        ...(intent.exchange.body && { body: text(intent.exchange.body) }),
        ...(intent.exchange.forwarded && { forwarded: text(intent.exchange.forwarded) }),
        ...Object.fromEntries(
          (outcome.rest ?? []).map(({ direction, body }) => [direction, text(body)]),
        ),
      }
    }
    const received = JSON.stringify({ to: EMAIL, key: '[REDACTED:credential]' })
    const delivered = JSON.stringify({ to: '[REDACTED:email]', key: '[REDACTED:credential]' })
    const masked = { forwarded: '{"mine":"[REDACTED:email]"}', delivered }
    expect(await bodies('full')).toEqual({ body: `{"mine":"${EMAIL}"}`, ...masked, received })
    expect(await bodies('masked')).toEqual(masked)
    expect(await bodies('metadata')).toEqual({})
  })

  test('an outcome that cannot be recorded keeps the answer back', async () => {
    bench.journal.broken.add('outcome')
    expect(await codeOf(await call('/x'))).toBe('record_unavailable')
    bench.upstream = async (_, response) => {
      response.write('begun')
      await new Promise((resolve) => setTimeout(resolve, 300))
      response.end('end')
    }
    await expect(call('/x').then((response) => response.text())).rejects.toThrow()
  })
})
