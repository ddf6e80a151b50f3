import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import type { Revision } from '../contract/brand.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { EvaluationError } from '../engine/errors.ts'
import { createPdpMetrics } from '../metrics.ts'
import { type ApprovalRow, StoreError } from '../store/store.ts'
import { administrative, deletion } from '../testing.ts'
import { DECISION_ENTRYPOINT } from './ask.ts'
import { createDecider } from './decide.ts'
import { noTaints } from './testing.ts'
import { extractionProfile } from '../contract/profile.ts'
import type { ActivePolicy } from '../policy/policy.ts'

const revision = 'a'.repeat(64) as Revision
const { request } = deletion(revision)

/** A decider whose policy answers what the test says. */
function decider(
  evaluate: (input: unknown) => Result<unknown, EvaluationError>,
  approvedFor: () => Promise<ApprovalRow | undefined> = () => Promise.resolve(undefined),
  inputs?: string[],
) {
  const policy: ActivePolicy = {
    revision,
    bundles: [],
    profile: extractionProfile.parse(nothingExtracted),
    index: { complete: true, rules: [], inputs: inputs ? { [DECISION_ENTRYPOINT]: inputs } : {} },
    modules: [],
    evaluate: (_: string, input: unknown) => evaluate(input),
    document: () => ok({ json: undefined }),
  }
  const metrics = createPdpMetrics(new Registry())
  return createDecider({
    policy: () => policy,
    approvals: { approvedFor },
    taints: noTaints,
    metrics,
    now: () => 1000,
  })
}

const nothingExtracted = {
  detectors: [],
  custom_detectors: [],
  phrases: [],
  json_paths: [],
  inspect_bodies: [],
}

const approve = {
  kind: 'approve',
  approvers: ['people'],
  count: 1,
  wait_s: 1,
  valid_s: 60,
} as const
const held = { effect: 'approve', reasons: [{ rule: 'r', message: 'm' }], obligations: [approve] }
const allowed = { effect: 'allow', reasons: [{ rule: 'r', message: 'm' }], obligations: [] }

const row = (more: Partial<ApprovalRow> = {}): ApprovalRow => ({
  id: 'approval-1',
  requester: { issuer: 'i', type: 'agent', id: 'a' },
  session_id: 's',
  connection: 'c',
  action_name: 'http.request',
  action_digest: 'd',
  approvers: ['people'],
  count: 1,
  valid_s: 60,
  operation_id: 'o',
  demand: { decision_id: 'd', revision },
  state: 'approved',
  demanded_ms: 1,
  expires_ms: 100_000,
  decided_ms: 2,
  votes: [{ approver: { issuer: 'x', type: 'user', id: 'olivia' }, approve: true, at_ms: 2 }],
  ...more,
})

describe('policy that fails is a deny that says so', () => {
  test.each([
    ['is undefined', ok(undefined), 'pdp.undefined'],
    ['throws', err({ code: 'ENGINE_ABORT', message: 'boom' } as const), 'pdp.error'],
    ['takes too many steps', err({ code: 'ENGINE_STEPS', message: 'long' } as const), 'pdp.error'],
    ['answers no object', ok(true), 'pdp.malformed'],
    ['knows another effect', ok({ ...allowed, effect: 'permit' }), 'pdp.malformed'],
    ['has no reasons', ok({ effect: 'allow', obligations: [] }), 'pdp.malformed'],
    [
      'adds an obligation nobody knows',
      ok({ ...allowed, obligations: [{ kind: 'watermark' }] }),
      'pdp.malformed',
    ],
    ['adds a key', ok({ ...allowed, really: true }), 'pdp.malformed'],
  ])('when it %s', async (_, answer, rule) => {
    const decision = await decider(() => answer).decide(request)
    expect(decision).toMatchObject({ effect: 'deny', obligations: [], revision })
    expect(decision.reasons).toEqual([{ rule, message: expect.any(String) as string }])
  })

  test('when its facts were made for another revision', async () => {
    const stale = {
      ...request,
      context: { ...request.context, facts_revision: 'b'.repeat(64) as Revision },
    }
    const decision = await decider(() => ok(allowed)).decide(stale)
    expect(decision).toMatchObject({ effect: 'deny', reasons: [{ rule: 'pdp.facts_revision' }] })
  })
})

test('an administrative action is denied before policy is asked, whoever asks in this process', async () => {
  let asked = 0
  const one = decider(() => {
    asked += 1
    return ok(allowed)
  })
  const wanted = { effect: 'deny', reasons: [{ rule: 'pdp.administration' }], obligations: [] }
  expect(await one.decide(administrative(revision))).toMatchObject(wanted)
  expect(await one.evaluate(administrative(revision))).toMatchObject(wanted)
  expect(asked).toBe(0)
})

test('a failure of ours is not remembered as what policy said', async () => {
  let failing = true
  const one = decider(
    () => (failing ? err({ code: 'ENGINE_TRAP', message: 'no memory' }) : ok(allowed)),
    undefined,
    ['subject'],
  )
  expect(await one.decide(request)).toMatchObject({ effect: 'deny' })
  failing = false
  expect(await one.decide(request)).toMatchObject({ effect: 'allow' })
})

test('what has no JSON is denied, not thrown', async () => {
  const claims = { big: 10n }
  const { properties } = request.subject
  const odd = { ...request, subject: { ...request.subject, properties: { ...properties, claims } } }
  const asked = (input: unknown): Result<unknown, EvaluationError> => {
    try {
      JSON.stringify(input)
      return ok(allowed)
    } catch {
      return err({ code: 'ENGINE_INPUT', message: 'no JSON' })
    }
  }
  expect(await decider(asked, undefined, ['subject']).decide(odd)).toMatchObject({ effect: 'deny' })
})

describe('an approval', () => {
  /** Policy that lets through what somebody approved. */
  const policy = (input: unknown): Result<unknown, EvaluationError> =>
    ok((input as { context: { approval?: unknown } }).context.approval ? allowed : held)

  test('is looked for only when policy asks for one', async () => {
    let looked = 0
    const look = (): Promise<undefined> => {
      looked += 1
      return Promise.resolve(undefined)
    }
    await decider(() => ok(allowed), look).decide(request)
    expect(looked).toBe(0)
    expect(await decider(policy, look).decide(request)).toMatchObject({ effect: 'approve' })
    expect(looked).toBe(1)
  })

  test('lets the decision through and is named in it', async () => {
    const decision = await decider(policy, () => Promise.resolve(row())).decide(request)
    expect(decision).toMatchObject({ effect: 'allow', approval: { id: 'approval-1' } })
  })

  test.each([
    ['by other groups than policy asks for now', { approvers: ['others'] }],
    ['by fewer people than policy asks for now', { count: 0 }],
  ])('%s does not count', async (_, more) => {
    const decision = await decider(policy, () => Promise.resolve(row(more))).decide(request)
    expect(decision.effect).toBe('approve')
    expect(decision.approval).toBeUndefined()
  })

  test('that cannot be looked up does not exist', async () => {
    const down = (): Promise<never> => Promise.reject(new StoreError('STORE_UNAVAILABLE', 'down'))
    const decision = await decider(policy, down).decide(request)
    expect(decision).toMatchObject({ effect: 'deny', reasons: [{ rule: 'pdp.store' }] })
  })

  test('is not looked for without an action that somebody could have seen', async () => {
    const { action_digest: _, ...context } = request.context
    const decision = await decider(policy, () => Promise.resolve(row())).decide({
      ...request,
      context,
    })
    expect(decision.effect).toBe('approve')
  })
})
