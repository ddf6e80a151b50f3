import { describe, expect, test } from 'vitest'
import type { Identity } from '../../identity/claims.ts'
import type { DecisionId, Revision } from '../contract/brand.ts'
import type { Decision } from '../contract/decision.ts'
import { type Act, createAdministration, UNMASK_MS, unmasks } from './administration.ts'
import { createMemoryStore } from './testing.ts'

const NOW = 1_800_000_000_000

const person = (id: string, issuer = 'https://issuer', type = 'user'): Identity => ({
  subject: { type, id, properties: { issuer, groups: ['security'], scopes: [], claims: {} } },
  session_id: 'their-own',
  token_session: 'token',
  expires_ms: NOW + 60_000,
})
const olivia = person('olivia')

const act: Act = {
  name: 'unmask',
  action: 'countersign.sessions.unmask',
  resource: { type: 'countersign.session', id: 's-1' },
  admin: { reason: 'Ticket 4711.', subject: { issuer: 'i', id: 'a' }, connections: ['claude'] },
  detail: { connections: ['claude'] },
}

const decided = (effect: Decision['effect']): Decision => ({
  id: 'decision-1' as DecisionId,
  effect,
  reasons: [{ rule: 'a_rule', message: 'because' }],
  obligations: [],
  revision: 'r' as Revision,
})

function administration(effect: Decision['effect']) {
  const log = createMemoryStore(() => NOW)
  const parts = { administer: () => decided(effect), log, source: 'pdp-1', now: () => NOW }
  const leaves = () =>
    log.rows.leaves.map(({ leaf }) => JSON.parse(leaf) as Readonly<Record<string, unknown>>)
  return { ...createAdministration(parts), leaves }
}

const LEAF = {
  v: 1,
  kind: 'admin',
  time_ms: NOW,
  source: { pdp: 'pdp-1' },
  name: 'unmask',
  by: { issuer: 'https://issuer', type: 'user', id: 'olivia' },
  reason: 'Ticket 4711.',
  session_id: 's-1',
  detail: { connections: ['claude'] },
}

describe('an act on the evidence', () => {
  test('that policy allows is a leaf that whoever acts puts on record', async () => {
    const { authorize, record, leaves } = administration('allow')
    const leaf = await authorize(olivia, act)
    expect(leaves()).toEqual([])
    if (!leaf.ok) throw new Error(leaf.error)
    const decision = { id: 'decision-1', effect: 'allow', rules: ['a_rule'], revision: 'r' }
    const wanted = { ...LEAF, decision }
    expect(leaf.value()).toEqual(wanted)
    expect(leaf.value({ keys: 2 })).toEqual({
      ...wanted,
      detail: { connections: ['claude'], keys: 2 },
    })
    expect(await record(leaf.value())).toBe(0)
    expect(await record(leaf.value())).toBe(1)
    expect(leaves()[0]).toEqual({ ...wanted, logged_ms: NOW })
  })

  test.each(['deny', 'approve'] as const)(
    'that policy answers with %s is refused, and that is on record before the answer',
    async (effect) => {
      const { authorize, leaves } = administration(effect)
      const leaf = await authorize(olivia, act)
      expect(leaf).toEqual({ ok: false, error: 'policy refuses: because (a_rule)' })
      expect(leaves()).toMatchObject([{ ...LEAF, decision: { effect } }])
    },
  )

  test('that cannot be put on record is not answered', async () => {
    const log = { append: () => Promise.reject(new Error('down')) }
    const parts = { administer: () => decided('deny'), log, source: 'pdp-1', now: () => NOW }
    await expect(createAdministration(parts).authorize(olivia, act)).rejects.toThrow('down')
  })
})

describe('a leaf lets a person see a session unmasked', () => {
  const granted = {
    ...LEAF,
    decision: { id: 'd', effect: 'allow', rules: [], revision: 'r' },
    logged_ms: NOW,
  }
  const sees = (
    leaf: object,
    who = olivia,
    session = 's-1',
    now_ms = NOW + 1,
    connections = ['claude'],
  ) => unmasks(JSON.stringify(leaf), who, { id: session, connections }, now_ms)

  test('when it is of their own unmasking of this session, for 15 minutes', () => {
    expect(UNMASK_MS).toBe(15 * 60_000)
    expect(sees(granted)).toBe(true)
    expect(sees(granted, olivia, 's-1', NOW + UNMASK_MS - 1)).toBe(true)
    expect(sees(granted, olivia, 's-1', NOW + UNMASK_MS)).toBe(false)
  })

  test('counted from when it was granted, also where the log’s clock is ahead or a clock was set back', () => {
    expect(sees({ ...granted, logged_ms: NOW + 1e9 }, olivia, 's-1', NOW + UNMASK_MS)).toBe(false)
    expect(sees(granted, olivia, 's-1', NOW - 59_000)).toBe(true)
    expect(sees(granted, olivia, 's-1', NOW - 60_000)).toBe(false)
  })

  test('and not what the session reached since then', () => {
    expect(sees(granted, olivia, 's-1', NOW, [])).toBe(true)
    expect(sees(granted, olivia, 's-1', NOW, ['claude', 'customers'])).toBe(false)
  })

  test.each<[string, object, Identity?, string?]>([
    ['somebody else asks', granted, person('mallory')],
    ['somebody of the same name at another issuer asks', granted, person('olivia', 'https://o')],
    ['a service of the same name asks', granted, person('olivia', 'https://issuer', 'service')],
    ['it is of another session', granted, olivia, 's-2'],
    ['it was refused', { ...granted, decision: { ...granted.decision, effect: 'deny' } }],
    ['it says nothing of a decision', { ...granted, decision: undefined }],
    ['it is of another act', { ...granted, name: 'export' }],
    ['it is of another kind', { ...granted, kind: 'event' }],
    ['it does not say when', { ...granted, time_ms: undefined }],
    ['it does not say what it reaches', { ...granted, detail: {} }],
    ['its own clock was ahead', { ...granted, time_ms: NOW + 1e10, logged_ms: NOW + 1e10 }],
    ['it does not say who', { ...granted, by: undefined }],
    ['it is of the log', { ...granted, session_id: undefined }],
  ])('but not when %s', (_, leaf, who = olivia, session = 's-1') => {
    expect(sees(leaf, who, session)).toBe(false)
  })
})
