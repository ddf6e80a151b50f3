import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { OPAClient } from '@open-policy-agent/opa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileRego } from '../../scripts/compile-rego.ts'
import { findOpa } from '../../scripts/opa.ts'
import { writeArchive } from '../bundle/archive.ts'
import { DECISION_ENTRYPOINT } from '../decide/ask.ts'
import { activatePolicy } from '../policy/activate.ts'
import { loadPolicy, openBundle } from '../policy/load.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import { administrative, deletion, httpRequest, startTestPdp, type TestPdp } from '../testing.ts'

const token = 'client-token-of-this-test'
let it: TestPdp
let client: OPAClient
beforeAll(async () => {
  it = await startTestPdp({
    clients: [
      { name: 'reader', token, surfaces: ['opa'] },
      { name: 'other', token: 'another-token-of-this-test', surfaces: ['authzen'] },
    ],
  })
  client = new OPAClient(it.url, { headers: { authorization: `Bearer ${token}` } })
})
afterAll(() => it.close())

const allowed = () => httpRequest(it.pdp.revision(), 'GET', ['customers', '1'])
const denied = () => httpRequest(it.pdp.revision(), 'GET', ['admin', 'x'])

type Verdict = { readonly effect: string }

function call(
  path: string,
  init: RequestInit & { readonly token?: string } = {},
): Promise<Response> {
  const { token: shown = token, headers, ...rest } = init
  return fetch(it.url + path, {
    ...rest,
    headers: { ...(shown !== '' && { authorization: `Bearer ${shown}` }), ...(headers as object) },
  })
}
const post = (
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<Response> =>
  call(path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
const bodyOf = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>

describe('the official client works as it is', () => {
  test('one decision, with and without input', async () => {
    const verdict = await client.evaluate<never, Verdict>(DECISION_ENTRYPOINT, allowed() as never)
    expect(verdict.effect).toBe('allow')
    expect((await client.evaluate<never, Verdict>(DECISION_ENTRYPOINT)).effect).toBe('deny')
  })

  test('the default decision', async () => {
    expect((await client.evaluateDefault<never, Verdict>(allowed() as never)).effect).toBe('allow')
  })

  test('a batch', async () => {
    const answers = await client.evaluateBatch<never, Verdict>(DECISION_ENTRYPOINT, {
      one: allowed() as never,
      two: denied() as never,
    })
    expect(answers).toMatchObject({ one: { effect: 'allow' }, two: { effect: 'deny' } })
  })

  test('a document that nobody has is undefined', async () => {
    await expect(client.evaluate('no/such/document')).resolves.toBeUndefined()
  })
})

describe('the Data API', () => {
  test('answers any document: data, rules, parts of either, and all of it', async () => {
    const messages = await bodyOf(await call('/v1/data/countersign/messages/deny.admin_paths'))
    expect(messages['result']).toBe('Administration paths are closed to agents.')
    const effect = await bodyOf(
      await post(`/v1/data/${DECISION_ENTRYPOINT}/effect`, JSON.stringify({ input: denied() })),
    )
    expect(effect['result']).toBe('deny')
    const rules = await bodyOf(
      await post('/v1/data/countersign/decision/deny', JSON.stringify({ input: denied() })),
    )
    expect(rules['result']).toMatchObject([{ rule: 'deny.admin_paths' }])
    expect(Object.keys((await bodyOf(await call('/v1/data')))['result'] as object)).toContain(
      'countersign',
    )
    expect(await bodyOf(await call('/v1/data/nothing/here'))).not.toHaveProperty('result')
  })

  test('says what it was asked for beside', async () => {
    const answer = await bodyOf(
      await post(
        `/v1/data/${DECISION_ENTRYPOINT}?provenance&metrics=true`,
        JSON.stringify({ input: allowed() }),
      ),
    )
    expect(answer).toMatchObject({
      provenance: { bundles: {} },
      metrics: { timer_rego_query_eval_ns: expect.any(Number) },
    })
    expect(answer['decision_id']).toMatch(/^[0-9a-f-]{36}$/)
    const bare = await bodyOf(await post(`/v1/data/${DECISION_ENTRYPOINT}`, '{}'))
    expect(bare['warning']).toMatchObject({ code: 'api_usage_warning' })
    const query = `?input=${encodeURIComponent(JSON.stringify(allowed()))}`
    expect(
      (await bodyOf(await call(`/v1/data/${DECISION_ENTRYPOINT}/effect${query}`)))['result'],
    ).toBe('allow')
    const zipped = await call(`/v1/data/${DECISION_ENTRYPOINT}/effect`, {
      method: 'POST',
      body: gzipSync(JSON.stringify({ input: allowed() })),
      headers: { 'content-encoding': 'gzip' },
    })
    expect((await bodyOf(zipped))['result']).toBe('allow')
  })

  test('the webhook form answers the bare document, or 404', async () => {
    const response = await post(`/v0/data/${DECISION_ENTRYPOINT}/effect`, JSON.stringify(allowed()))
    expect(await response.json()).toBe('allow')
    expect((await post('/v0/data/nothing', '{}')).status).toBe(404)
  })

  test.each([
    ['a body that is no JSON', '{', 400],
    ['a body that is no object', '[]', 400],
    ['a key that is there twice', '{"input":{"a":1,"a":2}}', 400],
    [
      'an input that is nested without end',
      `{"input":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      400,
    ],
    ['a body that is too large', `{"input":"${'x'.repeat(17 * 1024 * 1024)}"}`, 413],
    ['explain', '{"input":{}}', 400],
  ])('%s is refused in OPA’s shape', async (what, body, status) => {
    const query = what === 'explain' ? '?explain=full' : ''
    const response = await post(`/v1/data/${DECISION_ENTRYPOINT}${query}`, body)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({
      code: 'invalid_parameter',
      message: expect.any(String),
    })
  })

  test('NUL and lone surrogates in strings are strings', async () => {
    const input = { ...denied(), resource: { ...denied().resource, id: '\u0000\ud800' } }
    const response = await post(`/v1/data/${DECISION_ENTRYPOINT}/effect`, JSON.stringify({ input }))
    expect((await bodyOf(response))['result']).toBe('deny')
  })
})

test('a batch has at most 1,000 inputs', async () => {
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [at, 0]))
  const answer = await post(
    `/v1/batch/data/${DECISION_ENTRYPOINT}`,
    JSON.stringify({ inputs: many }),
  )
  expect(answer.status).toBe(413)
})

test('a batch is refused whole when an input cannot be read', async () => {
  const deep = `${'['.repeat(513)}${']'.repeat(513)}`
  const response = await post(
    `/v1/batch/data/${DECISION_ENTRYPOINT}`,
    `{"inputs":{"ok":${JSON.stringify(allowed())}}}`,
  )
  expect(response.status).toBe(200)
  const refused = await post(`/v1/batch/data/${DECISION_ENTRYPOINT}`, `{"inputs":{"deep":${deep}}}`)
  expect(refused.status).toBe(400)
  expect((await post(`/v1/batch/data/${DECISION_ENTRYPOINT}`, '{"inputs":[]}')).status).toBe(400)
})

/** What only the decision service says, said by a caller. */
const forgeries = {
  'an approval': () => {
    const { request } = deletion(it.pdp.revision())
    const approval = { id: 'x', approvers: ['olivia', 'paul'], approved_ms: 1 }
    return { ...request, context: { ...request.context, approval } }
  },
  'an administrative action': () => administrative(it.pdp.revision()),
  'an administrative action in capitals': () => ({
    ...administrative(it.pdp.revision()),
    action: { name: 'COUNTERSIGN.sessions.unmask' },
  }),
  'a reason of an administrator': () => {
    const { action: _, ...rest } = administrative(it.pdp.revision())
    return { ...rest, action: { name: 'http.request' } }
  },
}

test.each(Object.entries(forgeries))(
  '%s that the caller made up is refused on every way in',
  async (_, forge) => {
    const forged = forge()
    const input = JSON.stringify(forged)
    const ways: (() => Promise<Response>)[] = [
      () => post(`/v1/data/${DECISION_ENTRYPOINT}`, `{"input":${input}}`),
      () => post('/v1/data', `{"input":${input}}`),
      () => post(`/v0/data/${DECISION_ENTRYPOINT}`, input),
      () => post('/', input),
      () => call(`/v1/data/${DECISION_ENTRYPOINT}?input=${encodeURIComponent(input)}`),
      () => post(`/v1/batch/data/${DECISION_ENTRYPOINT}`, `{"inputs":{"a":${input}}}`),
      () =>
        call('/v1/decide', {
          method: 'POST',
          body: input,
          token: it.pepToken,
          headers: { 'content-type': 'application/json' },
        }),
      () =>
        call('/v1/decide', {
          method: 'POST',
          body: `[${input}]`,
          token: it.pepToken,
          headers: { 'content-type': 'application/json' },
        }),
    ]
    for (const way of ways) {
      const response = await way()
      const said = await response.text()
      expect(response.status).toBe(400)
      expect(said).toContain('decision service alone')
      expect(said).not.toContain('allow"')
    }
  },
)

test('policies can be read and not written', async () => {
  const { result } = (await bodyOf(await call('/v1/policies'))) as {
    result: { id: string; raw: string }[]
  }
  const decision = result.find(({ id }) => id.endsWith('countersign/decision.rego'))
  expect(decision?.raw).toContain('package countersign.decision')
  const one = await bodyOf(await call(`/v1/policies/${decision?.id}`))
  expect(one['result']).toEqual(decision)
  expect((await call('/v1/policies/none')).status).toBe(404)
  for (const [method, path] of [
    ['PUT', '/v1/policies/x'],
    ['DELETE', '/v1/policies/x'],
    ['PUT', '/v1/data/countersign'],
    ['PATCH', '/v1/data/countersign'],
  ] as const)
    expect((await call(path, { method, body: '{}' })).status).toBe(405)
})

describe('who may ask', () => {
  test.each([
    ['nobody', '', 401],
    ['a stranger', 'wrong', 401],
    ['a client of another API', 'another-token-of-this-test', 403],
  ])('%s may not', async (_, shown, status) => {
    const response = await call(`/v1/data/${DECISION_ENTRYPOINT}`, { token: shown })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ code: 'unauthorized' })
  })

  test('a client of OPA’s API may not ship records, nor decide as an enforcement point', async () => {
    for (const path of ['/v1/records', '/v1/decide']) {
      const response = await post(path, '{}')
      expect([401, 403]).toContain(response.status)
    }
  })

  test('without a token only where the configuration says so, and not through a proxy or a page', async () => {
    const open = await startTestPdp({
      config: { dangerously_allow_unauthenticated_loopback: true },
    })
    const status = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request(`${open.url}/v1/data`, { headers }, (answer) => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        })
        asked.on('error', reject).end()
      })
    try {
      expect(await status({})).toBe(200)
      expect(await status({ 'x-forwarded-for': '10.0.0.1' })).toBe(401)
      expect(await status({ origin: 'https://evil.example' })).toBe(401)
      expect(await status({ host: 'rebound.example' })).toBe(401)
      expect(await status({ authorization: 'Bearer wrong' })).toBe(401)
    } finally {
      await open.close()
    }
  })
})

describe('a policy that is not the default one', () => {
  const source = `package odd

loops := count([1 | some x in numbers.range(1, 30000); some y in numbers.range(1, 30000)])

number := input.n

strict := to_number(input.text)
`
  const entrypoints = ['odd/loops', 'odd/number', 'odd/strict']
  let before: ActivePolicy
  beforeAll(async () => {
    const found = await findOpa({ purpose: 'build' })
    if (!found.ok) throw new Error(found.error.message)
    const loaded = await loadPolicy('bundles/default.tar.gz')
    if (!loaded.ok) throw loaded.error
    before = loaded.value.policy
    const odd = openBundle(
      'odd',
      writeArchive(
        new Map<string, Uint8Array>([
          [
            '.manifest',
            Buffer.from(
              JSON.stringify({
                revision: 'odd',
                roots: ['odd'],
                wasm: entrypoints.map((entrypoint) => ({ entrypoint, module: '/policy.wasm' })),
              }),
            ),
          ],
          ['odd.rego', Buffer.from(source)],
          [
            'policy.wasm',
            await compileRego(
              found.value,
              new Map([['odd.rego', source.replace('30000', 'object.get(input, "to", 1)')]]),
              entrypoints,
            ),
          ],
        ]),
      ),
    )
    it.activate(activatePolicy([odd, loaded.value.bundle], { config_digest: '', now: () => 0 }))
  })
  afterAll(() => it.activate(before))

  test('that loops without end is cut off with OPA’s code, and the service goes on', async () => {
    const slow = post('/v1/data/odd/loops', '{"input":{"to":30000}}')
    const [answer, health] = await Promise.all([slow, fetch(`${it.url}/health`)])
    expect(answer.status).toBe(500)
    expect(await answer.json()).toMatchObject({
      code: 'internal_error',
      errors: [{ code: 'eval_cancel_error' }],
    })
    expect(health.status).toBe(200)
    expect((await bodyOf(await post('/v1/data/odd/number', '{"input":{"n":1}}')))['result']).toBe(1)
  })

  test('gives numbers back as they were written', async () => {
    for (const literal of ['12345678901234567890', '9007199254740993', '-0.1000', '1e400']) {
      const response = await post('/v1/data/odd/number?pretty', `{"input":{"n":${literal}}}`)
      expect(await response.text()).toContain(`"result": ${literal}`)
    }
  })

  test('errors of builtins count when they are asked for', async () => {
    const input = '{"input":{"text":"x"}}'
    expect(await bodyOf(await post('/v1/data/odd/strict', input))).not.toHaveProperty('result')
    const strict = await post('/v1/data/odd/strict?strict-builtin-errors', input)
    expect(strict.status).toBe(500)
    expect(await strict.json()).toMatchObject({ errors: [{ code: 'eval_builtin_error' }] })
    const batch = await post(
      '/v1/batch/data/odd/strict?strict-builtin-errors',
      '{"inputs":{"a":{"text":"1"},"b":{"text":"x"}}}',
    )
    expect(batch.status).toBe(207)
    expect(await batch.json()).toMatchObject({
      responses: { a: { result: 1, http_status_code: '200' }, b: { http_status_code: '500' } },
    })
  })
})

test('health says whether all bundles are active', async () => {
  expect((await fetch(`${it.url}/health?bundles`)).status).toBe(200)
})
