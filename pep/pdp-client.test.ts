import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pack } from 'msgpackr'
import { afterEach, describe, expect, test } from 'vitest'
import type { DecisionRequest } from '../pdp/contract/request.ts'
import { createHttpPdpClient, type HttpPdpClient } from './pdp-client.ts'

let server: Server | undefined
let client: HttpPdpClient | undefined
afterEach(async () => {
  await client?.close()
  server?.closeAllConnections()
  server?.close()
})

async function against(answer: RequestListener): Promise<HttpPdpClient> {
  const started = createServer(answer)
  server = started
  await new Promise<void>((done) => started.listen(0, '127.0.0.1', done))
  const { port } = started.address() as AddressInfo
  client = createHttpPdpClient({ url: new URL(`http://127.0.0.1:${port}`), token: 'token' })
  return client
}

const call = (deadline_ms = 5000) => ({ signal: new AbortController().signal, deadline_ms })
const request = {} as DecisionRequest
const decision = { id: 'd', effect: 'allow', reasons: [], obligations: [], revision: 'r' }

describe('no answer is ever taken for a decision that is not one', () => {
  test.each<[string, RequestListener, string]>([
    ['garbage', (_, out) => out.end('hello'), 'PDP_BAD_ANSWER'],
    ['an empty answer', (_, out) => out.end(), 'PDP_BAD_ANSWER'],
    ['no list', (_, out) => out.end(pack(decision)), 'PDP_BAD_ANSWER'],
    ['too few decisions', (_, out) => out.end(pack([])), 'PDP_BAD_ANSWER'],
    ['too many decisions', (_, out) => out.end(pack([decision, decision])), 'PDP_BAD_ANSWER'],
    [
      'another effect',
      (_, out) => out.end(pack([{ ...decision, effect: 'yes' }])),
      'PDP_BAD_ANSWER',
    ],
    [
      'an obligation nobody knows',
      (_, out) => out.end(pack([{ ...decision, obligations: [{ kind: 'x' }] }])),
      'PDP_BAD_ANSWER',
    ],
    ['a redirect', (_, out) => out.writeHead(302, { location: '/' }).end(), 'PDP_BAD_ANSWER'],
    ['a failure', (_, out) => out.writeHead(500).end(pack([decision])), 'PDP_BAD_ANSWER'],
    ['an outage', (_, out) => out.writeHead(503).end(), 'PDP_UNAVAILABLE'],
    ['a stranger', (_, out) => out.writeHead(401).end(), 'PDP_UNAUTHENTICATED'],
    ['a broken connection', (incoming) => incoming.socket.destroy(), 'PDP_UNAVAILABLE'],
    [
      'half an answer',
      (_, out) => {
        out.writeHead(200, { 'content-length': '100' }).write(pack([decision]))
        out.destroy()
      },
      'PDP_UNAVAILABLE',
    ],
  ])('%s', async (_, answer, code) => {
    const result = await (await against(answer)).decide([request], call())
    expect(result).toMatchObject({ ok: false, error: { code } })
  })

  test('silence ends at the deadline', async () => {
    const result = await (await against(() => {})).decide([request], call(50))
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'PDP_UNAVAILABLE', message: 'no answer within 50 ms' },
    })
  })

  test('nobody there', async () => {
    const silent = await against(() => {})
    server?.close()
    server?.closeAllConnections()
    expect(await silent.decide([request], call())).toMatchObject({
      ok: false,
      error: { code: 'PDP_UNAVAILABLE' },
    })
  })

  test('a caller that goes away', async () => {
    const leaving = new AbortController()
    const asked = (await against(() => {})).decide([request], {
      signal: leaving.signal,
      deadline_ms: 5000,
    })
    leaving.abort()
    expect(await asked).toMatchObject({ ok: false, error: { code: 'PDP_UNAVAILABLE' } })
  })
})

test('a conflict of records is told from other refusals', async () => {
  const body = pack({ error: { code: 'PDP_RECORD_CONFLICT', message: 'frame 3' } })
  const conflicting = await against((_, out) => out.writeHead(409).end(body))
  const batch = { pep: 'p', epoch: 'e', frames: [], keys: [] }
  expect(await conflicting.append(batch, call())).toMatchObject({
    error: { code: 'PDP_RECORD_CONFLICT' },
  })
})
