import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Identity } from '../../identity/claims.ts'
import type { AdministrativeAction } from '../contract/administration.ts'
import type { Revision } from '../contract/brand.ts'
import type { Decision } from '../contract/decision.ts'
import type { AdminFacts } from '../contract/facts.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { EvaluationError } from '../engine/errors.ts'
import { loadPolicy } from '../policy/load.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import { DECISION_ENTRYPOINT } from './ask.ts'
import { type AdministerAsked, createAdminister } from './administer.ts'

const loaded = await loadPolicy('bundles/default.tar.gz')
if (!loaded.ok) throw loaded.error
const { policy } = loaded.value

const issuer = 'https://issuer.example.com'

function person(groups: readonly string[], id = 'olivia'): Identity {
  return {
    subject: {
      type: 'user',
      id,
      properties: { issuer, groups: [...groups], scopes: [], claims: {} },
    },
    token_session: 'sid:1',
    session_id: 'session-of-olivia',
    expires_ms: 2_000_000_000_000,
  }
}

const asked = (more: Partial<AdministerAsked> = {}): AdministerAsked => ({
  person: person(['security']),
  action: 'countersign.sessions.unmask',
  resource: { type: 'countersign.session', id: 'session-1' },
  admin: { reason: 'Ticket 4711.', subject: { issuer, id: 'demo-agent' }, connections: ['claude'] },
  ...more,
})
const withAdmin = (more: AdminFacts): AdministerAsked =>
  asked({ admin: { ...asked().admin, ...more } })

const administer = createAdminister({ policy: () => policy, now: () => 1_767_225_600_000 })
const said = (decision: Decision): string =>
  `${decision.effect} ${decision.reasons.map(({ rule }) => rule).join(' ')}`

describe('by the default policy', () => {
  test('security unmasks a session by a decision that can be put on record', () => {
    expect(administer(asked())).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      effect: 'allow',
      reasons: [
        {
          rule: 'administration.security_investigates',
          message: expect.any(String) as string,
        },
      ],
      obligations: [],
      revision: policy.revision,
    })
  })

  test.each<[string, AdministerAsked, string]>([
    ['nobody', asked({ person: person([]) }), 'deny policy.no_grant'],
    ['an auditor', asked({ person: person(['auditors']) }), 'deny policy.no_grant'],
    ['privacy', asked({ person: person(['privacy']) }), 'deny policy.no_grant'],
    [
      'whose session it is',
      asked({ person: person(['security'], 'demo-agent') }),
      'deny administration.own_session',
    ],
    [
      'who says why with white space',
      withAdmin({ reason: ' ' }),
      'deny administration.reason_missing',
    ],
    ['who says nothing', withAdmin({ reason: '' }), 'deny pdp.administration'],
    ['who says too much', withAdmin({ reason: 'x'.repeat(501) }), 'deny pdp.administration'],
  ])('%s does not', (_, one, wanted) => {
    expect(said(administer(one))).toBe(wanted)
  })

  const everything: [AdministrativeAction, AdministerAsked['resource'], string][] = [
    ['countersign.sessions.unmask', { type: 'countersign.session', id: 's' }, 'security'],
    ['countersign.evidence.export', { type: 'countersign.log', id: 'sealed' }, 'security'],
    ['countersign.evidence.erase', { type: 'countersign.session', id: 's' }, 'privacy'],
    ['countersign.evidence.hold', { type: 'countersign.session', id: 's' }, 'privacy'],
    ['countersign.evidence.release', { type: 'countersign.log', id: 'all' }, 'privacy'],
    ['countersign.retention.apply', { type: 'countersign.log', id: 'all' }, 'privacy'],
  ]
  test.each(everything)('%s on %j is for %s alone', (action, resource, group) => {
    const by = (groups: readonly string[]) =>
      administer(asked({ action, resource, person: person(groups) })).effect
    expect(by([group])).toBe('allow')
    expect(by(['security', 'privacy', 'auditors', 'agents'].filter((one) => one !== group))).toBe(
      'deny',
    )
  })

  test('no words of an ordinary length change who may', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(text, fc.constantFrom('security', 'auditors'), (reason, group) => {
        fc.pre(/[^\s\p{White_Space}]/u.test(reason) && reason.length <= 500)
        const { effect } = administer(
          asked({ person: person([group]), admin: { ...asked().admin, reason } }),
        )
        expect(effect).toBe(group === 'security' ? 'allow' : 'deny')
      }),
    )
  })
})

/** A policy that answers what the test says. */
function answering(
  evaluate: (input: unknown) => Result<unknown, EvaluationError>,
  inputs?: string[],
): ActivePolicy {
  const index = { ...policy.index, inputs: inputs ? { [DECISION_ENTRYPOINT]: inputs } : {} }
  return {
    ...policy,
    revision: 'a'.repeat(64) as Revision,
    index,
    evaluate: (_, input) => evaluate(input),
  }
}
const by = (answer: Result<unknown, EvaluationError>): Decision =>
  createAdminister({ policy: () => answering(() => answer), now: () => 1 })(asked())

const reasons = [{ rule: 'r', message: 'm' }]
const approve = {
  kind: 'approve',
  approvers: ['people'],
  count: 1,
  wait_s: 1,
  valid_s: 60,
}

describe('whatever is not a plain allow is a deny that says so', () => {
  test.each<[string, Result<unknown, EvaluationError>, string]>([
    [
      'an approval',
      ok({ effect: 'approve', reasons, obligations: [approve] }),
      'deny pdp.administration r',
    ],
    [
      'an approval by nobody',
      ok({ effect: 'approve', reasons, obligations: [] }),
      'deny pdp.administration r',
    ],
    [
      'a duty',
      ok({ effect: 'allow', reasons, obligations: [{ kind: 'record', body: 'full' }] }),
      'deny pdp.administration r',
    ],
    [
      'a taint',
      ok({ effect: 'allow', reasons, obligations: [], flow: { adds: ['x'] } }),
      'deny pdp.administration r',
    ],
    ['a failure', err({ code: 'ENGINE_ABORT', message: 'boom' }), 'deny pdp.error'],
    ['nothing', ok(undefined), 'deny pdp.undefined'],
    ['what is no decision', ok({ effect: 'permit' }), 'deny pdp.malformed'],
  ])('%s', (_, answer, wanted) => {
    const decision = by(answer)
    expect(said(decision)).toBe(wanted)
    expect(decision.obligations).toEqual([])
  })
})

test('an approval that policy asks for is refused in words that say that there is none', () => {
  const [reason] = by(ok({ effect: 'approve', reasons, obligations: [approve] })).reasons
  expect(reason?.message).toContain('nobody can approve this')
})

test('policy is asked on the connection of administration, with the facts of the revision that decides', () => {
  const inputs: unknown[] = []
  const one = answering((input) => {
    inputs.push(input)
    return ok({ effect: 'allow', reasons, obligations: [] })
  })
  createAdminister({ policy: () => one, now: () => 7 })(asked())
  expect(inputs).toEqual([
    {
      subject: person(['security']).subject,
      action: { name: 'countersign.sessions.unmask' },
      resource: {
        type: 'countersign.session',
        id: 'session-1',
        properties: { connection: 'countersign', kind: 'countersign' },
      },
      context: {
        time_ms: 7,
        session: { id: 'session-of-olivia' },
        source: {},
        facts: { detectors: {}, phrases: [], paths: {}, incomplete: [], admin: asked().admin },
        facts_revision: one.revision,
      },
    },
  ])
})
