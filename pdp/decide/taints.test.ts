import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Decision } from '../contract/decision.ts'
import type { DecisionRequest } from '../contract/request.ts'
import { httpRequest, startTestPdp, type TestPdp } from '../testing.ts'
import { openTestStore } from '../store/testing.ts'
import { StoreError, type TaintStore } from '../store/store.ts'
import postgres from 'postgres'
import { actionDigest } from '../contract/action.ts'

/** Two decision services on one database, and how the second one's store of taints behaves. */
let first: TestPdp
let second: TestPdp
let behaves: TaintStore | undefined

beforeAll(async () => {
  first = await startTestPdp()
  second = await startTestPdp({
    around: (own) => ({
      ...own,
      approvals: first.store.approvals,
      taints: {
        of: (holder) => (behaves ?? first.store.taints).of(holder),
        add: (...all) => (behaves ?? first.store.taints).add(...all),
      },
    }),
  })
})
afterAll(async () => {
  await first.close()
  await second.close()
})

const revision = (): string => first.pdp.revision()

function inSession(request: DecisionRequest, id: string, label?: string): DecisionRequest {
  const session = { id, ...(label !== undefined && { label }) }
  return { ...request, context: { ...request.context, session } }
}

const reads = (session: string, label?: string): DecisionRequest =>
  inSession(httpRequest(revision(), 'GET', ['customers', '1']), session, label)

/** The tool call that the default policy holds once the session has read customers. */
function fetches(session: string, label?: string): DecisionRequest {
  const request = reads(session, label)
  return {
    ...request,
    action: { name: 'anthropic.tool_use' },
    resource: {
      type: 'anthropic.tool',
      id: 'WebFetch',
      properties: { connection: 'claude', kind: 'anthropic' },
    },
    context: {
      ...request.context,
      facts: {
        detectors: {},
        phrases: [],
        paths: {},
        incomplete: [],
        tool: {
          name: 'WebFetch',
          input_bytes: 40,
          input: { url: 'https://example.com/' },
          paths: [],
          hosts: [],
        },
      },
    },
  }
}

async function decided(pdp: TestPdp, request: DecisionRequest): Promise<Decision> {
  const answer = await pdp.pdp.client.decide([request], {
    signal: AbortSignal.timeout(5000),
    deadline_ms: 5000,
  })
  if (!answer.ok) throw new Error(answer.error.message)
  const [decision] = answer.value
  if (!decision) throw new Error('no decision')
  return decision
}

describe('what a session has seen', () => {
  test('holds what it does later, on every instance, whatever it calls itself', async () => {
    expect(await decided(first, fetches('s-1'))).toMatchObject({ effect: 'allow', taints: [] })
    expect(await decided(first, reads('s-1', 'mine'))).toMatchObject({ effect: 'allow' })
    for (const pdp of [first, second]) {
      const decision = await decided(pdp, fetches('s-1', 'another label'))
      expect(decision).toMatchObject({
        effect: 'approve',
        reasons: [{ rule: 'approval.outside_after_customers' }],
        taints: ['customer_data'],
      })
    }
  })

  test('is of that session and subject alone', async () => {
    await decided(first, reads('s-2'))
    expect(await decided(second, fetches('s-3'))).toMatchObject({ effect: 'allow' })
    const other = fetches('s-2')
    const subject = { ...other.subject, id: 'another-agent' }
    expect(await decided(second, { ...other, subject })).toMatchObject({ effect: 'allow' })
  })

  test('is not added by a request that is refused', async () => {
    const request = reads('s-4')
    const subject = {
      ...request.subject,
      properties: { ...request.subject.properties, groups: [] },
    }
    expect(await decided(first, { ...request, subject })).toMatchObject({ effect: 'deny' })
    expect(await decided(first, fetches('s-4'))).toMatchObject({ effect: 'allow' })
  })

  test('is committed before the decision is given', async () => {
    let committed = false
    behaves = {
      of: () => Promise.resolve([]),
      add: async () => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        committed = true
      },
    }
    try {
      expect(await decided(second, reads('s-5'))).toMatchObject({ effect: 'allow' })
      expect(committed).toBe(true)
    } finally {
      behaves = undefined
    }
  })

  test('that cannot be kept, or looked up, refuses', async () => {
    const fails = () => Promise.reject(new StoreError('STORE_UNAVAILABLE', 'down'))
    behaves = { of: fails, add: fails }
    try {
      for (const request of [reads('s-6'), fetches('s-6')]) {
        expect(await decided(second, request)).toMatchObject({
          effect: 'deny',
          reasons: [{ rule: 'pdp.store' }],
          obligations: [],
        })
      }
    } finally {
      behaves = undefined
    }
    expect(await decided(second, reads('s-6'))).toMatchObject({ effect: 'allow' })
  })

  test('is never what a caller says', async () => {
    const request = fetches('s-7')
    const forged = {
      ...request,
      context: { ...request.context, session: { id: 's-7', taints: [] } },
    }
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${first.pepToken}`,
    }
    await decided(first, reads('s-7'))
    const answer = await fetch(`${first.url}/v1/decide`, {
      method: 'POST',
      headers,
      body: JSON.stringify(forged),
    })
    expect(answer.status).toBe(400)
    expect(await decided(first, request)).toMatchObject({ effect: 'approve' })
  })

  test('asked for in a batch sees what the batch read before', async () => {
    const answer = await first.pdp.client.decide([reads('s-8'), fetches('s-8')], {
      signal: AbortSignal.timeout(5000),
      deadline_ms: 5000,
    })
    expect(answer.ok && answer.value.map(({ effect }) => effect)).toEqual(['allow', 'approve'])
  })
})

test('an approval that hangs on the session can be given and used', async () => {
  await decided(first, reads('s-9'))
  const { action, request } = approvable('s-9')
  const demanded = await first.pdp.client.demandApproval(
    { request, action, operation_id: 'operation-1' },
    { signal: AbortSignal.timeout(5000), deadline_ms: 5000 },
  )
  expect(demanded.ok && demanded.value.state).toBe('pending')
  const id = demanded.ok ? demanded.value.id : ''
  const voted = await first.store.approvals.vote({
    id,
    action_digest: request.context.action_digest ?? '',
    approver: { issuer: 'i', type: 'user', id: 'olivia' },
    approve: true,
    now_ms: Date.now(),
  })
  expect(voted.ok).toBe(true)
  expect(await decided(second, request)).toMatchObject({
    effect: 'allow',
    approval: { id },
    taints: ['customer_data'],
  })
})

function approvable(session: string) {
  const request = fetches(session)
  const action = {
    type: 'anthropic.tool_use',
    connection: 'claude',
    tool: 'WebFetch',
    input: { url: 'https://example.com/' },
  } as const
  const action_digest = actionDigest(action)
  return { action, request: { ...request, context: { ...request.context, action_digest } } }
}

test('nobody can take back what a session has seen', async () => {
  const { url } = await openTestStore()
  const sql = postgres(url)
  try {
    await expect(sql`delete from countersign.session_taints`).rejects.toThrow('append-only')
  } finally {
    await sql.end()
  }
})
