import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { exportSPKI, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startIssuer, type TestIssuer } from '../identity/testing.ts'
import type { JournalRecord, SealedRecord, WrappedKey } from '../pdp/contract/record.ts'
import { openAll, testSealer } from '../sealing/testing.ts'
import { parsePepConfig } from './config.ts'
import type { Journal } from './core/services.ts'
import { openJournal, type LocalJournal } from './journal/journal.ts'
import { readJournal } from './journal/read.ts'
import { createPep, type Pep } from './pep.ts'
import { createTestPdp, KEY, rawRequest, type TestPdp } from './testing.ts'

/** The whole enforcement point, both kinds of connections and its journal on disk; only decisions are the test's. */

let folder: string
let issuer: TestIssuer
let pdp: TestPdp
let journal: LocalJournal
let pep: Pep
let behind: Server
let port: number
let token: string
let logged: string[]
/** Of everything that was sealed. */
let keys: WrappedKey[]
/** What reached the upstream, and what was on disk by then. */
let parts: { part: string; onDisk: string }[]
let received: { url: string; headers: Record<string, unknown>; onDisk: JournalRecord[] }[]

const EMAIL = ['ada', 'example.com'].join('@')
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-test',
  content: [
    { type: 'text', text: `Ask ${EMAIL} for ${KEY}.` },
    { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'rm -fr /' } },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
}

const event = (data: { type: string } & object): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
const events = [
  { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: `To ${EMAIL}.` } },
  { type: 'content_block_stop', index: 0 },
  {
    type: 'content_block_start',
    index: 1,
    content_block: { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: {} },
  },
  {
    type: 'content_block_delta',
    index: 1,
    delta: { type: 'input_json_delta', partial_json: '{"command":"ls"}' },
  },
  { type: 'content_block_stop', index: 1 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 1 },
  },
  { type: 'message_stop' },
]
  .map(event)
  .join('')

async function recorded(): Promise<JournalRecord[]> {
  const records: SealedRecord[] = []
  for await (const entry of readJournal(folder))
    if (entry.kind === 'record') records.push(entry.record)
  return openAll(records, keys)
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-pep-'))
  received = []
  parts = []
  logged = []
  keys = []
  const log = (...line: unknown[]): void => void logged.push(JSON.stringify(line))
  issuer = await startIssuer()
  token = await issuer.token()
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const onDisk = await recorded()
    received.push({ url: request.url ?? '', headers: request.headers, onDisk })
    for await (const part of request) {
      const chunks = (await recorded()).flatMap((one) =>
        one.kind === 'chunk' && one.body ? [one.body] : [],
      )
      parts.push({ part: String(part), onDisk: Buffer.concat(chunks).toString() })
    }
    if (request.headers.accept === 'text/event-stream') {
      response.setHeader('content-type', 'text/event-stream')
      response.end(events)
      return
    }
    response.setHeader('content-type', 'application/json')
    response.setHeader('x-echo', KEY)
    if (request.url?.startsWith('/v1/messages')) response.end(JSON.stringify(message))
    else response.end(JSON.stringify({ mail: EMAIL, key: KEY, url: request.url }))
  }
  behind = createServer((request, response) => void serve(request, response))
  behind.listen(0, '127.0.0.1')
  await once(behind, 'listening')
  const upstream = `http://127.0.0.1:${(behind.address() as AddressInfo).port}`
  const config = parsePepConfig({
    identity: { issuers: [{ url: issuer.url, audience: 'countersign' }] },
    pep: { listen: [{ address: '127.0.0.1:0' }] },
    connections: {
      api: { kind: 'http', upstream, credential: { header: 'x-key', from: { env: 'KEY' } } },
      claude: {
        kind: 'anthropic',
        upstream,
        credential: { header: 'x-api-key', from: { env: 'KEY' } },
      },
    },
  })
  const sealer = await testSealer()
  journal = await openJournal({
    folder,
    pep: 'pep-1',
    seal: {
      ...sealer,
      seal(record) {
        const sealed = sealer.seal(record)
        if (sealed.key) keys.push(sealed.key)
        return sealed
      },
    },
    max_backlog_bytes: 1e8,
    log,
    now: Date.now,
  })
  pdp = createTestPdp([])
  pdp.decideAs = () => ({
    effect: 'allow',
    obligations: [{ kind: 'mask', where: 'response', detectors: ['email'], style: 'redact' }],
  })
  const maskKey = new Uint8Array(32).fill(3)
  // Slower than anything around it: whoever does not wait for the disk is seen not to.
  const slow: Journal = {
    async append(record) {
      await sleep(40)
      await journal.append(record)
    },
    get accepting() {
      return journal.accepting
    },
  }
  pep = await createPep(config, { pdp, journal: slow, log, env: { KEY }, maskKey })
  const [url = ''] = await pep.listen()
  port = Number(new URL(url).port)
})

afterEach(async () => {
  await pep.close(0)
  await journal.close()
  await issuer.close()
  behind.closeAllConnections()
  behind.close()
  await rm(folder, { recursive: true, force: true })
})

type Kind = { readonly name: string; readonly path: string; readonly body: string }
const kinds: readonly Kind[] = [
  { name: 'http', path: '/api/things', body: '{"a":1}' },
  {
    name: 'anthropic',
    path: '/claude/v1/messages',
    body: JSON.stringify({
      model: 'claude-test',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hello.' }],
    }),
  },
]

const send = (kind: Kind, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${kind.path}`, {
    method: 'POST',
    body: kind.body,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
  })

describe.each(kinds)('$name', (kind) => {
  test('what is allowed is on disk before the upstream has it, its end before the client sees it', async () => {
    const response = await send(kind)
    expect(response.status).toBe(200)
    const text = await response.text()
    const after = await recorded()
    expect(received).toHaveLength(1)
    const [{ onDisk, headers } = { onDisk: [], headers: {} }] = received
    expect(onDisk.map((record) => record.kind)).toEqual(['intent'])
    const [intent] = onDisk
    const ends = after.filter((record) => record.kind === 'outcome')
    expect(ends).toMatchObject([
      {
        operation_id: intent?.kind === 'intent' ? intent.operation_id : '',
        result: 'completed',
        status: 200,
      },
    ])
    // The caller's credential stays here, the connection's goes there, and neither comes back or is kept.
    expect(JSON.stringify(headers)).not.toContain(token)
    expect(JSON.stringify(headers)).toContain(KEY)
    const told = text + JSON.stringify([...response.headers])
    const kept = JSON.stringify(after) + logged.join('\n') + (await pep.metrics.metrics())
    expect(told).toContain('[REDACTED:email]')
    for (const secret of [KEY, EMAIL]) expect(told).not.toContain(secret)
    for (const secret of [KEY, token]) expect(kept).not.toContain(secret)
  })

  test('what is denied is on disk and reaches nobody', async () => {
    pdp.decideAs = () => ({ effect: 'deny', reasons: [{ rule: 'r', message: 'Not here.' }] })
    const response = await send(kind)
    expect(response.status).toBe(kind.name === 'http' ? 403 : 451)
    expect(await response.text()).toContain('Not here')
    expect(received).toEqual([])
    expect(await recorded()).toMatchObject([{ kind: 'decision', refused: 'denied' }])
  })

  test('without a decision, or without a record, nothing is forwarded', async () => {
    pdp.available = false
    expect((await send(kind)).status).toBe(503)
    pdp.available = true
    await journal.close()
    expect((await send(kind)).status).toBe(503)
    expect(received).toEqual([])
  })

  test('only one good token opens it', async () => {
    const now = Math.floor(Date.now() / 1000)
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: issuer.url, aud: 'countersign', sub: 'a', exp: now + 60 }
    const shared = new TextEncoder().encode(await exportSPKI(issuer.publicKey()))
    const refused: Record<string, Record<string, string>> = {
      'none at all': { authorization: '' },
      'not a token': { authorization: 'Bearer x' },
      expired: { authorization: `Bearer ${await issuer.token({ exp: now - 3600 })}` },
      'not valid yet': { authorization: `Bearer ${await issuer.token({ nbf: now + 3600 })}` },
      'for another audience': { authorization: `Bearer ${await issuer.token({ aud: 'x' })}` },
      'of another issuer': { authorization: `Bearer ${await issuer.token({ iss: 'https://x' })}` },
      'alg none': { authorization: `Bearer ${part({ alg: 'none' })}.${part(claims)}.` },
      'HS256 under the public key': {
        authorization: `Bearer ${await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(shared)}`,
      },
      'with a changed end': { authorization: `Bearer ${token.slice(0, -4)}AAAA` },
      'too long': { authorization: `Bearer ${'a'.repeat(17_000)}` },
      two: { 'x-api-key': token },
    }
    for (const [name, headers] of Object.entries(refused))
      expect([name, (await send(kind, headers)).status]).toEqual([name, 401])
    const again = `authorization: Bearer ${token}\r\n`
    const twice = `POST ${kind.path} HTTP/1.1\r\nhost: a\r\n${again}${again}content-length: 0\r\n\r\n`
    expect(await rawRequest(port, twice, 300)).toMatch(/^HTTP\/1\.1 401/)
    expect(received).toEqual([])
    expect(pdp.requests).toEqual([])
    expect((await send(kind)).status).toBe(200)
  })

  test.each(['/../', '/%2e%2e/', '//', '/%2f', '\\', '/a%00'])(
    'no trick with a path: %s',
    async (trick) => {
      const targets = [kind.path + trick, `http://127.0.0.1:${port}${kind.path}`]
      for (const target of targets) {
        const head = `POST ${target} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\ncontent-length: 0\r\n\r\n`
        expect(await rawRequest(port, head, 300)).toMatch(/^HTTP\/1\.1 400/)
      }
      expect(received).toEqual([])
      expect(pdp.requests).toEqual([])
    },
  )
})

test('a tool call in a reply is decided and on disk before it is told, and replaced when it is refused', async () => {
  const [, claude] = kinds
  if (!claude) throw new Error('no kind')
  const allow = pdp.decideAs
  pdp.decideAs = (request) =>
    request.action.name === 'anthropic.tool_use'
      ? { effect: 'deny', reasons: [{ rule: 'r', message: 'No deleting.' }] }
      : allow(request)
  const reply = (await (await send(claude)).json()) as typeof message
  expect(reply.content.map((block) => block.type)).toEqual(['text', 'text'])
  expect(reply.stop_reason).toBe('end_turn')
  expect(JSON.stringify(reply)).not.toContain('rm -fr')
  const records = await recorded()
  expect(records.map((record) => record.kind).filter((kind) => kind !== 'chunk')).toEqual([
    'intent',
    'decision',
    'outcome',
  ])
  const [intent, decision] = records.filter((record) => record.kind !== 'chunk')
  expect(decision).toMatchObject({ refused: 'denied' })
  if (intent?.kind !== 'intent' || decision?.kind !== 'decision') throw new Error('not in order')
  expect(decision.parent_id).toBe(intent.operation_id)
})

test('a reply that streams: a tool call is not seen before its decision is on disk, the end not before the outcome', async () => {
  const [, claude] = kinds
  if (!claude) throw new Error('no kind')
  const body = JSON.stringify({ ...(JSON.parse(claude.body) as object), stream: true })
  const response = await send({ ...claude, body }, { accept: 'text/event-stream' })
  let text = ''
  let decided: readonly string[] | undefined
  let ended: readonly string[] | undefined
  for await (const part of response.body ?? []) {
    text += Buffer.from(part as Uint8Array).toString()
    const onDisk = (await recorded()).map((record) => record.kind)
    if (text.includes('tool_use')) decided ??= onDisk
    if (text.includes('message_stop')) ended ??= onDisk
  }
  expect(decided).toContain('decision')
  expect(ended).toContain('outcome')
  expect(text).toContain('[REDACTED:email]')
  expect(text).not.toContain(EMAIL)
})

test('a body that streams is on disk part by part before the upstream has each', async () => {
  pdp.profileNow = { ...pdp.profileNow, inspect_bodies: [] }
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const part of ['one,', 'two,', 'three']) {
      yield Buffer.from(part)
      await sleep(60)
    }
  }
  const response = await fetch(`http://127.0.0.1:${port}/api/upload`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: body(),
    duplex: 'half',
  })
  expect(response.status).toBe(200)
  await response.text()
  expect(parts.map(({ part }) => part).join('')).toBe('one,two,three')
  for (const { part, onDisk } of parts) expect(onDisk).toContain(part)
  const records = await recorded()
  const kinds = records.map((one) => (one.kind === 'chunk' ? one.direction : one.kind))
  expect(kinds).toEqual(['intent', 'sent', 'sent', 'sent', 'outcome'])
  expect(records.at(-1)).toMatchObject({
    rest: [{ direction: 'received' }, { direction: 'delivered' }],
  })
})

test('an approval is used up before the record and the forwarding, and once', async () => {
  const [api] = kinds
  if (!api) throw new Error('no kind')
  const approve = { kind: 'approve', approvers: ['p'], count: 1, wait_s: 5, valid_s: 60 } as const
  pdp.decideAs = () =>
    pdp.approval === 'approved'
      ? { effect: 'allow', approval: { id: 'approval-1', approvers: [], approved_ms: 1 } }
      : { effect: 'approve', obligations: [{ ...approve, approvers: ['p'] }] }
  const both = [send(api), send(api)]
  setTimeout(() => (pdp.approval = 'approved'), 100)
  const statuses = (await Promise.all(both)).map((response) => response.status)
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 403])
  expect(received).toHaveLength(1)
})

test('unknown connections are a 404 for everybody, and own paths tell no secret', async () => {
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)
  expect((await get('/nothing/x')).status).toBe(404)
  const told = (await (await get('/health?ready')).text()) + (await (await get('/metrics')).text())
  for (const secret of [KEY, token]) expect(told).not.toContain(secret)
  expect(received).toEqual([])
})
