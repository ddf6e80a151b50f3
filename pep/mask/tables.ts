import { detectors } from './detectors/catalogue.ts'
import type { Matcher, Trigger } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'

/** What a scanner looks up by code unit; made once for a set of detectors, shared by all streams. */
export type Tables = {
  readonly matchers: readonly Matcher[]
  /**
   * 0: no trigger at a unit that is followed by another; 1: ask `triggers`. Indexed by the low seven bits of both, so
   * that the loop over clean text is one look-up; what lies above ASCII is asked without need at worst.
   */
  readonly pairs: Uint8Array
  /** Triggers by unit below 128; those above share `wideTriggers`. */
  readonly triggers: readonly (readonly CompiledTrigger[])[]
  readonly wideTriggers: readonly CompiledTrigger[]
  /** Matchers that a match may begin with, by unit below 128, and for all above; `hot` ones added in the second pair. */
  readonly starts: readonly (readonly Matcher[])[]
  readonly wideStarts: readonly Matcher[]
  readonly hotStarts: readonly (readonly Matcher[])[]
  readonly wideHotStarts: readonly Matcher[]
  readonly onlyHotStarts: readonly (readonly Matcher[])[]
  readonly wideOnlyHotStarts: readonly Matcher[]
  /** Most units after a trigger that `hot` matchers reach. */
  readonly reach: number
}

/** `after` by unit; `undefined`: any. */
export type CompiledTrigger = {
  readonly after: Uint8Array | undefined
  readonly fires: Trigger['fires']
  readonly back: number
  readonly hot: number | undefined
  /** Those that wait for it. */
  readonly matchers: readonly Matcher[]
}

export function createTables(matchers: readonly Matcher[]): Tables {
  const pairs = new Uint8Array(128 * 128)
  // Several detectors share a trigger: it is asked once.
  const triggers = [...new Set(matchers.flatMap((matcher) => matcher.triggers))]
  const units = Array.from({ length: 128 }, (_, unit) => unit)
  const compiled = new Map(
    triggers.map((trigger) => [
      trigger,
      compileTrigger(
        trigger,
        matchers.filter((matcher) => matcher.triggers.includes(trigger)),
      ),
    ]),
  )
  const compiledFor = (has: (trigger: Trigger) => boolean): CompiledTrigger[] =>
    triggers.filter(has).flatMap((trigger) => compiled.get(trigger) ?? [])
  const byUnit = units.map((unit) =>
    compiledFor((trigger) => trigger.chars.includes(String.fromCharCode(unit))),
  )
  for (const unit of units) {
    for (const next of units) {
      if (byUnit[unit]?.some(({ after }) => after === undefined || after[next] === 1))
        pairs[unit * 128 + next] = 1
    }
  }
  // Seven bits cannot tell them from ASCII: then every unit is looked at.
  if (triggers.some((trigger) => trigger.wide)) pairs.fill(1)
  const startsWith = (unit: number): Matcher[] => matchers.filter((matcher) => matcher.starts(unit))
  const cold = (list: Matcher[]): Matcher[] => list.filter((matcher) => !matcher.hot)
  const wide = matchers.filter((matcher) => matcher.startsWide)
  return {
    matchers,
    pairs,
    triggers: byUnit,
    wideTriggers: compiledFor((trigger) => trigger.wide === true),
    starts: units.map((unit) => cold(startsWith(unit))),
    wideStarts: cold(wide),
    hotStarts: units.map(startsWith),
    wideHotStarts: wide,
    onlyHotStarts: units.map((unit) => startsWith(unit).filter((matcher) => matcher.hot)),
    wideOnlyHotStarts: wide.filter((matcher) => matcher.hot),
    reach: Math.max(0, ...triggers.map((trigger) => trigger.hot ?? 0)),
  }
}

function compileTrigger(trigger: Trigger, matchers: readonly Matcher[]): CompiledTrigger {
  let after: Uint8Array | undefined
  if (trigger.after !== undefined) {
    after = new Uint8Array(128)
    for (const c of trigger.after) after[c.charCodeAt(0)] = 1
  }
  return { after, fires: trigger.fires, back: trigger.back ?? 0, hot: trigger.hot, matchers }
}

/**
 * The automata of the named detectors, in the catalogue's order, then custom ones.
 * @throws {PepMaskError} PEP_MASK_CONFIG for a name that is not known: a rule that cannot be kept must not be dropped.
 */
export function matchersFor(
  names: Iterable<string>,
  customs: ReadonlyMap<string, Matcher>,
): Matcher[] {
  const wanted = new Set<string>(names)
  const known = Object.values(detectors).filter((detector) => wanted.delete(detector.name))
  const custom = [...customs].filter(([name]) => wanted.delete(name)).map(([, matcher]) => matcher)
  if (wanted.size > 0) {
    throw new PepMaskError('PEP_MASK_CONFIG', `no such detector: ${[...wanted].join(', ')}`)
  }
  return [...known.flatMap((detector) => detector.matchers), ...custom]
}
