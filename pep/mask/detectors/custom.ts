import { RE2JS } from 're2js'
import { PepMaskError } from '../errors.ts'
import type { CustomDetector } from '../types.ts'
import { Automaton } from './automaton.ts'
import { NO, type Matcher } from './matcher.ts'
import { isStreamable, matchLengths, type Program } from './program.ts'

/** What is longer would be held back longer than a reader should wait. */
const MAX_LENGTH = 1024
const MAX_INSTRUCTIONS = 20_000

/**
 * Compiles a pattern of policy to a lazily built deterministic automaton: time is linear in the text, and whether a
 * match is still possible is known after every character. Matches are leftmost-longest.
 *
 * @throws {PepMaskError} PEP_MASK_CONFIG when the pattern is not RE2 syntax, can match nothing, has no longest match
 * or one above `max_length`, too many states to take time in proportion to the text, or uses what has no meaning in a stream (`^` and `$` outside `(?m)`, look-behind).
 */
export function compileCustom(custom: CustomDetector): Matcher {
  const refuse = (why: string, cause?: unknown): PepMaskError =>
    new PepMaskError('PEP_MASK_CONFIG', `custom detector ${custom.name}: ${why}`, { cause })
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(custom.name)) throw refuse('its name is not [a-z][a-z0-9_]*')
  if (!(custom.max_length >= 1 && custom.max_length <= MAX_LENGTH)) {
    throw refuse(`max_length is not between 1 and ${MAX_LENGTH}`)
  }
  let program: Program
  try {
    program = RE2JS.compile(custom.pattern).re2().prog
  } catch (error) {
    throw refuse('the pattern is not valid RE2 syntax', error)
  }
  if (program.inst.length > MAX_INSTRUCTIONS) throw refuse('the pattern is too large')
  if (!program.inst.every(isStreamable)) {
    throw refuse(
      'anchors to begin or end of the text (use (?m)) and look-behind cannot be kept in a stream',
    )
  }
  const { shortest, longest } = matchLengths(program)
  if (shortest === 0) throw refuse('the pattern matches the empty string')
  if (longest === Infinity) throw refuse('the pattern has an unbounded repetition')
  if (longest > custom.max_length) {
    throw refuse(`a match may be ${longest} code units long, above max_length ${custom.max_length}`)
  }
  const automaton = new Automaton(program)
  if (!automaton.isBounded())
    throw refuse('it has too many states: its repetitions overlap; make what they repeat differ')
  return matcherOf(custom, automaton)
}

function matcherOf(custom: CustomDetector, automaton: Automaton): Matcher {
  const starts = Array.from({ length: 128 }, (_, unit) => automaton.mayStart(unit))
  const wide = automaton.mayStartWide()
  return {
    name: `custom:${custom.name}`,
    starts: (unit) => starts[unit] ?? false,
    startsWide: wide,
    triggers: [
      { chars: String.fromCharCode(...starts.flatMap((may, unit) => (may ? [unit] : []))), wide },
    ],
    maxLength: custom.max_length + 2,
    match(s, i, final) {
      // Not between the halves of a surrogate pair.
      const low = (s.charCodeAt(i) & 0xfc00) === 0xdc00
      if (low && (s.charCodeAt(i - 1) & 0xfc00) === 0xd800) return NO
      return automaton.longestAt(s, i, final)
    },
  }
}
