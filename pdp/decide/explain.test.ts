import { noTaints } from './testing.ts'
import * as fc from 'fast-check'
import { Registry } from 'prom-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { createPdpMetrics } from '../metrics.ts'
import { loadPolicy } from '../policy/load.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import type { Difference } from '../store/store.ts'
import { deletion, httpRequest } from '../testing.ts'
import { createDecisionCache } from './cache.ts'
import { createDecider, type DecisionMade } from './decide.ts'
import { explain } from './explain.ts'
import { createProjection } from './projection.ts'
import { createShadow } from './shadow.ts'

let policy: ActivePolicy
beforeAll(async () => {
  const loaded = await loadPolicy('bundles/default.tar.gz')
  if (!loaded.ok) throw loaded.error
  ;({ policy } = loaded.value)
})

const read = () => httpRequest(policy.revision, 'GET', ['customers', '1'])
const admin = () => httpRequest(policy.revision, 'GET', ['admin', 'x'])

describe('an explanation', () => {
  test('names the entry of policy data and the rule, with file and line', () => {
    const { verdict, rules } = explain(policy, admin())
    expect(verdict.effect).toBe('deny')
    expect(rules).toMatchObject([
      {
        rule: 'deny.admin_paths',
        sources: [
          {
            id: 'deny.admin_paths',
            file: 'data/deny.yaml',
            line: 3,
            title: 'Administration paths are closed to agents.',
          },
          { id: 'deny.<id>', file: 'countersign/restrictions.rego', line: expect.any(Number) },
        ],
      },
    ])
  })

  test('names the input that the decision hangs on, and no other', () => {
    const paths = explain(policy, read()).inputs.map(({ path }) => path)
    expect(paths).toEqual(
      expect.arrayContaining([
        'context.facts.http.method',
        'subject.properties.groups',
        'resource.properties.connection',
      ]),
    )
    for (const path of ['context.time_ms', 'context.session.id', 'context.facts_revision'])
      expect(paths).not.toContain(path)
    const connection = explain(policy, read()).inputs.find(
      ({ path }) => path === 'context.facts.http.method',
    )
    expect(connection).toMatchObject({ value: 'GET', otherwise: 'deny' })
  })

  test('is there for any input', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        expect(explain(policy, input).verdict.effect).toBe('deny')
      }),
      { numRuns: 50 },
    )
  })
})

describe('what policy is shown', () => {
  test('is what it declares: what it is not shown cannot change its answer', () => {
    const projection = createProjection(['a.b', 'c'])
    expect(projection.show({ a: { b: 1, x: 2 }, c: { d: 1 }, z: 3 })).toEqual({
      a: { b: 1 },
      c: { d: 1 },
    })
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        const shown = (beside: unknown) =>
          JSON.stringify(projection.show({ a: { b: 1, x: beside }, z: beside }))
        expect(shown(one)).toBe(shown(other))
      }),
    )
  })

  test('is everything when it declares nothing', () => {
    const input = { a: 1 }
    expect(createProjection(undefined)).toMatchObject({ partial: false })
    expect(createProjection(undefined).show(input)).toBe(input)
  })
})

describe('the cache', () => {
  const verdict = (effect: 'allow' | 'deny' | 'approve') => ({
    effect,
    reasons: [],
    obligations: [],
  })

  test('never keeps what asks for approval', () => {
    const cache = createDecisionCache(1024 * 1024)
    cache.set('a', verdict('approve'))
    expect(cache.get('a')).toBeUndefined()
  })

  test('is bounded, and keeps what is used', () => {
    const cache = createDecisionCache(100_000)
    cache.set('kept', verdict('allow'))
    for (let n = 0; n < 1000; n += 1) {
      cache.set(`key-${n}`, verdict('deny'))
      expect(cache.get('kept')?.effect).toBe('allow')
    }
    expect(cache.get('key-0')).toBeUndefined()
    expect(cache.get('key-999')?.effect).toBe('deny')
  })

  test('gives what nobody can change', () => {
    const cache = createDecisionCache(1000)
    cache.set('a', { effect: 'allow', reasons: [{ rule: 'r', message: 'm' }], obligations: [] })
    const found = cache.get('a')
    expect(() => found?.reasons.push({ rule: 'x', message: 'x' })).toThrow()
    expect(() => Object.assign(found?.reasons[0] ?? {}, { rule: 'x' })).toThrow()
  })

  test('decides as policy does without it, and never an approval', async () => {
    let evaluations = 0
    const counting: ActivePolicy = {
      ...policy,
      evaluate: (...args) => {
        evaluations += 1
        return policy.evaluate(...args)
      },
    }
    const { decide } = createDecider({
      policy: () => counting,
      approvals: { approvedFor: () => Promise.resolve(undefined) },
      taints: noTaints,
      metrics: createPdpMetrics(new Registry()),
      now: () => 0,
    })
    const later = {
      ...read(),
      context: { ...read().context, time_ms: 99, session: { id: 'other' } },
    }
    const first = await decide(read())
    const second = await decide(later)
    expect(evaluations).toBe(1)
    expect(second).toMatchObject({ effect: 'allow', revision: policy.revision })
    expect(first.id).not.toBe(second.id)
    await decide(admin())
    expect(evaluations).toBe(2)
    const { request } = deletion(policy.revision)
    await decide(request)
    await decide(request)
    expect(evaluations).toBe(4)
  })
})

describe('a shadow', () => {
  const strict = (): ActivePolicy => ({
    ...policy,
    revision: 'c'.repeat(64) as ActivePolicy['revision'],
    evaluate: () => ({
      ok: true,
      value: {
        effect: 'deny',
        reasons: [{ rule: 'candidate.all', message: 'No.' }],
        obligations: [],
      },
    }),
  })

  function shadowing(candidate: () => ActivePolicy | undefined, sample = 1) {
    const differences: Difference[] = []
    const registry = new Registry()
    const metrics = createPdpMetrics(registry)
    const shadow = createShadow({
      candidate,
      sample,
      metrics,
      record: (one) => differences.push(one),
      now: () => 5,
    })
    const { decide } = createDecider({
      policy: () => policy,
      approvals: { approvedFor: () => Promise.resolve(undefined) },
      taints: noTaints,
      metrics,
      now: () => 0,
      onDecision: shadow.observe,
    })
    return { shadow, decide, differences, registry }
  }

  test('records what the candidate would have decided, and the decision stays what it was', async () => {
    const { shadow, decide, differences, registry } = shadowing(strict)
    expect(await decide(read())).toMatchObject({ effect: 'allow' })
    expect(differences).toEqual([])
    await shadow.drained()
    expect(differences).toMatchObject([
      {
        live_revision: policy.revision,
        candidate_revision: 'c'.repeat(64),
        resource: '/customers/1',
        from: { effect: 'allow' },
        to: { effect: 'deny', reasons: [{ rule: 'candidate.all' }] },
      },
    ])
    expect(await registry.metrics()).toContain('shadow_total{result="allow to deny"} 1')
  })

  test('counts what is the same, and samples', async () => {
    const same = shadowing(() => policy)
    await same.decide(read())
    await same.shadow.drained()
    expect(same.differences).toEqual([])
    expect(await same.registry.metrics()).toContain('shadow_total{result="same"} 1')
    const none = shadowing(strict, 0)
    await none.decide(read())
    await none.shadow.drained()
    expect(none.differences).toEqual([])
  })

  test('that cannot keep up drops and counts, and never throws', async () => {
    const { shadow, registry, differences } = shadowing(strict)
    const made: DecisionMade = {
      request: read(),
      input: read(),
      decision: {
        id: 'd' as never,
        effect: 'allow',
        reasons: [],
        obligations: [],
        revision: policy.revision,
      },
      policy,
      took_ms: 1,
    }
    for (let n = 0; n < 3000; n += 1) shadow.observe(made)
    await shadow.drained()
    expect(differences).toHaveLength(2000)
    expect(await registry.metrics()).toContain('shadow_total{result="dropped"} 1000')
  })
})
