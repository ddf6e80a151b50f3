import { isDeepStrictEqual } from 'node:util'
import { type PolicyRule, rulesOf } from '../bundle/policy-index.ts'
import type { Verdict } from '../contract/decision.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import { ask, shownTo } from './ask.ts'

/** Why policy decides as it does: the rules, with where they stand, and what of the input the decision hangs on. */
export type Explanation = {
  readonly revision: string
  readonly verdict: Verdict
  readonly rules: readonly ExplainedRule[]
  readonly inputs: readonly InputThatMattered[]
  /** Not all of the input was tried: it has more values than are tried. */
  readonly incomplete: boolean
}

export type ExplainedRule = {
  readonly rule: string
  readonly message: string
  /** The entry of policy data and the Rego rule; none for a rule that the bundle's index does not know. */
  readonly sources: readonly PolicyRule[]
}

export type InputThatMattered = {
  /** `context.facts.http.method`; elements of lists as `groups[0]`. */
  readonly path: string
  readonly value: unknown
  /** The effect when this alone is another value or is not there. */
  readonly otherwise: Verdict['effect']
}

/** Most values that are changed one at a time; each costs an evaluation. */
const MOST_TRIED = 500

/**
 * Evaluates the input, and then again with each of its values changed by itself: a path mattered when the decision is
 * another one then. Exact where single values decide; a decision that two values give each by themselves hangs on neither.
 */
export function explain(policy: ActivePolicy, input: unknown): Explanation {
  const shown = shownTo(policy, input)
  const verdict = ask(policy, shown)
  const places = [...valuesOf(shown, '')]
  const inputs = places
    .slice(0, MOST_TRIED)
    .flatMap(({ path, value, put }): InputThatMattered[] => {
      for (const other of [...alternatives(value), undefined]) {
        const changed = ask(policy, put(other))
        if (!isDeepStrictEqual(changed, verdict))
          return [{ path, value, otherwise: changed.effect }]
      }
      return []
    })
  return {
    revision: policy.revision,
    verdict,
    rules: verdict.reasons.map(({ rule, message }) => ({
      rule,
      message,
      sources: rulesOf(policy.index, rule),
    })),
    inputs,
    incomplete: places.length > MOST_TRIED,
  }
}

/** Values of an input by their paths, as `InputThatMattered` names them. */
export function valuesByPath(policy: ActivePolicy, input: unknown): ReadonlyMap<string, unknown> {
  const shown = shownTo(policy, input)
  return new Map([...valuesOf(shown, '')].map(({ path, value }) => [path, value]))
}

type Place = {
  readonly path: string
  readonly value: unknown
  /** The whole input with another value here; `undefined` leaves it out. */
  readonly put: (other: unknown) => unknown
}

/** Every scalar and every list, the lists before their elements. */
function* valuesOf(value: unknown, path: string): Generator<Place> {
  if (Array.isArray(value)) {
    yield { path, value, put: (other) => other }
    for (const [at, one] of value.entries())
      for (const place of valuesOf(one, `${path}[${at}]`))
        yield { ...place, put: (other) => spliced(value, at, place.put(other)) }
  } else if (typeof value === 'object' && value !== null) {
    const object = value as Record<string, unknown>
    for (const [key, one] of Object.entries(object))
      for (const place of valuesOf(one, path === '' ? key : `${path}.${key}`))
        yield { ...place, put: (other) => replaced(object, key, place.put(other)) }
  } else yield { path, value, put: (other) => other }
}

const spliced = (list: readonly unknown[], at: number, other: unknown): unknown[] =>
  other === undefined ? list.toSpliced(at, 1) : list.with(at, other)

function replaced(object: Record<string, unknown>, key: string, other: unknown): unknown {
  const copy = { ...object }
  if (other === undefined) delete copy[key]
  else copy[key] = other
  return copy
}

/** Other values of the same type, so that a decision does not change only because a shape is wrong. */
function alternatives(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [`${value}~`, '']
  if (typeof value === 'number') return [value + 1, 0, -1]
  if (typeof value === 'boolean') return [!value]
  if (Array.isArray(value)) return value.length === 0 ? [] : [[]]
  return []
}
