import { createHmac } from 'node:crypto'
import type { MaskObligation } from '../../pdp/contract/obligation.ts'
import type { CustomDetector } from '../../pdp/contract/profile.ts'
import { ContentCache, type Place } from '../mask/content-cache.ts'
import { compileMask, type Mask, type MaskedTexts, maskSeveral } from '../mask/mask.ts'
import { createRestorer, type Restorer } from '../mask/restore.ts'
import { sessionTokens } from '../mask/tokens.ts'
import type { Counts } from '../mask/types.ts'

/** What masks are made with, besides what policy says. */
export type MaskMaterial = {
  /** Detectors of the profile that the decision was made under. */
  readonly customs: readonly CustomDetector[]
  /** The credential that was injected into this request. */
  readonly literals: readonly string[]
  /** `Context.session.id`: tokens of the `token` style hold within it. */
  readonly session: string
}

export type Masking = {
  readonly mask: Mask
  /** Whether policy asks for anything; if not, only literals are looked for. */
  readonly ruled: boolean
  /** Whether values at JSON paths are altered, which only JSON has. */
  readonly fields: boolean
  /** Names of findings that alter; others are only counted. */
  readonly altering: ReadonlySet<string>
  /** Masks a whole text; one that came before is not looked through again. */
  readonly whole: (text: string, place?: Place) => MaskedText
  /** Whether nothing in a line is altered; one that came before is not looked through again. */
  readonly clean: (line: string) => boolean
  /** The same of texts that are parts of one. */
  readonly several: (texts: readonly string[]) => MaskedTexts
}

/** A text that was masked as a whole. */
export type MaskedText = {
  /** `undefined`: as it was. */
  readonly out: string | undefined
  readonly counts: Readonly<Counts>
}

/** Compiled masks, kept while the same ones are asked for. */
export type Masks = {
  /** @throws {PepMaskError} PEP_MASK_CONFIG for a rule that cannot be kept: refuse, never leave it out. */
  readonly of: (rules: readonly MaskObligation[], material: MaskMaterial) => Masking
  /**
   * @param rules those that the request was masked with.
   * @returns what makes restorers for texts of the reply; `undefined` when nothing may be restored.
   */
  readonly restoring: (
    rules: readonly MaskObligation[],
    session: string,
  ) => (() => Restorer) | undefined
}

/** Most bytes of masked texts that are kept; shorter texts are sooner masked than found. */
const CACHE_BYTES = 32 * 1024 * 1024
const WORTH_KEEPING = 512

function wholeText(mask: Mask, text: string): MaskedText {
  const masker = mask.text()
  const out = masker.push(text) + masker.end()
  return { out: out === text ? undefined : out, counts: masker.counts }
}

/** Most bytes of lines that are remembered: headers of answers, most of which are the same again and again. */
const LINE_BYTES = 2 * 1024 * 1024

/** Most compiled masks that are kept; the oldest goes. */
const MAX_KEPT = 256

/** @param secret the deployment's mask key, ≥ 32 bytes, the same in every instance. */
export function createMasks(secret: Uint8Array): Masks {
  const derive = (purpose: string): Buffer => createHmac('sha256', secret).update(purpose).digest()
  const hash = derive('countersign/mask/hash/v1')
  const kept = new Map<string, Masking>()
  // Of all masks, each under a number of its own.
  const texts = new ContentCache<MaskedText>(({ out = '' }) => 128 + 2 * out.length, CACHE_BYTES)
  const joined = new ContentCache<MaskedTexts>(
    ({ outs }) => outs.reduce((sum, out) => sum + 2 * out.length + 32, 128),
    CACHE_BYTES,
  )
  const lines = new ContentCache<boolean>(() => 0, LINE_BYTES)
  let compiled = 0
  // Whoever has the secret and the session has the key: every instance, as long as the session lasts.
  const tokensOf = (session: string) =>
    sessionTokens(
      createHmac('sha512', secret).update(`countersign/mask/siv/v1\n${session}`).digest(),
    )

  function compile(rules: readonly MaskObligation[], material: MaskMaterial): Masking {
    const altering = new Set<string>(['credential', 'field'])
    for (const rule of rules) {
      if (!rule.observe) rule.detectors?.forEach((name) => altering.add(name))
    }
    const token = derive(`countersign/mask/token/v1\n${material.session}`)
    const restore = tokensOf(material.session)
    const mask = compileMask(rules, {
      customs: material.customs,
      literals: material.literals,
      keys: { hash, token, restore },
    })
    const purpose = String((compiled += 1))
    const make = (text: string): MaskedText => wholeText(mask, text)
    const isClean = (line: string): boolean =>
      !Object.keys(make(line).counts).some((name) => altering.has(name))
    return {
      mask,
      whole: (text, place) =>
        text.length < WORTH_KEEPING ? make(text) : texts.of(text, purpose, make, place),
      clean: (line) => lines.of(line, purpose, isClean),
      several: (parts) => joined.of(JSON.stringify(parts), purpose, () => maskSeveral(mask, parts)),
      ruled: rules.length > 0,
      fields: rules.some((rule) => !rule.observe && (rule.fields?.length ?? 0) > 0),
      altering,
    }
  }

  return {
    of(rules, material) {
      const perSession = rules.some((rule) => rule.style === 'token')
      const key = JSON.stringify([
        rules,
        rules.length > 0 ? material.customs : [],
        material.literals,
        perSession ? material.session : '',
      ])
      let masking = kept.get(key)
      if (!masking) {
        masking = compile(rules, material)
        if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? '')
        kept.set(key, masking)
      }
      return masking
    },
    restoring(rules, session) {
      const names = rules.flatMap((rule) => (rule.restore ? (rule.detectors ?? []) : []))
      if (names.length === 0) return undefined
      const tokens = tokensOf(session)
      return () => createRestorer([...new Set(names)], tokens)
    },
  }
}

/** Findings of one operation: altered, and only observed. */
export class Findings {
  readonly masked: Record<string, number> = {}
  readonly observed: Record<string, number> = {}

  add(counts: Counts, altering: ReadonlySet<string>): void {
    for (const [name, count = 0] of Object.entries(counts)) {
      const sum = altering.has(name) ? this.masked : this.observed
      sum[name] = (sum[name] ?? 0) + count
    }
  }
}
