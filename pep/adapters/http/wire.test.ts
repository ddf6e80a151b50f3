import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { request as httpRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Bench, KEY, profileOf, rawRequest, startBench } from '../../testing.ts'

/** What only shows on the wire: framing, path tricks, disconnects, echoes. */

let bench: Bench
beforeEach(async () => {
  bench = await startBench()
})
afterEach(() => bench.close())

const head = (lines: readonly string[], body = ''): string =>
  [...lines, `authorization: Bearer ${bench.token}`, 'host: a', '', body].join('\r\n')
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

describe('a path that servers read in two ways is a 400 and reaches nobody', () => {
  test.each([
    '/api/../admin',
    '/api/a/..',
    '/api/./a',
    '/api/..;x/a',
    '/api/%2e%2e/a',
    '/api/%2E./a',
    '/api/%252e%252e/a',
    '/api/a%2fb',
    '/api/a%5cb',
    '/api/a%255cb',
    '/api/a\\b',
    '/api//a',
    '//api/a',
    '/api/a%00',
    '/api/a%0d%0ab',
    '/api/a%zz',
    '/api/a%ff',
    '/api/a?b=%ff',
    '/api/a#b',
    '/api/\u00e9',
    'http://127.0.0.1/api/a',
    '*',
    'api/a',
  ])('%s', async (path) => {
    const answer = await rawRequest(
      bench.port,
      Buffer.from(head([`GET ${path} HTTP/1.1`, 'connection: close']), 'latin1'),
    )
    expect(statusOf(answer)).toBe(400)
    expect(bench.events).toEqual([])
  })

  test('encoded letters are forwarded as they came, and policy sees what they mean', async () => {
    const answer = await rawRequest(
      bench.port,
      head(['GET /api/%61dmin?q=%3D HTTP/1.1', 'connection: close']),
    )
    expect(statusOf(answer)).toBe(200)
    expect(bench.received[0]?.url).toBe('/%61dmin?q=%3D')
    expect(bench.pdp.requests[0]?.context.facts.http?.segments).toEqual(['admin'])
  })
})

describe('framing', () => {
  const smuggled = 'GET /api/smuggled HTTP/1.1\r\nhost: a\r\n\r\n'
  test.each([
    ['two lengths', ['content-length: 5', 'content-length: 6'], 'hello!'],
    ['the same length twice', ['content-length: 5', 'content-length: 5'], 'hello'],
    [
      'a length and chunks',
      ['content-length: 4', 'transfer-encoding: chunked'],
      `0\r\n\r\n${smuggled}`,
    ],
    [
      'chunks and a length',
      ['transfer-encoding: chunked', 'content-length: 4'],
      `0\r\n\r\n${smuggled}`,
    ],
    ['two codings', ['transfer-encoding: gzip, chunked'], '0\r\n\r\n'],
    [
      'coding said twice',
      ['transfer-encoding: chunked', 'transfer-encoding: identity'],
      '0\r\n\r\n',
    ],
    ['a coding that hides', ['transfer-encoding: xchunked'], '0\r\n\r\n'],
    ['a blank before the colon', ['transfer-encoding : chunked'], '0\r\n\r\n'],
    ['a folded header', ['x-a: 1\r\n transfer-encoding: chunked'], ''],
    ['a length that is no number', ['content-length: +5'], 'hello'],
    ['a bare line feed', ['x-a: 1\ntransfer-encoding: chunked'], '0\r\n\r\n'],
    ['a chunk size that is none', ['transfer-encoding: chunked'], '0x5\r\nhello\r\n0\r\n\r\n'],
  ])('%s never reaches the upstream as two requests', async (_name, lines, body) => {
    const answer = await rawRequest(bench.port, head(['POST /api/a HTTP/1.1', ...lines], body), 300)
    expect(statusOf(answer)).toBe(400)
    expect(bench.received).toHaveLength(0)
  })

  test('a chunked body is framed anew', async () => {
    bench.pdp.profileNow = profileOf({ inspect_bodies: [] })
    const body = '5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nx-trailer: 1\r\n\r\n'
    const answer = await rawRequest(
      bench.port,
      head(['POST /api/a HTTP/1.1', 'transfer-encoding: chunked', 'connection: close'], body),
    )
    expect(statusOf(answer)).toBe(200)
    expect(bench.received[0]?.body.toString()).toBe('hello!')
    expect(bench.received[0]?.headers).not.toHaveProperty('x-trailer')
  })

  test.each([
    ['content-type: text/plain', 'content-type: application/x-www-form-urlencoded'],
    ['content-type: text/plain, application/x-www-form-urlencoded'],
    ['content-type: application/x-www-form-urlencoded x'],
    ['content_type: application/x-www-form-urlencoded'],
    ['content-type: text/plain; charset =utf-16le'],
    ["content-type: text/plain; charset*=utf-8''utf-16le"],
    ['content-type: text/plain; charset=utf-8; charset=utf-7'],
    ['content-encoding: identity', 'content-encoding: gzip'],
    ['content-encoding: identity, gzip'],
    ['X_HTTP_Method_Override: DELETE'],
  ])('a body that could be read in two ways is a 400: %s %s', async (...lines) => {
    const body = 'a=bob%40example.com'
    const answer = await rawRequest(
      bench.port,
      head(['POST /api/a HTTP/1.1', `content-length: ${body.length}`, ...lines], body),
      300,
    )
    expect(statusOf(answer)).toBe(400)
    expect(bench.events).toEqual([])
  })

  test('what Connection takes away is not told to policy, and twins of our headers are not forwarded', async () => {
    const lines = [
      'connection: content-type, close',
      'content-type: application/json',
      'content-length: 2',
      'X_Upstream_Key: mine',
      'X_Api_Key: mine',
      'X_Forwarded_For: 10.0.0.1',
      'Content_Length: 7',
      'x_keep: 1',
    ]
    const answer = await rawRequest(bench.port, head(['POST /api/a HTTP/1.1', ...lines], '{}'))
    expect(statusOf(answer)).toBe(200)
    expect(bench.pdp.requests[0]?.context.facts.http).not.toHaveProperty('content_type')
    const { headers } = bench.received[0]!
    expect(Object.keys(headers).filter((name) => name.includes('_'))).toEqual(['x_keep'])
    expect(headers).not.toHaveProperty('content-type')
  })

  test('two requests on one connection are two requests', async () => {
    const one = head(['GET /api/1 HTTP/1.1'])
    const answer = await rawRequest(
      bench.port,
      one + head(['GET /api/2 HTTP/1.1', 'connection: close']),
    )
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2)
    expect(bench.pdp.requests).toHaveLength(2)
  })

  test.each([
    ['CONNECT a:443 HTTP/1.1', [], 405],
    ['TRACE /api/a HTTP/1.1', [], 400],
    ['GET /api/a HTTP/1.1', ['connection: upgrade', 'upgrade: websocket'], 501],
    ['GET /api/a HTTP/1.1', ['connection: upgrade', 'upgrade: h2c'], 501],
  ])('%s %s is refused', async (line, lines, status) => {
    const answer = await rawRequest(bench.port, head([line, ...lines, 'connection: close']), 300)
    expect(statusOf(answer)).toBe(status)
    expect(bench.received).toHaveLength(0)
  })

  test('headers that are too large are a 431', async () => {
    const answer = await rawRequest(
      bench.port,
      head(['GET /api/a HTTP/1.1', `x-a: ${'x'.repeat(40_000)}`]),
    )
    expect(statusOf(answer)).toBe(431)
  })

  test('headers that do not come are a 408', async () => {
    await bench.close()
    bench = await startBench({ pep: { limits: { header_timeout_s: 0.2 } } })
    const answer = await rawRequest(bench.port, 'GET /api/a HTTP/1.1\r\nhost: a\r\nx-slow: ', 3000)
    expect(statusOf(answer)).toBe(408)
  })

  test('Expect: 100-continue is answered once the caller is known, and not before', async () => {
    const lines = [
      'POST /api/a HTTP/1.1',
      'content-length: 2',
      'expect: 100-continue',
      'connection: close',
    ]
    const socket = connect(bench.port, '127.0.0.1')
    socket.write(head(lines))
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(first.toString()).toMatch(/^HTTP\/1.1 100/)
    socket.write('{}')
    const [second] = (await once(socket, 'data')) as [Buffer]
    expect(statusOf(second.toString())).toBe(200)
    expect(bench.received[0]?.headers).not.toHaveProperty('expect')
    socket.destroy()
    const refused = await rawRequest(bench.port, [...lines, 'host: a', '', ''].join('\r\n'), 300)
    expect(statusOf(refused)).toBe(401)
    expect(refused).not.toContain('100 Continue')
  })
})

describe('a body that streams', () => {
  beforeEach(() => {
    bench.pdp.profileNow = profileOf({ inspect_bodies: [] })
  })

  function upload(headers: Record<string, string> = {}) {
    return httpRequest(`${bench.url}/a`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.token}`, ...headers },
    })
  }

  test.each([
    ['full', { direction: 'sent', body: Buffer.from('a body') }],
    ['masked', { direction: 'forwarded', body: Buffer.from('a body') }],
    ['metadata', { direction: 'sent' }],
  ] as const)('is on record as policy says: %s', async (body, kept) => {
    bench.pdp.decideAs = () => ({ effect: 'allow', obligations: [{ kind: 'record', body }] })
    const request = upload()
    request.end('a body')
    const [response] = await once(request, 'response')
    response.resume()
    const [, chunk] = bench.journal.records
    expect(chunk).toMatchObject({
      kind: 'chunk',
      offset: 0,
      pieces: [[expect.any(Number), 6]],
      ...kept,
    })
    if (!('body' in kept)) expect(chunk).not.toHaveProperty('body')
  })

  test('is on record chunk by chunk before each is forwarded, and cannot be approved', async () => {
    const request = upload()
    request.write('first')
    await expect.poll(() => bench.events).toContain('upstream')
    expect(bench.events).toEqual(['decide', 'intent', 'chunk', 'upstream'])
    request.end('second')
    const [response] = await once(request, 'response')
    response.resume()
    expect(bench.received[0]?.body.toString()).toBe('firstsecond')
    const chunks = bench.journal.records.flatMap((record) =>
      record.kind === 'chunk' && record.direction === 'sent' ? [record] : [],
    )
    expect(chunks.map(({ offset, body }) => [offset, Buffer.from(body!).toString()])).toEqual([
      [0, 'first'],
      [5, 'second'],
    ])
    expect(bench.pdp.requests[0]?.context).not.toHaveProperty('action_digest')
    expect(bench.pdp.requests[0]?.context.facts.http).toMatchObject({
      body_bytes: -1,
      inspected: false,
    })
  })

  test('that was declared keeps its length', async () => {
    const request = upload({ 'content-length': '4' })
    request.end('body')
    await once(request, 'response')
    expect(bench.received[0]?.headers['content-length']).toBe('4')
    expect(bench.received[0]?.headers).not.toHaveProperty('transfer-encoding')
  })

  test('breaks off at the upstream when a chunk cannot be recorded', async () => {
    bench.journal.broken.add('chunk')
    const request = upload()
    request.end('never seen')
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(503)
    response.resume()
    expect(bench.received.map(({ body }) => body.toString()).join('')).not.toContain('never seen')
  })

  test('that policy asks for in the meantime is incomplete', async () => {
    const request = upload()
    bench.pdp.decideAs = () => {
      bench.pdp.profileNow = profileOf({ inspect_bodies: ['api'] })
      return bench.pdp.requests.length === 1
        ? { effect: 'deny', reasons: [{ rule: 'pdp.facts_revision', message: 'again' }] }
        : { effect: 'allow' }
    }
    request.end('x')
    await once(request, 'response')
    expect(bench.pdp.requests[1]?.context.facts.incomplete).toEqual(['body.not_inspected'])
  })
})

describe('when one side goes away', () => {
  test('a client that leaves aborts the upstream, and the record says so', async () => {
    let closed = false
    bench.upstream = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('begun')
      response.on('close', () => {
        closed = true
      })
    }
    const controller = new AbortController()
    const response = await fetch(`${bench.url}/a`, {
      headers: { authorization: `Bearer ${bench.token}` },
      signal: controller.signal,
    })
    expect(response.status).toBe(200)
    controller.abort()
    await expect.poll(() => closed).toBe(true)
    await expect.poll(() => bench.journal.records.at(-1)).toMatchObject({ result: 'aborted' })
  })

  test('a client that leaves while its approval is waited for forwards nothing', async () => {
    bench.pdp.decideAs = () => ({
      effect: 'approve',
      obligations: [{ kind: 'approve', approvers: ['p'], count: 1, wait_s: 5, valid_s: 60 }],
    })
    const socket = connect(bench.port, '127.0.0.1')
    socket.write(head(['DELETE /api/a HTTP/1.1']))
    await expect.poll(() => bench.pdp.requests.length).toBe(1)
    socket.destroy()
    await pause(50)
    bench.pdp.approval = 'approved'
    bench.pdp.decideAs = () => ({
      effect: 'allow',
      approval: { id: 'approval-1', approvers: [], approved_ms: 1 },
    })
    await pause(100)
    expect(bench.received).toHaveLength(0)
  })

  test('an upstream that dies before its head is a 502', async () => {
    bench.upstream = (_, response) => void response.socket?.destroy()
    const answer = await rawRequest(bench.port, head(['GET /api/a HTTP/1.1', 'connection: close']))
    expect(statusOf(answer)).toBe(502)
    expect(bench.journal.records.at(-1)).toMatchObject({ kind: 'outcome', result: 'failed' })
  })

  test.each([
    ['chunked', {}],
    ['of a declared length', { 'content-length': '100000' }],
  ])('an upstream that dies mid-answer is never a clean end: %s', async (_name, headers) => {
    bench.upstream = async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', ...headers })
      response.write('begun')
      await pause(300)
      response.socket?.destroy()
    }
    const answer = await rawRequest(bench.port, head(['GET /api/a HTTP/1.1']))
    expect(answer).toContain('begun')
    expect(answer).not.toMatch(/\r\n0\r\n/)
    await expect.poll(() => bench.journal.records.at(-1)).toMatchObject({ result: 'failed' })
    const http10 = rawRequest(bench.port, head(['GET /api/a HTTP/1.0']))
    expect(await http10).toContain('begun')
  })

  test('an upstream that is silent is a 504', async () => {
    await bench.close()
    bench = await startBench({ pep: { limits: { idle_timeout_s: 0.2 } } })
    bench.upstream = () => {}
    const answer = await rawRequest(
      bench.port,
      head(['GET /api/a HTTP/1.1', 'connection: close']),
      4000,
    )
    expect(statusOf(answer)).toBe(504)
  })

  test('an upstream that is not there is a 502', async () => {
    await bench.close()
    bench = await startBench({ connection: { upstream: 'http://127.0.0.1:1' } })
    const answer = await rawRequest(bench.port, head(['GET /api/a HTTP/1.1', 'connection: close']))
    expect(statusOf(answer)).toBe(502)
    expect(answer).not.toContain(KEY)
  })
})

describe('an upstream that echoes all it was sent', () => {
  const EMAIL = ['ada', 'example.com'].join('@')
  const forms = (secret: string): string[] => [
    secret,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(`user:${secret}`).toString('base64'),
    Buffer.from(secret).toString('hex'),
    encodeURIComponent(secret),
  ]

  test.each([
    ['a body', 200, 'text/plain'],
    ['an error body', 401, 'application/json'],
    ['a body of any type', 200, 'application/octet-stream'],
  ])(
    'in %s, header, header name, trailer: neither key nor mail gets out',
    async (_name, status, type) => {
      const all = forms(KEY)
      bench.pdp.decideAs = () => ({
        effect: 'allow',
        obligations: [
          { kind: 'mask', where: 'response', detectors: ['email'], style: 'redact' },
          { kind: 'limit', content_types: ['*/*'] },
        ],
      })
      bench.upstream = async (_, response) => {
        response.writeHead(status, `It is ${KEY}`, {
          'content-type': type,
          'x-echo': `${KEY} ${EMAIL}`,
          'x-basic': Buffer.from(KEY).toString('base64'),
          [`x-${KEY}`]: '1',
          'set-cookie': [`a=${KEY}`, 'b=2'],
          trailer: 'x-end',
        })
        const mail = type === 'application/octet-stream' ? '' : EMAIL
        const text = JSON.stringify({ all, mail, again: all.join('"') })
        for (let i = 0; i < text.length; i += 11) response.write(text.slice(i, i + 11))
        response.addTrailers({ 'x-end': `${KEY} ${EMAIL}` })
        response.end()
      }
      const answer = await rawRequest(
        bench.port,
        head(['GET /api/a HTTP/1.1', 'range: bytes=0-10', 'connection: close']),
      )
      expect(statusOf(answer)).toBe(status)
      expect(bench.received[0]?.headers['x-upstream-key']).toBe(KEY)
      // Chunk heads would hide what is split by them.
      const text = answer + answer.replace(/\r\n[0-9a-f]+\r\n/g, '')
      for (const form of [...all, EMAIL]) expect(text).not.toContain(form)
      expect(answer).toContain('x-end: [REDACTED:credential]')
      expect(answer).toContain('b=2')
      expect(JSON.stringify(bench.journal.records)).not.toContain(KEY)
    },
  )

  test('in an interim answer, a redirect, or an answer to HEAD: the same', async () => {
    bench.upstream = (_, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload', 'x-echo': KEY })
      response.writeHead(302, { location: `https://a.example/?key=${KEY}`, 'x-echo': KEY }).end()
    }
    for (const method of ['GET', 'HEAD']) {
      const answer = await rawRequest(
        bench.port,
        head([`${method} /api/a HTTP/1.1`, 'connection: close']),
      )
      expect(statusOf(answer)).toBe(302)
      expect(answer).toContain('?key=[REDACTED:credential]')
      expect(answer).not.toContain(KEY)
    }
  })

  test('under two encodings, or a coding nobody asked for, it is refused', async () => {
    const zipped = gzipSync(`the key is ${KEY}`)
    bench.upstream = (_, response) =>
      void response
        .writeHead(200, ['content-encoding', 'identity', 'content-encoding', 'gzip'])
        .end(zipped)
    const twice = await rawRequest(bench.port, head(['GET /api/a HTTP/1.1', 'connection: close']))
    expect(statusOf(twice)).toBe(502)
    bench.upstream = (_, response) => {
      const size = zipped.length.toString(16)
      response.socket?.write('HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n')
      response.socket?.end(
        Buffer.concat([Buffer.from(`${size}\r\n`), zipped, Buffer.from('\r\n0\r\n\r\n')]),
      )
    }
    const coded = await rawRequest(bench.port, head(['GET /api/a HTTP/1.1', 'connection: close']))
    expect(statusOf(coded)).toBe(502)
  })

  test('compressed, the same', async () => {
    bench.upstream = (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
        .end(gzipSync(`the key is ${KEY}`))
    const answer = await rawRequest(bench.port, head(['GET /api/a HTTP/1.1', 'connection: close']))
    expect(answer).toContain('the key is [REDACTED:credential]')
  })
})
