import type { Result } from '../../../pdp/contract/result.ts'
import type { Findings, Masking } from '../../core/masks.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Restorer } from '../../mask/restore.ts'
import type { Counts } from '../../mask/types.ts'
import { rewrite } from '../../facts/json-text.ts'
import { maskSeveral } from '../../mask/mask.ts'
import type { JsonObject } from './events.ts'
import { joinedTexts } from './joined-texts.ts'
import { isFixed, isSigned, typeOf } from '../../facts/anthropic-fields.ts'

/** A tool call of a reply, whole. */
export type ToolCall = {
  readonly name: string
  /** Its id in the reply. */
  readonly id?: string
  /** The input as the model wrote it, JSON. */
  readonly input: string
}

/** What text is masked with, and where findings are counted. */
export type MaskingParts = Pick<Masking, 'mask' | 'altering'> & {
  readonly findings: Findings
  /** Makes what puts values in place of their tokens in a text of the reply, before it is masked. */
  readonly restorer?: (() => Restorer) | undefined
}

/** What a reply needs to be inspected; the same for JSON and for a stream. */
export type ReplyParts = MaskingParts & {
  /** Whether policy masks anything; if not, only the injected credential is looked for. */
  readonly ruled: boolean
  /** Is shown each event that says something of the reply itself, or the message, as it came. */
  readonly observe?: (event: JsonObject) => void
  /** Decides a tool call and puts the decision on record. @returns the input to release, masked. */
  readonly admit: (call: ToolCall, heartbeat?: () => void) => Promise<Result<string, Refusal>>
}

/** Policy chooses by the mask: one that alters cuts, one that observes lets it pass on record. */
export const SIGNED_FINDING = 'the thinking holds something that must be masked'

/** Of nine digits: shorter ones are no value by themselves. */
const LONG_NUMBER = 1e8

/** Why a reply cannot go on; what was already sent is safe. */
export class ReplyCut extends Error {}

/** Whether a masker found something that it altered. */
export function altered(counts: Counts, altering: ReadonlySet<string>): boolean {
  return Object.entries(counts).some(([name, count = 0]) => count > 0 && altering.has(name))
}

/**
 * Masks every string of a JSON text that may be altered. Where nothing is found the text comes back as it was.
 * @param from the document, or a part of it, that `value` was parsed from.
 * @throws {ReplyCut} when something was found in thinking, which must not be altered.
 */
export function maskStrings(parts: MaskingParts, from: string, value: unknown): string {
  if (!parts.mask.active && !parts.restorer) return from
  const whole = (text: string): { out: string; found: boolean } => {
    const masker = parts.mask.text()
    const out = masker.push(text) + masker.end()
    const found = altered(masker.counts, parts.altering)
    parts.findings.add(masker.counts, parts.altering)
    return { out, found }
  }
  const joined = new Map<object, string>()
  const several = (texts: readonly string[]): readonly string[] => {
    const { outs, counts } = maskSeveral(
      parts.mask,
      texts.map((text) => restore(parts, text)),
    )
    parts.findings.add(counts, parts.altering)
    return outs
  }
  return rewrite(
    from,
    value,
    (node, key, parent) => {
      if (typeof node === 'object' && node !== null) {
        if (isFixed(key, parent, node)) return { skip: true }
        if (Array.isArray(node))
          for (const [block, out] of joinedTexts(node, key, several)) joined.set(block, out)
        if (key === 'input') return { replace: (text) => maskJson(parts, text) }
        return {}
      }
      if (typeof node === 'number' && Math.abs(node) >= LONG_NUMBER && !isFixed(key, parent, node))
        return {
          replace: (raw) => {
            const { out } = whole(raw)
            return out === raw ? raw : JSON.stringify(out)
          },
        }
      if (typeof node !== 'string') return {}
      if (isSigned(key, parent)) {
        if (whole(node).found) throw new ReplyCut(SIGNED_FINDING)
        return {}
      }
      if (isFixed(key, parent, node)) return {}
      const together = key === 'text' && parent ? joined.get(parent) : undefined
      if (together !== undefined)
        return together === node ? {} : { replace: () => JSON.stringify(together) }
      const { out } = whole(isTold(key, parent) ? restore(parts, node) : node)
      return out === node ? {} : { replace: () => JSON.stringify(out) }
    },
    undefined,
  )
}

/** Text that the model says to its reader: there values stand in place of their tokens again. */
const isTold = (key: string | number | undefined, parent: unknown): boolean =>
  key === 'cited_text' || (key === 'text' && typeOf(parent) === 'text')

/** Puts values in place of tokens in a whole text. */
export function restore({ restorer }: Pick<MaskingParts, 'restorer'>, text: string): string {
  const one = restorer?.()
  return one === undefined ? text : one.push(text) + one.end()
}

/** Masks a text of our own that quotes the reply. */
export function maskText(parts: MaskingParts, text: string): string {
  const masker = parts.mask.text()
  const out = masker.push(text) + masker.end()
  parts.findings.add(masker.counts, parts.altering)
  return out
}

/** Masks a whole JSON text: strings, keys and numbers. */
export function maskJson(parts: MaskingParts, text: string): string {
  const masker = parts.mask.json()
  const out = Buffer.concat([masker.push(Buffer.from(text)), masker.end()])
  parts.findings.add(masker.counts, parts.altering)
  return out.toString('utf8')
}

/** Redacts exact secrets wherever they stand: the last look at bytes that are not text. */
export function redactLiterals(parts: MaskingParts, bytes: Buffer): Buffer {
  const masker = parts.mask.literalBytes()
  const out = Buffer.concat([masker.push(bytes), masker.end()])
  parts.findings.add(masker.counts, parts.altering)
  return out
}
