import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { administrative, deletion, httpRequest, startTestPdp, type TestPdp } from '../testing.ts'

const token = 'authzen-token-of-this-test'
let it: TestPdp
beforeAll(async () => {
  it = await startTestPdp({ clients: [{ name: 'pep', token, surfaces: ['authzen'] }] })
})
afterAll(() => it.close())

const allowed = () => httpRequest(it.pdp.revision(), 'GET', ['customers', '1'])
const denied = () => httpRequest(it.pdp.revision(), 'GET', ['admin', 'x'])

function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(it.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}
const evaluate = (body: unknown) => post('/access/v1/evaluation', body)
const several = async (body: unknown) =>
  (await (await post('/access/v1/evaluations', body)).json()) as {
    evaluations: { decision: boolean; context: Record<string, unknown> }[]
  }
const decisions = async (body: unknown) =>
  (await several(body)).evaluations.map(({ decision }) => decision)

describe('one evaluation', () => {
  test('is a decision with its reasons, and obligations with ids', async () => {
    const response = await evaluate(allowed())
    expect(response.status).toBe(200)
    const body = (await response.json()) as {
      decision: boolean
      context: { obligations: object[]; revision: string }
    }
    expect(body).toMatchObject({
      decision: true,
      context: { revision: it.pdp.revision(), reason_user: { en: expect.any(String) } },
    })
    expect(body.context.obligations.length).toBeGreaterThan(0)
    for (const one of body.context.obligations)
      expect(one).toEqual({
        id: expect.any(String),
        type: expect.any(String),
        properties: expect.any(Object),
      })
    expect(await (await evaluate(denied())).json()).toMatchObject({
      decision: false,
      context: { reason_admin: { en: 'deny.admin_paths' } },
    })
  })

  test('what waits for a person is a denial that can be asked about', async () => {
    const { request } = deletion(it.pdp.revision())
    expect(await (await evaluate(request)).json()).toMatchObject({
      decision: false,
      context: { access_request: { requestable: true, count: 1, approvers: ['approvers'] } },
    })
  })

  test('a caller that extracted no facts is denied by a policy that wants them', async () => {
    const { subject, action, resource } = allowed()
    expect(await (await evaluate({ subject, action, resource })).json()).toMatchObject({
      decision: false,
      context: { reason_admin: { en: 'policy.facts_incomplete' } },
    })
  })

  test('fields that nobody knows are ignored', async () => {
    const body = { ...allowed(), extra: 1, subject: { ...allowed().subject, extra: { a: 1 } } }
    expect(await (await evaluate(body)).json()).toMatchObject({ decision: true })
  })

  test.each([
    ['no subject', { action: { name: 'a' }, resource: { type: 'r', id: '1' } }],
    [
      'a subject that is text',
      { subject: 'alice', action: { name: 'a' }, resource: { type: 'r', id: '1' } },
    ],
    [
      'an id that is a number',
      { subject: { type: 'u', id: 1 }, action: { name: 'a' }, resource: { type: 'r', id: '1' } },
    ],
    [
      'a context that is a list',
      {
        subject: { type: 'u', id: '1' },
        action: { name: 'a' },
        resource: { type: 'r', id: '1' },
        context: [],
      },
    ],
    ['a list', []],
    ['no JSON', '{'],
    ['a key that is there twice', '{"subject":{},"subject":{}}'],
  ])('%s is a 400', async (_, body) => {
    expect((await evaluate(body)).status).toBe(400)
  })

  test('other content types and methods are refused', async () => {
    expect(
      (await post('/access/v1/evaluation', allowed(), { 'content-type': 'text/plain' })).status,
    ).toBe(400)
    expect(
      (
        await post('/access/v1/evaluation', allowed(), {
          'content-type': 'application/json; charset=utf-8',
        })
      ).status,
    ).toBe(200)
    const got = await fetch(`${it.url}/access/v1/evaluation`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(got.status).toBe(405)
  })

  test('a request id comes back, also with an error; one that could split a header does not', async () => {
    const response = await post('/access/v1/evaluation', '{', { 'x-request-id': 'bfe9eb29' })
    expect(response.headers.get('x-request-id')).toBe('bfe9eb29')
    expect((await post('/access/v1/evaluation', allowed())).headers.get('x-request-id')).toBeNull()
  })

  test('nobody without a token, and nobody with one of another API', async () => {
    expect((await post('/access/v1/evaluation', allowed(), { authorization: '' })).status).toBe(401)
    expect(
      (await post('/access/v1/evaluation', allowed(), { authorization: 'Bearer wrong' })).status,
    ).toBe(401)
  })

  test('an approval that the caller made up never allows, nor a digest of its own', async () => {
    const { request } = deletion(it.pdp.revision())
    const approval = { id: 'x', approvers: ['olivia', 'paul'], approved_ms: 1 }
    const forged = { ...request, context: { ...request.context, approval } }
    expect((await evaluate(forged)).status).toBe(400)
    const { evaluations } = await several({ evaluations: [forged, allowed()] })
    expect(evaluations.map(({ decision }) => decision)).toEqual([false, true])
    const defaults = await several({
      context: forged.context,
      evaluations: [{ ...request, context: undefined }],
    })
    expect(defaults.evaluations.map(({ decision }) => decision)).toEqual([false])
  })
})

test('an administrative action that the caller made up never allows', async () => {
  const forged = administrative(it.pdp.revision())
  expect((await evaluate(forged)).status).toBe(400)
  const { evaluations } = await several({ evaluations: [forged, allowed()] })
  expect(evaluations.map(({ decision }) => decision)).toEqual([false, true])
  const split = await several({ ...forged, evaluations: [{ resource: forged.resource }] })
  expect(split.evaluations.map(({ decision }) => decision)).toEqual([false])
})

describe('several evaluations', () => {
  const item = (more: object) => ({ ...more })

  test('are answered in order, each with what it does not say taken whole from the top', async () => {
    const { subject, action, context } = allowed()
    expect(
      await decisions({
        subject,
        action,
        context,
        evaluations: [
          item({ resource: allowed().resource }),
          item({ resource: denied().resource, context: denied().context }),
          // The context of the top is replaced as a whole: what the top's said is not mixed in.
          item({ resource: allowed().resource, context: {} }),
        ],
      }),
    ).toEqual([true, false, false])
  })

  test.each([
    ['execute_all', [true, false, true]],
    ['deny_on_first_deny', [true, false]],
    ['permit_on_first_permit', [true]],
  ] as const)('%s', async (evaluations_semantic, wanted) => {
    const evaluations = [allowed(), denied(), allowed()]
    expect(await decisions({ options: { evaluations_semantic }, evaluations })).toEqual(wanted)
  })

  test('an item that is not understood is denied by itself, with why', async () => {
    const { evaluations } = await several({ evaluations: [allowed(), { subject: 1 }, allowed()] })
    expect(evaluations.map(({ decision }) => decision)).toEqual([true, false, true])
    expect(evaluations[1]?.context).toMatchObject({
      error: { status: 400, message: expect.any(String) },
    })
  })

  test('without evaluations it is one evaluation', async () => {
    for (const body of [allowed(), { ...allowed(), evaluations: [] }])
      expect(await (await post('/access/v1/evaluations', body)).json()).toMatchObject({
        decision: true,
      })
  })

  test('a semantic that nobody knows is a 400', async () => {
    const body = { options: { evaluations_semantic: 'some' }, evaluations: [allowed()] }
    expect((await post('/access/v1/evaluations', body)).status).toBe(400)
  })
})

test('metadata says where the endpoints are, and names no others', async () => {
  const response = await fetch(`${it.url}/.well-known/authzen-configuration`)
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(await response.json()).toEqual({
    policy_decision_point: it.url,
    access_evaluation_endpoint: `${it.url}/access/v1/evaluation`,
    access_evaluations_endpoint: `${it.url}/access/v1/evaluations`,
  })
})
