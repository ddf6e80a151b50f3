import { appendFile, cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decisionInput } from '../../scripts/bench/workload.ts'
import { clear, place, type Place, start, type Started } from './running.ts'

/** Edits, breaks and fixes the policy of a running development service while requests flow. */

let where: Place
let running: Started
let pepToken: string
beforeAll(async () => {
  where = await place()
  await cp('rego', join(where.root, 'rego'), { recursive: true })
  await cp('bundles', join(where.root, 'bundles'), { recursive: true })
  await cp('test/decisions', join(where.root, 'test', 'decisions'), { recursive: true })
  const config = JSON.parse(await readFile(where.config, 'utf8')) as { pdp: object }
  config.pdp = { ...config.pdp, bundle: 'bundles/default.tar.gz' }
  await writeFile(where.config, JSON.stringify(config))
  running = await start(where)
  pepToken = (await readFile(join(where.folder, 'pep-token'), 'utf8')).trim()
})
afterAll(async () => {
  await running.end('SIGTERM')
  await clear(where)
})

type Health = {
  readonly revision: string
  readonly bundles: readonly [
    { readonly problem?: { readonly code: string; readonly message: string } },
  ]
}
const health = async (): Promise<Health> =>
  (await (await fetch(`${running.urls.pdp}/health?ready`)).json()) as Health

const ask = async (body: unknown): Promise<unknown> =>
  (
    await fetch(`${running.urls.pdp}/v1/decide`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${pepToken}` },
      body: JSON.stringify(body),
    })
  ).json()

type Decided = {
  readonly effect: string
  readonly revision: string
  readonly reasons: readonly { readonly rule: string }[]
}

/** Requests without a pause, through the gateway and to the decision service, until it is told to stop. */
function traffic() {
  const statuses = new Map<number, number>()
  const verdicts = new Map<string, Set<string>>()
  const state = { stopped: false }
  const gateway = async (): Promise<void> => {
    while (!state.stopped) {
      const response = await fetch(`${running.urls.pep}/customers/customers/c-1`, {
        headers: { authorization: `Bearer ${running.token}` },
      })
      await response.arrayBuffer()
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
    }
  }
  const service = async (): Promise<void> => {
    while (!state.stopped) {
      const { revision } = await health()
      const batch = (await ask(
        Array.from({ length: 20 }, () => decisionInput(revision)),
      )) as Decided[]
      expect(new Set(batch.map((one) => one.revision)).size, 'one policy for a batch').toBe(1)
      for (const one of batch) {
        // A change between asking for the revision and asking for decisions: facts are made again then.
        if (one.reasons[0]?.rule === 'pdp.facts_revision') continue
        const seen = verdicts.get(one.revision) ?? new Set()
        verdicts.set(one.revision, seen.add(`${one.effect} ${one.reasons[0]?.rule}`))
      }
    }
  }
  const done = Promise.all([gateway(), gateway(), service()])
  return {
    statuses,
    verdicts,
    async stop() {
      state.stopped = true
      await done
    },
    async [Symbol.asyncDispose]() {
      state.stopped = true
      await done.catch(() => {})
    },
  }
}

async function revisionAfter(before: string): Promise<{ revision: string; took_ms: number }> {
  const started = performance.now()
  for (;;) {
    const { revision } = await health()
    if (revision !== before) return { revision, took_ms: performance.now() - started }
    if (performance.now() - started > 20_000) throw new Error('the edit never went live')
  }
}

test('an edit goes live, a broken one does not, and no request notices the change but by its answer', async () => {
  await using flowing = traffic()
  const deny = join(where.root, 'rego', 'data', 'deny.yaml')
  const decision = join(where.root, 'rego', 'countersign', 'decision.rego')
  const { revision: first } = await health()

  await appendFile(
    deny,
    '\n- id: no_new_customers\n  message: No new customers today.\n  connections: [customers]\n  http: { methods: [POST], paths: ["/**"] }\n',
  )
  const { revision: second } = await revisionAfter(first)

  const whole = await readFile(decision, 'utf8')
  await writeFile(decision, `${whole}\nbroken if {\n\tinput.x = = 1\n}\n`)
  await expect
    .poll(async () => (await health()).bundles[0].problem?.message, { timeout: 20_000 })
    .toMatch(/rego\/countersign\/decision\.rego:\d+:\d+: rego_parse_error: /)
  expect((await health()).revision).toBe(second)

  await writeFile(decision, `${whole}\n# fixed\n`)
  const { revision: third } = await revisionAfter(second)
  expect((await health()).bundles[0].problem).toBeUndefined()
  await expect.poll(() => flowing.verdicts.has(third), { timeout: 20_000 }).toBe(true)
  await flowing.stop()

  // Every request was answered by policy, and each policy always said the same.
  expect([...flowing.statuses.keys()]).toEqual([200])
  expect([...flowing.verdicts.values()].map((seen) => [...seen])).toEqual([
    ['allow grant.agents_create_customers'],
    ['deny deny.no_new_customers'],
    ['deny deny.no_new_customers'],
  ])
}, 60_000)
