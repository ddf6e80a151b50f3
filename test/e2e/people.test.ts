import { afterAll, beforeAll, expect, test } from 'vitest'
import { signIn } from '../../scripts/dev/sign-in-by-fetch.ts'
import { APPROVALS_RESOURCE, CLI_CLIENT } from '../../scripts/dev/issuer-provider.ts'
import { deviceToken } from '../../scripts/tokens.ts'
import { clear, place, type Place, run, type Ran, start, type Started } from './running.ts'

let where: Place
let it: Started
let token: string
beforeAll(async () => {
  where = await place()
  it = await start(where)
  token = await logIn('olivia.operator')
})
afterAll(async () => {
  await it.end('SIGTERM')
  await clear(where)
})

async function logIn(name: string): Promise<string> {
  const login = await deviceToken({
    issuer: it.urls.issuer,
    client_id: CLI_CLIENT,
    scope: 'openid',
    resource: APPROVALS_RESOURCE,
    onCode: ({ uri }) => void signIn(uri, { name, secret: it.operator_secret }),
  })
  return login.token
}

const person = (...args: readonly string[]): Promise<Ran> =>
  run([...args, '--pdp', it.urls.pdp], { COUNTERSIGN_TOKEN: token })

const remove = (id: string, label = 'e2e'): Promise<Response> =>
  fetch(`${it.urls.pep}/customers/customers/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${it.token}`, 'x-session-id': label },
  })

async function pending(): Promise<{ id: string; action: { target: string } }[]> {
  const { stdout } = await person('approvals', 'list', '--json')
  return JSON.parse(stdout) as { id: string; action: { target: string } }[]
}

const idOf = async (target: string): Promise<string> => {
  let id: string | undefined
  await expect
    .poll(async () => (id = (await pending()).find(({ action }) => action.target === target)?.id), {
      timeout: 15_000,
    })
    .toBeDefined()
  return id ?? ''
}

test('a request waits, a person sees all of it and approves it once', async () => {
  const waiting = remove('c-1')
  const id = await idOf('/customers/c-1')
  const shown = await person('approvals', 'show', id)
  expect(shown.stdout).toContain('"method": "DELETE"')
  const approved = await person('approvals', 'approve', id, '--yes', '--comment', 'ticket 7')
  expect(approved).toMatchObject({ code: 0 })
  expect((await waiting).status).toBe(204)
  expect(await pending()).toEqual([])
})

test('a denied request is refused', async () => {
  const waiting = remove('c-2')
  const denied = await person('approvals', 'deny', await idOf('/customers/c-2'), '--yes', '--json')
  expect(JSON.parse(denied.stdout)).toMatchObject({ state: 'denied' })
  const response = await waiting
  expect(response.status).toBe(403)
  expect(await response.text()).toContain('approval_denied')
})

test('without --yes, and nobody to ask, nothing is decided', async () => {
  const leaving = new AbortController()
  const waiting = fetch(`${it.urls.pep}/customers/customers/c-3`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${it.token}` },
    signal: leaving.signal,
  }).catch(() => undefined)
  const id = await idOf('/customers/c-3')
  expect((await person('approvals', 'approve', id)).code).toBe(2)
  expect((await pending()).map((one) => one.id)).toContain(id)
  leaving.abort()
  await waiting
})

test('an agent’s token neither sees nor decides approvals or sessions', async () => {
  for (const args of [
    ['approvals', 'list'],
    ['sessions', 'list'],
  ]) {
    const { code, stderr } = await run([...args, '--pdp', it.urls.pdp], {
      COUNTERSIGN_TOKEN: it.token,
    })
    expect(code).toBe(3)
    expect(stderr).toContain('countersign login')
  }
})

test('sessions are listed by what the client calls them, shown and replayed', async () => {
  let listed: {
    id: string
    labels: string[]
    counts: { operations: number; approvals: number }
  }[] = []
  await expect
    .poll(
      async () => {
        listed = JSON.parse(
          (await person('sessions', 'list', '--label', 'e2e', '--json')).stdout,
        ) as typeof listed
        return listed[0]?.counts.operations
      },
      { timeout: 15_000 },
    )
    .toBeGreaterThanOrEqual(2)
  expect(listed[0]?.labels).toContain('e2e')
  expect(listed[0]?.counts.approvals).toBeGreaterThan(0)
  const shown = await person('sessions', 'show', listed[0]?.id ?? '')
  expect(shown.stdout).toContain('DELETE /customers/c-1')
  expect(shown.stdout).toContain('refused: approval_denied')
  const replayed = await person('sessions', 'replay', 'e2e', '--speed', '0')
  expect(replayed.code).toBe(0)
  expect(replayed.stdout).toContain('completed  204')
  expect((await person('sessions', 'show', 'nobody')).stderr).toContain('no session')
})

test('nobody there is an exit code of its own', async () => {
  const { code, stderr } = await run(['approvals', 'list', '--pdp', 'http://127.0.0.1:1'], {
    COUNTERSIGN_TOKEN: token,
  })
  expect(code).toBe(4)
  expect(stderr).toContain('nothing answers')
})
