import { isDeepStrictEqual } from 'node:util'
import type { Facts } from '../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../pdp/contract/profile.ts'
import { ok, type Result } from '../../pdp/contract/result.ts'
import type { Recorded } from './format.ts'
import { createRemake, type Remake, type RemakeProblem } from './remake.ts'

/**
 * Facts that a recorded request has under another extraction profile: the recorded ones where they tell it, else made
 * again from the body.
 */
export type FactsUnder = (
  recorded: Recorded,
  from: ExtractionProfile,
  to: ExtractionProfile,
) => Result<Facts, RemakeProblem>

export function createFactsUnder(): FactsUnder {
  const relations = new WeakMap<ExtractionProfile, WeakMap<ExtractionProfile, Relation>>()
  const remake: Remake = createRemake()

  function relationOf(from: ExtractionProfile, to: ExtractionProfile): Relation {
    let known = relations.get(from)
    if (!known) relations.set(from, (known = new WeakMap()))
    let relation = known.get(to)
    if (!relation) known.set(to, (relation = compare(from, to)))
    return relation
  }

  return (recorded, from, to) => {
    const relation = relationOf(from, to)
    const { facts } = recorded.input.context
    if (relation.same) return ok(facts)
    const derived = derive(recorded, relation)
    if (derived) return ok(derived)
    return remake(recorded, from, to)
  }
}

/** What one profile asks for, beside what another asked for. */
type Relation = {
  readonly same: boolean
  readonly from: ExtractionProfile
  readonly to: ExtractionProfile
  /** Detectors that are not looked for any more; `undefined`: some are that were not before. */
  readonly without: readonly string[] | undefined
  readonly knowsPhrases: boolean
  /** Whether lists that both have come in the same order; names are told in it. */
  readonly samePhraseOrder: boolean
  readonly knowsPaths: boolean
  readonly samePaths: boolean
}

/** @returns what of facts under `from` tells those under `to`. */
function compare(from: ExtractionProfile, to: ExtractionProfile): Relation {
  const names = new Set(to.detectors)
  // A custom detector's pattern is its meaning.
  const meaning = (profile: ExtractionProfile, name: string): unknown =>
    profile.custom_detectors.find((custom) => `custom:${custom.name}` === name)
  const knowsDetectors = to.detectors.every(
    (name) =>
      from.detectors.includes(name) && isDeepStrictEqual(meaning(from, name), meaning(to, name)),
  )
  const lists = new Map(from.phrases.map(({ name, phrases }) => [name, new Set(phrases)]))
  const common = (one: ExtractionProfile, other: ExtractionProfile): string[] =>
    one.phrases
      .map(({ name }) => name)
      .filter((name) => other.phrases.some((list) => list.name === name))
  const samePaths = isDeepStrictEqual(new Set(from.json_paths), new Set(to.json_paths))
  return {
    from,
    to,
    same: isDeepStrictEqual(from, to),
    without: knowsDetectors ? from.detectors.filter((name) => !names.has(name)) : undefined,
    knowsPhrases: to.phrases.every(({ name, phrases }) =>
      isDeepStrictEqual(lists.get(name), new Set(phrases)),
    ),
    samePhraseOrder: isDeepStrictEqual(common(from, to), common(to, from)),
    knowsPaths: to.json_paths.every((path) => from.json_paths.includes(path)),
    samePaths,
  }
}

/** @returns facts under the other profile; `undefined` where the recorded ones do not tell them. */
function derive({ input }: Recorded, relation: Relation): Facts | undefined {
  const { facts } = input.context
  const action = input.action.name
  // Made of the path alone.
  if (action.startsWith('anthropic.models.')) return facts
  // A part of the profile of then could not be compiled, so that what was not found says nothing.
  if (facts.incomplete.some((why) => why.startsWith('profile: '))) return undefined
  const isHttp = action === 'http.request'
  if (!isHttp && !action.startsWith('anthropic.')) return undefined
  const read = isHttp ? httpRead(facts, input.resource.properties.connection, relation) : 'both'
  if (read === 'differs') return undefined

  const { without, knowsPhrases, knowsPaths, samePaths, to } = relation
  // Of overlapping findings one is told: what a detector found may have hidden what another one would have.
  if (!without || without.some((name) => (facts.detectors[name] ?? 0) > 0)) return undefined
  if (!knowsPhrases) return undefined
  const lists = new Set(to.phrases.map(({ name }) => name))
  const phrases = facts.phrases.filter((name) => lists.has(name))
  if (phrases.length > 1 && !relation.samePhraseOrder) return undefined
  if (read === 'both' && !samePaths) {
    if (!knowsPaths) return undefined
    // Of which path something was left out is not said.
    if (facts.incomplete.includes('paths.truncated')) return undefined
    // A body that is no JSON counts as inspected as long as no path is asked for.
    if (isHttp && facts.http?.inspected === false) return undefined
  }
  const wanted = new Set(to.json_paths)
  const paths = Object.entries(facts.paths).filter(([path]) => wanted.has(path))
  if (phrases.length === facts.phrases.length && paths.length === Object.keys(facts.paths).length)
    return facts
  return { ...facts, phrases, paths: Object.fromEntries(paths) }
}

/** Whether the body was, and would be, read: the same for all but requests on a connection that is inspected under one alone. */
function httpRead(
  facts: Facts,
  connection: string,
  { from, to }: Relation,
): 'both' | 'neither' | 'differs' {
  if (facts.http?.body_bytes === 0) return 'neither'
  const [was, is] = [from, to].map((profile) => profile.inspect_bodies.includes(connection))
  if (was !== is) return 'differs'
  return was ? 'both' : 'neither'
}
