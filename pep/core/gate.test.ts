import { beforeEach, describe, expect, test } from 'vitest'
import { actionDigest, type CanonicalAction } from '../../pdp/contract/action.ts'
import type { ApprovalStatus } from '../../pdp/contract/approval.ts'
import type { ApprovalId, DecisionId, OperationId, Revision } from '../../pdp/contract/brand.ts'
import { type PdpClient, STALE_FACTS_RULE } from '../../pdp/contract/client.ts'
import type { Decision } from '../../pdp/contract/decision.ts'
import type { JournalRecord } from '../../pdp/contract/record.ts'
import { err, ok } from '../../pdp/contract/result.ts'
import { PepError } from './errors.ts'
import { createGate, type Gate } from './gate.ts'
import type { Operation } from './operation.ts'

/** What happened, in order. */
let events: string[]
let records: JournalRecord[]
let pdp: PdpClient & {
  decisions: (Partial<Decision> | 'down' | 'none' | 'throws')[]
  states: ApprovalStatus['state'][]
  usable: boolean
}
let journal: {
  accepting: boolean
  broken: boolean
  append: (record: JournalRecord) => Promise<void>
}
let gate: Gate

const revision = 'a'.repeat(64) as Revision
const action: CanonicalAction = {
  type: 'http.request',
  connection: 'c',
  method: 'DELETE',
  target: '/1',
  headers: [],
  body: { text: '' },
}
const approve = {
  kind: 'approve',
  approvers: ['people'],
  count: 1,
  wait_s: 1,
  valid_s: 60,
} as const
const held: Partial<Decision> = {
  effect: 'approve',
  obligations: [{ ...approve, approvers: ['people'] }],
}
const released: Partial<Decision> = {
  effect: 'allow',
  approval: { id: 'approval-1', approvers: [], approved_ms: 1 },
}

beforeEach(() => {
  events = []
  records = []
  const status = (state: ApprovalStatus['state']): ApprovalStatus => ({
    id: 'approval-1' as ApprovalId,
    state,
    expires_ms: 1e15,
  })
  const next = (): ApprovalStatus => status(pdp.states.shift() ?? 'pending')
  pdp = {
    decisions: [],
    states: [],
    usable: true,
    decide: () => {
      events.push('decide')
      const made = pdp.decisions.shift() ?? {}
      if (made === 'throws') throw new Error('a defect')
      if (made === 'down') return Promise.resolve(err({ code: 'PDP_UNAVAILABLE', message: 'down' }))
      if (made === 'none') return Promise.resolve(ok([]))
      const id = `decision-${events.length}` as DecisionId
      return Promise.resolve(
        ok([{ id, effect: 'allow', reasons: [], obligations: [], revision, ...made }]),
      )
    },
    profile: () => {
      events.push('profile')
      return Promise.resolve(
        ok({
          revision,
          profile: {
            detectors: [],
            custom_detectors: [],
            phrases: [],
            json_paths: [],
            inspect_bodies: [],
          },
        }),
      )
    },
    demandApproval: () => {
      events.push('demand')
      return Promise.resolve(ok(next()))
    },
    awaitApproval: () => {
      events.push('await')
      return Promise.resolve(ok(next()))
    },
    useApproval: () => {
      events.push('use')
      return Promise.resolve(
        pdp.usable ? ok(status('consumed')) : err({ code: 'PDP_REFUSED', message: 'used' }),
      )
    },
    append: () => Promise.resolve(ok({ seq: 0 })),
  }
  journal = {
    accepting: true,
    broken: false,
    append(record) {
      if (journal.broken) return Promise.reject(new PepError('PEP_JOURNAL', 'full'))
      events.push(record.kind)
      records.push(record)
      return Promise.resolve()
    },
  }
  gate = createGate({ pdp, journal, log: () => {}, now: () => 1000, deadline_ms: 1000 })
})

const operation = (more: Partial<Operation> = {}): Operation => ({
  id: 'operation-1' as OperationId,
  caller: {
    subject: {
      type: 'agent',
      id: 'a',
      properties: { issuer: 'https://i', groups: [], scopes: [], claims: {} },
    },
    session: { id: 's' },
    source: {},
  },
  connection: 'c',
  action: { name: 'http.request' },
  resource: { type: 'http.path', id: '/1', properties: { connection: 'c', kind: 'http' } },
  extract: () => ({ detectors: {}, phrases: [], paths: {}, incomplete: [] }),
  canonical: () => action,
  exchange: { body_bytes: 0 },
  keeps: {
    mask_request: true,
    mask_response: true,
    mask_columns: false,
    restore: 'nowhere',
    limits: [],
  },
  forwards: true,
  signal: new AbortController().signal,
  ...more,
})

const codeOf = async (more: Partial<Operation> = {}): Promise<string> => {
  const admitted = await gate.admit(operation(more))
  return admitted.ok ? 'admitted' : admitted.error.code
}

describe('what is allowed', () => {
  test('is on record before there is a permit', async () => {
    const admitted = await gate.admit(operation())
    expect(admitted.ok).toBe(true)
    expect(events).toEqual(['profile', 'decide', 'intent'])
  })

  test('closes once, however often its end is told', async () => {
    const admitted = await gate.admit(operation())
    if (!admitted.ok) throw new Error('refused')
    const end = {
      result: 'completed',
      bytes_in: 0,
      bytes_out: 0,
      masked: {},
      observed: {},
    } as const
    await Promise.all([
      admitted.value.close(end),
      admitted.value.close({ ...end, result: 'failed' }),
    ])
    expect(events.filter((one) => one === 'outcome')).toHaveLength(1)
  })
})

describe('nothing gets a permit', () => {
  test.each([
    ['the decision service is down', 'down', 'pdp_unavailable'],
    ['it decides nothing', 'none', 'pdp_unavailable'],
    ['its client throws', 'throws', 'internal'],
    ['it denies', { effect: 'deny' }, 'denied'],
    ['it asks for approval by nobody', { effect: 'approve' }, 'denied'],
    [
      'it asks for what nobody knows',
      { obligations: [{ kind: 'watermark' }] },
      'obligation_unsupported',
    ],
    [
      'it asks for a limit that cannot be kept',
      { obligations: [{ kind: 'limit', max_rows: 1 }] },
      'obligation_unsupported',
    ],
  ] as const)('when %s', async (_, decision, code) => {
    pdp.decisions = [decision as never]
    expect(await codeOf()).toBe(code)
    expect(events).not.toContain('intent')
  })

  test('when the journal takes no new operations: nobody is even asked', async () => {
    journal.accepting = false
    expect(await codeOf()).toBe('record_unavailable')
    expect(events).toEqual([])
  })

  test('when the intent cannot be written', async () => {
    journal.broken = true
    expect(await codeOf()).toBe('record_unavailable')
  })

  test('when describing fails', async () => {
    const extract = (): never => {
      throw new Error('a defect')
    }
    expect(await codeOf({ extract })).toBe('internal')
    expect(events).not.toContain('decide')
  })

  test('when the body cannot be made as policy wants it', async () => {
    expect(
      await codeOf({ prepare: () => err({ code: 'obligation_unsupported', message: 'no' }) }),
    ).toBe('obligation_unsupported')
    expect(events).not.toContain('intent')
  })
})

describe('a tool call', () => {
  test('is on record as a decision before it may be released, and refused when that fails', async () => {
    expect(await codeOf({ forwards: false })).toBe('admitted')
    expect(events).toEqual(['profile', 'decide', 'decision'])
    journal.broken = true
    expect(await codeOf({ forwards: false })).toBe('record_unavailable')
  })
})

describe('a refusal', () => {
  test('is on record with its code, and stays a refusal when the record fails', async () => {
    pdp.decisions = [{ effect: 'deny' }, { effect: 'deny' }]
    expect(await codeOf()).toBe('denied')
    expect(records.at(-1)).toMatchObject({ kind: 'decision', refused: 'denied' })
    journal.broken = true
    expect(await codeOf()).toBe('denied')
  })
})

describe('facts of another revision', () => {
  const stale: Partial<Decision> = {
    effect: 'deny',
    reasons: [{ rule: STALE_FACTS_RULE, message: '' }],
  }

  test('are made again, under the new profile, and asked about again', async () => {
    pdp.decisions = [stale, {}]
    expect(await codeOf()).toBe('admitted')
    expect(events).toEqual(['profile', 'decide', 'profile', 'decide', 'intent'])
  })

  test('again and again are a refusal, not a loop', async () => {
    pdp.decisions = [stale, stale, {}]
    expect(await codeOf()).toBe('denied')
    expect(events.filter((one) => one === 'decide')).toHaveLength(2)
  })
})

describe('an approval', () => {
  test('is used up before the record, and both before the permit', async () => {
    pdp.decisions = [held, released]
    pdp.states = ['pending', 'approved']
    expect(await codeOf()).toBe('admitted')
    expect(events).toEqual(['profile', 'decide', 'demand', 'await', 'decide', 'use', 'intent'])
  })

  test('that somebody else used first refuses, on record', async () => {
    pdp.decisions = [held, released]
    pdp.states = ['approved']
    pdp.usable = false
    expect(await codeOf()).toBe('approval_expired')
    expect(records.at(-1)).toMatchObject({ kind: 'decision', refused: 'approval_expired' })
  })

  test.each(['demandApproval', 'awaitApproval', 'useApproval'] as const)(
    'is no permit when %s gets no answer',
    async (method) => {
      pdp.decisions = [held, released]
      pdp.states = method === 'useApproval' ? ['approved'] : ['pending']
      pdp[method] = () => Promise.resolve(err({ code: 'PDP_UNAVAILABLE', message: 'down' }))
      expect(await codeOf()).toBe('pdp_unavailable')
      expect(events).not.toContain('intent')
      expect(records.at(-1)).toMatchObject({ kind: 'decision', refused: 'pdp_unavailable' })
    },
  )

  test('without an action that it is for is a defect, and no permit', async () => {
    pdp.decisions = [released]
    expect(await codeOf({ canonical: () => undefined })).toBe('internal')
    expect(events).toEqual(['profile', 'decide'])
  })

  test('given while policy was replaced is decided under the new one', async () => {
    pdp.decisions = [
      held,
      { effect: 'deny', reasons: [{ rule: STALE_FACTS_RULE, message: '' }] },
      { effect: 'deny' },
    ]
    pdp.states = ['approved']
    expect(await codeOf()).toBe('denied')
    expect(events).not.toContain('use')
  })

  test('is not asked about in a rush, whatever the decision service answers', async () => {
    pdp.decisions = [{ ...held, obligations: [{ ...approve, approvers: ['people'] }] }]
    expect(await codeOf({ max_wait_s: 0.25 })).toBe('approval_pending')
    expect(events.filter((one) => one === 'await').length).toBeLessThanOrEqual(3)
  })

  test('is not waited for once the client is gone', async () => {
    const gone = new AbortController()
    pdp.decisions = [held]
    pdp.awaitApproval = () => {
      gone.abort()
      return Promise.resolve(
        ok({ id: 'approval-1' as ApprovalId, state: 'approved', expires_ms: 1e15 }),
      )
    }
    expect(await codeOf({ signal: gone.signal })).toBe('client_gone')
    expect(events).not.toContain('use')
  })

  test('that policy still asks for after it was given is a refusal', async () => {
    pdp.decisions = [held, held]
    pdp.states = ['approved']
    expect(await codeOf()).toBe('denied')
    expect(events).not.toContain('use')
  })

  test.each([
    ['denied', 'approval_denied'],
    ['expired', 'approval_expired'],
    ['consumed', 'approval_expired'],
  ] as const)('%s refuses', async (state, code) => {
    pdp.decisions = [held]
    pdp.states = [state]
    expect(await codeOf()).toBe(code)
  })

  test('that takes too long leaves with its id, to be asked again', async () => {
    pdp.decisions = [held]
    const admitted = await gate.admit(operation({ max_wait_s: 0 }))
    expect(admitted).toMatchObject({
      ok: false,
      error: { code: 'approval_pending', approval_id: 'approval-1' },
    })
  })

  test('of what cannot be shown whole is never asked for', async () => {
    pdp.decisions = [held]
    expect(await codeOf({ canonical: () => undefined })).toBe('denied')
    expect(events).not.toContain('demand')
  })

  test('covers the digest that was decided on', async () => {
    let asked: unknown
    const before = pdp
    gate = createGate({
      pdp: {
        ...before,
        decide: (requests, call) => {
          asked = requests[0]?.context.action_digest
          return before.decide(requests, call)
        },
      },
      journal,
      log: () => {},
      now: () => 1000,
      deadline_ms: 1000,
    })
    await codeOf()
    expect(asked).toBe(actionDigest(action))
  })
})
