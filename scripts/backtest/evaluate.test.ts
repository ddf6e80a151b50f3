import * as fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { ok } from '../../pdp/contract/result.ts'
import { approveObligation } from '../../pdp/decide/decide.ts'
import type { ActivePolicy } from '../../pdp/policy/policy.ts'
import { isAdministrative } from '../../pdp/contract/administration.ts'
import { loadCases } from '../policy-data/cases.ts'
import { policyInput } from '../schemas.ts'
import { createEvaluator, decideAgain } from './evaluate.ts'
import type { RecordedInput } from './format.ts'
import { createGenerator, type Generator } from './testing.ts'

let generator: Generator
let inputs: readonly RecordedInput[]
beforeAll(async () => {
  generator = await createGenerator()
  inputs = (await loadCases('test/decisions')).flatMap(({ input }) => {
    const parsed = policyInput.safeParse(input)
    if (!parsed.success || isAdministrative(parsed.data)) return []
    return [parsed.data as RecordedInput]
  })
})

const approvals = fc.option(
  fc.record({
    id: fc.constant('approval-1'),
    approvers: fc.uniqueArray(fc.constantFrom('olivia', 'omar', 'ada'), { minLength: 1 }),
    approved_ms: fc.nat(),
  }),
  { nil: undefined },
)
const taints = fc.array(fc.constantFrom('customer_data', 'other'))

test('what is decided again is what the decision service would decide with the same in its store', async () => {
  const evaluator = createEvaluator()
  await fc.assert(
    fc.asyncProperty(fc.nat(), approvals, taints, async (at, approval, seen) => {
      const base = inputs[at % inputs.length]
      if (!base) return
      const context = {
        ...base.context,
        facts_revision: generator.policy.revision,
        session: { ...base.context.session, taints: seen },
      }
      const { approval: _, ...without } = context
      const input = { ...base, context: approval ? { ...without, approval } : without }
      const live = await generator.decide(input)
      const again = decideAgain(evaluator, generator.policy, input, {
        // The store's terms are those that policy wants: an approval is as good as what it was asked for.
        terms: () => {
          const { effect, obligations } = evaluator.ask(generator.policy, {
            ...input,
            context: without,
          })
          return effect === 'approve' ? approveObligation({ obligations }) : undefined
        },
        diverged: () => false,
      })
      if (!again.ok) throw new Error(again.error)
      const { effect, reasons, obligations } = again.value
      expect({ effect, reasons, obligations }).toEqual(live.verdict)
    }),
    { numRuns: 400 },
  )
})

test('the same is asked once of each policy, and approvals as well', () => {
  const evaluator = createEvaluator()
  const held = inputs.find((input) => evaluator.ask(generator.policy, input).effect === 'approve')
  if (!held) throw new Error('no case is held')
  const before = evaluator.counts()
  const later = { ...held, context: { ...held.context, time_ms: 5 } }
  expect(evaluator.ask(generator.policy, later)).toBe(evaluator.ask(generator.policy, held))
  expect(evaluator.counts()).toEqual({ evaluated: before.evaluated, known: before.known + 2 })
})

test('a policy that does not ask is not told what a session had seen, nor of an approval that it does not want', () => {
  const [input] = inputs
  if (!input) throw new Error('there are no cases')
  const told: unknown[] = []
  const policy: ActivePolicy = {
    ...generator.policy,
    index: { complete: true, rules: [], inputs: {} },
    evaluate: (_, shown) => {
      told.push(shown)
      return ok({ effect: 'allow', reasons: [], obligations: [] })
    },
  }
  const { session } = input.context
  const recorded = {
    ...input,
    context: {
      ...input.context,
      session: { ...session, taints: ['customer_data'] },
      approval: { id: 'a', approvers: ['olivia'], approved_ms: 1 },
    },
  }
  const known = { terms: () => undefined, diverged: () => false }
  expect(decideAgain(createEvaluator(), policy, recorded, known).ok).toBe(true)
  expect(told).toHaveLength(1)
  expect(told[0]).not.toHaveProperty('context.approval')
  expect(told[0]).not.toHaveProperty('context.session.taints')
})
