import { frozen } from '../contract/frozen.ts'
import { parseValue, toJson } from './value.ts'

const MOST_ANSWERS = 256
/** Longer ones seldom come twice. */
const MOST_LENGTH = 2048

/**
 * Reads documents as the module writes them. A policy has few answers, so those that came lately are found by their
 * text: the same text is the same frozen object.
 */
export function createAnswerReader(): (written: string) => unknown {
  // Two generations, as in the decision cache.
  let young = new Map<string, unknown>()
  let old = new Map<string, unknown>()
  return (written) => {
    const known = young.get(written)
    if (known !== undefined) return known
    const value = old.get(written) ?? jsonValue(written)
    if (written.length > MOST_LENGTH) return value
    if (young.size >= MOST_ANSWERS) {
      old = young
      young = new Map()
    }
    young.set(written, frozen(value))
    return value
  }
}

/** Most documents are JSON as the module writes them; sets and keys that are no text are not. */
function jsonValue(written: string): unknown {
  try {
    return JSON.parse(written)
  } catch {
    return JSON.parse(toJson(parseValue(written)))
  }
}
