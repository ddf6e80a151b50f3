import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Findings, Masking } from '../../core/masks.ts'
import type { Refusal } from '../../core/refusal.ts'
import { isFixed, isSigned } from '../../facts/anthropic-fields.ts'
import { rewrite } from '../../facts/json-text.ts'
import { joinedTexts } from './joined-texts.ts'
import { altered, maskJson } from './reply.ts'

/** Fields of the request whose text may be altered. Everything else is forwarded as it came. */
const maskedFields: ReadonlySet<string> = new Set(['messages', 'system', 'tools'])
/** Below these nothing is altered: they must match what the API or its schemas say. */
const fixedTrees: ReadonlySet<string> = new Set(['citations', 'input_schema', 'tool_changes'])

/**
 * Masks the text of a Messages API request where it stands. Everything else keeps its bytes: order, spaces,
 * escapes, signatures, ids; a request in which nothing is found is the request that came.
 */
export function maskRequest(
  masking: Masking,
  findings: Findings,
  text: string,
  value: unknown,
): Result<string, Refusal> {
  const { mask, altering } = masking
  if (!mask.active) return ok(text)
  const whole = (
    part: string,
    key: string | number | undefined,
    parent: object | undefined,
  ): { out: string | undefined; found: boolean } => {
    const place = key === undefined || parent === undefined ? undefined : { parent, key }
    const { out, counts } = masking.whole(part, place)
    findings.add(counts, altering)
    return { out, found: altered(counts, altering) }
  }
  const joined = new Map<object, string>()
  const several = (texts: readonly string[]): readonly string[] => {
    const { outs, counts } = masking.several(texts)
    findings.add(counts, altering)
    return outs
  }
  let signed = false
  try {
    const out = rewrite(
      text,
      value,
      (node, key, parent) => {
        if (parent === value && !maskedFields.has(String(key))) return { skip: true }
        if (typeof node === 'object' && node !== null) {
          if (isFixed(key, parent, node) || fixedTrees.has(String(key))) return { skip: true }
          if (Array.isArray(node))
            for (const [block, out] of joinedTexts(node, key, several)) joined.set(block, out)
          return key === 'input'
            ? { replace: (raw) => maskJson({ ...masking, findings }, raw) }
            : {}
        }
        if (typeof node !== 'string') return {}
        if (isSigned(key, parent)) {
          // Each is looked into, for what only observes counts as well.
          const { found } = whole(node, key, parent)
          signed ||= found
          return {}
        }
        if (isFixed(key, parent, node)) return {}
        const together = key === 'text' && parent ? joined.get(parent) : undefined
        if (together !== undefined)
          return together === node ? {} : { replace: () => JSON.stringify(together) }
        const masked = whole(node, key, parent).out
        return masked === undefined ? {} : { replace: () => JSON.stringify(masked) }
      },
      undefined,
    )
    // Policy chooses by the mask: one that alters refuses here, one that observes lets it pass on record.
    if (signed) return refuse('the thinking in it holds something that must be masked')
    return ok(out)
  } catch {
    return refuse('it could not be masked') // fail closed: never forwarded unmasked
  }
}

const refuse = (message: string): Result<never, Refusal> => err({ code: 'denied', message })
