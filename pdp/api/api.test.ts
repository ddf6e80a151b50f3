import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { pack, unpack } from 'msgpackr'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Decision } from '../contract/decision.ts'
import { startIssuer } from '../../identity/testing.ts'
import { deletion, httpRequest, startTestPdp, type TestPdp } from '../testing.ts'

let it: TestPdp
const hooks: { headers: IncomingMessage['headers']; body: string }[] = []
const receiver = createServer((incoming, outgoing) => {
  let body = ''
  incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
  incoming.on('end', () => {
    hooks.push({ headers: incoming.headers, body })
    // The first delivery fails, so that it must be tried again.
    outgoing.writeHead(hooks.length === 1 ? 500 : 200).end()
  })
})
const WEBHOOK_SECRET = 'webhook-secret-of-this-test'

beforeAll(async () => {
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done))
  const { port } = receiver.address() as AddressInfo
  it = await startTestPdp({
    config: {
      approvals: {
        webhook: { url: `http://127.0.0.1:${port}/`, secret: { env: 'X' } },
        auditors: ['auditors'],
      },
    },
    webhook_secret: WEBHOOK_SECRET,
  })
})
afterAll(async () => {
  await it.close()
  receiver.close()
})

type Init = { readonly token?: string; readonly type?: string; readonly accept?: string }

function post(path: string, body: string | Uint8Array, init: Init = {}): Promise<Response> {
  const { token = it.pepToken, type = 'application/json', accept } = init
  return fetch(it.url + path, {
    method: 'POST',
    headers: {
      ...(token !== '' && { authorization: `Bearer ${token}` }),
      'content-type': type,
      ...(accept !== undefined && { accept }),
    },
    body: typeof body === 'string' ? body : Buffer.from(body),
  })
}
const decide = (value: unknown): Promise<Response> => post('/v1/decide', JSON.stringify(value))
const get = (path: string, token: string): Promise<Response> =>
  fetch(it.url + path, { headers: { authorization: `Bearer ${token}` } })
const messageOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { message: string } }).error.message

const read = (): ReturnType<typeof httpRequest> =>
  httpRequest(it.pdp.revision(), 'GET', ['customers', '1'])
const admin = (): ReturnType<typeof httpRequest> =>
  httpRequest(it.pdp.revision(), 'GET', ['admin', 'x'])

describe('POST /v1/decide', () => {
  test('decides one request, and an array in order', async () => {
    const one = (await (await decide(read())).json()) as Decision
    expect(one).toMatchObject({ effect: 'allow', revision: it.pdp.revision() })
    const many = (await (await decide([read(), admin(), read()])).json()) as Decision[]
    expect(many.map(({ effect }) => effect)).toEqual(['allow', 'deny', 'allow'])
    expect(new Set(many.map(({ id }) => id)).size).toBe(3)
  })

  test('says the same in MessagePack, and answers in what was asked for', async () => {
    const type = 'application/msgpack'
    const packed = await post('/v1/decide', pack(read()), { type })
    expect(packed.headers.get('content-type')).toBe(type)
    expect(unpack(Buffer.from(await packed.arrayBuffer()))).toMatchObject({ effect: 'allow' })
    const json = await post('/v1/decide', pack(read()), { type, accept: 'application/json' })
    expect(await json.json()).toMatchObject({ effect: 'allow' })
  })

  test('an approval in the request is refused: only the service sets it', async () => {
    const forged = {
      ...read(),
      context: { ...read().context, approval: { id: 'a', approvers: ['x'], approved_ms: 1 } },
    }
    for (const body of [forged, [read(), forged]]) {
      const response = await decide(body)
      expect(response.status).toBe(400)
      expect(await messageOf(response)).toContain(
        'context.approval is set by the decision service alone',
      )
    }
  })

  test.each([
    ['no token', { token: '' }],
    ['an unknown token', { token: 'someone' }],
  ])('%s is a 401', async (_, init) => {
    expect((await post('/v1/decide', JSON.stringify(read()), init)).status).toBe(401)
  })

  test('an approver’s token is no enforcement point’s', async () => {
    const token = await it.person('olivia', ['approvers'])
    expect((await post('/v1/decide', JSON.stringify(read()), { token })).status).toBe(401)
  })

  test.each([
    ['nothing', '', 400],
    ['half a document', '{"subject":', 400],
    ['text that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400],
    ['no object', '7', 400],
    [
      'a key too many',
      JSON.stringify({ ...httpRequest('0'.repeat(64), 'GET', ['x']), also: 1 }),
      400,
    ],
    ['a prototype', '{"__proto__":{"effect":"allow"}}', 400],
    ['200,000 levels', '['.repeat(200_000) + ']'.repeat(200_000), 400],
    ['an array that is too long', `[${'{},'.repeat(1000)}{}]`, 413],
  ])('%s is refused', async (_, body, status) => {
    const response = await post('/v1/decide', body)
    expect(response.status).toBe(status)
    expect(await messageOf(response)).not.toBe('')
  })

  test('a type that is not understood is a 415, bad MessagePack a 400', async () => {
    expect(
      (await post('/v1/decide', 'x=1', { type: 'application/x-www-form-urlencoded' })).status,
    ).toBe(415)
    expect(
      (await post('/v1/decide', '{}', { type: 'application/json; charset=utf-16' })).status,
    ).toBe(415)
    expect(
      (await post('/v1/decide', Buffer.from([0xc1]), { type: 'application/msgpack' })).status,
    ).toBe(400)
  })

  test('100 MB are refused without being read', async () => {
    const { hostname, port } = new URL(it.url)
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => resolve(''))
      socket.on('data', (chunk) => {
        resolve(chunk.toString())
        socket.destroy()
      })
      socket.write(
        `POST /v1/decide HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${it.pepToken}\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n`,
      )
    })
    expect(answer).toContain('413')
  })

  test('one item that is wrong is named, and nothing is decided', async () => {
    const response = await decide([read(), { ...read(), action: {} }])
    expect(response.status).toBe(400)
    expect(await messageOf(response)).toContain('[1].action.name')
  })
})

describe('approvals', () => {
  const demand = async (
    options: Parameters<typeof deletion>[1],
  ): Promise<{ id: string; digest: string }> => {
    const { request, action } = deletion(it.pdp.revision(), options)
    const response = await post(
      '/v1/approvals',
      JSON.stringify({ request, action, operation_id: 'o' }),
    )
    expect(response.status).toBe(200)
    const { id } = (await response.json()) as { id: string }
    return { id, digest: request.context.action_digest ?? '' }
  }
  const vote = (
    id: string,
    verb: string,
    action_digest: string,
    token: string,
  ): Promise<Response> =>
    post(`/v1/approvals/${id}/${verb}`, JSON.stringify({ action_digest }), { token })
  const use = (id: string, action_digest: string): Promise<Response> =>
    post(
      `/v1/approvals/${id}/use`,
      JSON.stringify({ action_digest, decision_id: 'd', revision: 'r', operation_id: 'o' }),
    )

  test('a demand, a look, a vote, a decision, and one use', async () => {
    const { id, digest } = await demand({ id: 'a1' })
    const token = await it.person('olivia', ['approvers'])
    const [seen] = (await (await get('/v1/approvals?state=pending', token)).json()) as [
      { id: string; action: unknown },
    ]
    expect(seen).toMatchObject({ id, action: { method: 'DELETE', target: '/customers/a1' } })
    expect((await use(id, digest)).status).toBe(409)
    const waiting = get(`/v1/approvals/${id}?wait_ms=20000`, it.pepToken)
    expect((await vote(id, 'approve', digest, token)).status).toBe(200)
    expect(await (await waiting).json()).toMatchObject({ id, state: 'approved' })
    const { request } = deletion(it.pdp.revision(), { id: 'a1' })
    expect(await (await decide(request)).json()).toMatchObject({
      effect: 'allow',
      approval: { id },
    })
    const other = deletion(it.pdp.revision(), { id: 'a2' })
    expect(await (await decide(other.request)).json()).toMatchObject({ effect: 'approve' })
    const [first, second] = await Promise.all([use(id, digest), use(id, digest)])
    expect(first.status + second.status).toBe(200 + 409)
    expect(await (await decide(request)).json()).toMatchObject({ effect: 'approve' })
  })

  test('an agent’s token never approves, whatever its groups', async () => {
    const { id, digest } = await demand({ id: 'b' })
    const agents = await it.approvers.token({ sub: 'x', groups: ['approvers'], aud: 'countersign' })
    expect((await vote(id, 'approve', digest, agents)).status).toBe(401)
    expect((await vote(id, 'approve', digest, it.pepToken)).status).toBe(401)
    const elsewhere = await startIssuer()
    const foreign = await elsewhere.token({
      sub: 'x',
      groups: ['approvers'],
      aud: 'countersign-approvals',
    })
    expect((await vote(id, 'approve', digest, foreign)).status).toBe(401)
    await elsewhere.close()
  })

  test('somebody of no approver group learns nothing of it', async () => {
    const { id, digest } = await demand({ id: 'c' })
    const token = await it.person('mallory', ['developers'])
    expect(await (await get('/v1/approvals', token)).json()).toEqual([])
    expect((await get(`/v1/approvals/${id}/detail`, token)).status).toBe(404)
    expect((await vote(id, 'approve', digest, token)).status).toBe(404)
  })

  test('what was not shown is not approved', async () => {
    const { id } = await demand({ id: 'd' })
    const token = await it.person('olivia', ['approvers'])
    expect((await vote(id, 'approve', 'f'.repeat(64), token)).status).toBe(409)
    expect(await (await get(`/v1/approvals/${id}?wait_ms=0`, it.pepToken)).json()).toMatchObject({
      state: 'pending',
    })
  })

  test('a demand for another action than the request, or for what needs no approval, is refused', async () => {
    const { request } = deletion(it.pdp.revision(), { id: 'e' })
    const other = deletion(it.pdp.revision(), { id: 'f' }).action
    const wrong = await post(
      '/v1/approvals',
      JSON.stringify({ request, action: other, operation_id: 'o' }),
    )
    expect(wrong.status).toBe(409)
    const { action } = deletion(it.pdp.revision(), { id: 'g' })
    const free = {
      ...read(),
      context: {
        ...read().context,
        action_digest: deletion(it.pdp.revision(), { id: 'g' }).request.context.action_digest,
      },
    }
    expect(
      (await post('/v1/approvals', JSON.stringify({ request: free, action, operation_id: 'o' })))
        .status,
    ).toBe(409)
  })

  test('a denied one stays denied', async () => {
    const { id, digest } = await demand({ id: 'h' })
    const token = await it.person('olivia', ['approvers'])
    expect((await vote(id, 'deny', digest, token)).status).toBe(200)
    expect((await vote(id, 'approve', digest, token)).status).toBe(409)
    expect((await use(id, digest)).status).toBe(409)
  })

  test('a webhook tells approvers, signed, again after a failure, and without the action’s content', async () => {
    const { id } = await demand({ id: 'webhook-secret-path' })
    const digest = (await it.store.approvals.find(id))?.action_digest ?? ''
    expect(digest).not.toBe('')
    await expect
      .poll(() => hooks.some(({ body }) => body.includes(id)), { timeout: 10_000 })
      .toBe(true)
    for (const { headers, body } of hooks) {
      expect(body).not.toContain('webhook-secret-path')
      expect(body).not.toContain(digest)
      const [, seconds, signature] =
        /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['countersign-signature'])) ?? []
      expect(signature).toBe(
        createHmac('sha256', WEBHOOK_SECRET).update(`${seconds}.${body}`).digest('hex'),
      )
    }
  })
})

describe('sessions', () => {
  test('are for auditors', async () => {
    expect((await get('/v1/sessions', it.pepToken)).status).toBe(401)
    expect((await get('/v1/sessions', await it.person('olivia', ['approvers']))).status).toBe(403)
    const auditor = await it.person('anna', ['auditors'])
    expect((await get('/v1/sessions', auditor)).status).toBe(200)
    expect((await get('/v1/sessions/none/steps', auditor)).status).toBe(404)
  })
})

describe('health and metrics', () => {
  test('ready says what is active', async () => {
    const ready = await fetch(`${it.url}/health?ready`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({
      ready: true,
      revision: it.pdp.revision(),
      store: { ok: true },
    })
    expect(await (await fetch(`${it.url}/metrics`)).text()).toContain(
      'countersign_pdp_decisions_total{effect="allow"}',
    )
  })

  test('a store that is down is live and not ready, and approvals fail closed', async () => {
    const down = await startTestPdp()
    await down.store.close()
    expect((await fetch(`${down.url}/health`)).status).toBe(200)
    const ready = await fetch(`${down.url}/health?ready`)
    expect(ready.status).toBe(503)
    const { request } = deletion(down.pdp.revision())
    const decision = await down.pdp.client.decide([request], {
      signal: new AbortController().signal,
      deadline_ms: 1000,
    })
    expect(decision).toMatchObject({
      ok: true,
      value: [{ effect: 'deny', reasons: [{ rule: 'pdp.store' }] }],
    })
    await down.close()
  })
})
