import { randomUUID } from 'node:crypto'
import { pack } from 'msgpackr'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testIntent } from '../../sealing/testing.ts'
import type { DecisionId } from '../contract/brand.ts'
import type { JournalRecord } from '../contract/record.ts'
import { err, ok } from '../contract/result.ts'
import type { ViewMask } from '../evidence/view-mask.ts'
import { loadPolicy } from '../policy/load.ts'
import { createTestJournal } from '../store/testing-frames.ts'
import { httpRequest, startTestPdp, type TestPdp } from '../testing.ts'

/** What auditors see beside the steps of a session is masked as those are. */

const SSN = '078-05-1120'
let masks = true

/** Masks the one number, in names as well. */
const masking: ViewMask = (record) => {
  if (!masks) return Promise.resolve(err('it has no known shape'))
  const masked = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replaceAll(SSN, '[ssn]')
    if (Array.isArray(value)) return value.map(masked)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [masked(key), masked(one)]))
  }
  return Promise.resolve(ok(masked(record) as JournalRecord))
}

let it: TestPdp
let auditor: string
beforeAll(async () => {
  it = await startTestPdp({
    config: { approvals: { auditors: ['auditors'] } },
    evidence: { mask: masking },
  })
  auditor = await it.person('anna', ['auditors'])
})
afterAll(() => it.close())

const get = async (path: string) => {
  const response = await fetch(it.url + path, { headers: { authorization: `Bearer ${auditor}` } })
  return { status: response.status, text: await response.text() }
}

async function ship(records: readonly JournalRecord[]): Promise<void> {
  const { sent } = (await createTestJournal({ sealer: it.sealer })).batch(records)
  const taken = await fetch(`${it.url}/v1/records`, {
    method: 'POST',
    headers: { authorization: `Bearer ${it.pepToken}`, 'content-type': 'application/msgpack' },
    body: pack(sent),
  })
  expect(taken.status).toBe(200)
}

/** With and without anything that masks. */
async function both(look: () => Promise<void>): Promise<void> {
  for (const on of [true, false]) {
    masks = on
    await look()
  }
  masks = true
}

test('what a client calls its session is listed masked, and found by what it is', async () => {
  const { request } = testIntent()
  const session = { id: randomUUID(), label: `of-${SSN}` }
  await ship([testIntent({ request: { ...request, context: { ...request.context, session } } })])
  const byLabel = `/v1/sessions?label=of-${SSN}`
  await expect.poll(async () => (await get(byLabel)).text).toContain(session.id)
  expect((await get(byLabel)).text).toContain('of-[ssn]')
  await both(async () => {
    const { status, text } = await get('/v1/sessions')
    expect(status).toBe(200)
    expect(text).toContain(session.id)
    expect(text).not.toContain(SSN)
  })
})

test('what a candidate policy would have decided differently is listed masked', async () => {
  await it.store.shadow.append([
    {
      decision_id: randomUUID(),
      session_id: 's',
      at_ms: 1,
      live_revision: 'l',
      candidate_revision: 'c',
      subject: 'agent-1',
      action: 'http.request',
      resource: `/customers/${SSN}`,
      connection: 'customers',
      from: { effect: 'allow', reasons: [{ rule: 'a', message: `a ${SSN}` }], obligations: [] },
      to: { effect: 'deny', reasons: [{ rule: 'b', message: `b ${SSN}` }], obligations: [] },
    },
  ])
  const { text } = await get('/v1/shadow')
  expect(JSON.parse(text)).toMatchObject({
    differences: [
      {
        resource: '/customers/[ssn]',
        from: { effect: 'allow', reasons: [{ rule: 'a', message: 'a [ssn]' }] },
        to: { effect: 'deny', reasons: [{ rule: 'b', message: 'b [ssn]' }] },
      },
    ],
  })
  await both(async () => {
    expect((await get('/v1/shadow')).text).not.toContain(SSN)
  })
})

test('an explanation names no parameter of the agent’s that the masked request does not', async () => {
  const revision = it.pdp.revision()
  const asked = httpRequest(revision, 'GET', ['customers', '1'])
  const { facts } = asked.context
  const http = { ...facts.http!, query: { [SSN]: [SSN], q: ['1'] } }
  const request = { ...asked, context: { ...asked.context, facts: { ...facts, http } } }
  const id = randomUUID() as string as DecisionId
  const { decision } = testIntent()
  const loaded = await loadPolicy('bundles/default.tar.gz')
  if (!loaded.ok) throw loaded.error
  const { policy } = loaded.value
  // It looks at every parameter, so that the decision hangs on each.
  it.activate({
    ...policy,
    index: { ...policy.index, inputs: {} },
    evaluate(_, input: unknown) {
      const { query } = (input as typeof asked).context.facts.http!
      const empty = Object.keys(query).length < 2 || Object.values(query).flat().includes('')
      const reasons = [{ rule: 'r', message: 'm' }]
      return { ok: true, value: { effect: empty ? 'deny' : 'allow', reasons, obligations: [] } }
    },
  })
  await ship([testIntent({ request, decision: { ...decision, id } })])
  await both(async () => {
    const { status, text } = await get(`/v1/decisions/${id}/explanation`)
    expect(status).toBe(200)
    expect(text).not.toContain(SSN)
  })
  const { text } = await get(`/v1/decisions/${id}/explanation`)
  const { explanation } = JSON.parse(text) as { explanation: { inputs: { path: string }[] } }
  const paths = explanation.inputs.map(({ path }) => path)
  expect(paths).toContain('context.facts.http.query.q[0]')
  expect(paths).toContain('not shown')
})
