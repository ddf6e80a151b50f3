import { type ByteMasker, literalByteMasker, utf8Masker, view } from './bytes.ts'
import { compileCustom } from './detectors/custom.ts'
import type { Matcher } from './detectors/matcher.ts'
import { PepMaskError } from './errors.ts'
import { JsonScanner } from './json.ts'
import { JsonStringSink } from './json-string.ts'
import { FieldPaths, type FieldRule } from './json-path.ts'
import { literalForms, LiteralMasker, literalMatcher } from './literal.ts'
import { redacted, replacement, restorable } from './replace.ts'
import type { Replace, ValueUse } from './scan.ts'
import { Inspector } from './inspector.ts'
import { createTables, matchersFor, type Tables } from './tables.ts'
import { count, CountingSink, TextMasker, TextSink } from './text.ts'
import {
  type Counts,
  type CustomDetector,
  type MaskKeys,
  type MaskRule,
  type MaskStyle,
  styleOrder,
} from './types.ts'

export type MaskOptions = {
  readonly customs?: readonly CustomDetector[]
  /** Exact secrets, redacted always, in raw and encoded forms; e.g. the upstream credential. ≥ 4 bytes each. */
  readonly literals?: readonly string[]
  readonly keys: MaskKeys
  /** Most code units of one value that are held to hash, tokenise or show a part of it; a longer one is redacted. */
  readonly budgetUnits?: number
}

/** Texts that were masked as one. */
export type MaskedTexts = { readonly outs: readonly string[]; readonly counts: Counts }

/** Masks texts as parts of one: a value may begin in one and end in another. */
export function maskSeveral(mask: Mask, texts: readonly string[]): MaskedTexts {
  const masker = mask.text()
  const outs: string[] = ['']
  const take = (out: string): void => {
    let from = 0
    for (const mark of masker.marks) {
      outs.push(outs.pop() + out.slice(from, mark), '')
      from = mark
    }
    outs.push(outs.pop() + out.slice(from))
  }
  for (const [at, text] of texts.entries()) {
    if (at > 0) take(masker.mark())
    take(masker.push(text))
  }
  take(masker.end())
  return { outs, counts: masker.counts }
}

/** Rules compiled once; each method makes a masker with state of its own, for one text, body or stream. */
export type Mask = {
  /** Whether anything is altered or counted; if not, bytes need not pass through here. */
  readonly active: boolean
  text(): TextMasker
  /** A whole JSON body, UTF-8. */
  json(): ByteMasker
  /** A whole text body, UTF-8. */
  utf8(): ByteMasker
  /** A body of any type: exact literals only. */
  literalBytes(): ByteMasker
}

const BUDGET_UNITS = 64 * 1024

/**
 * Compiles mask rules. Where rules meet on one detector, the strictest style wins (`styleOrder`), and altering wins
 * over observing.
 * @throws {PepMaskError} PEP_MASK_CONFIG: refuse the operation, a rule that is not understood must not be dropped.
 */
export function compileMask(rules: readonly MaskRule[], options: MaskOptions): Mask {
  checkKeys(options.keys)
  const customs = compileCustoms(options.customs ?? [])
  const styles = new Map<string, MaskStyle>()
  const observed = new Set<string>()
  for (const rule of rules) {
    for (const name of rule.detectors ?? []) {
      if (rule.observe) observed.add(name)
      else styles.set(name, strictest(styles.get(name), rule.style))
    }
  }
  for (const name of styles.keys()) observed.delete(name)
  const restorable = restorableNames(rules, options.keys)
  const fieldRules = rules.flatMap((rule) =>
    (rule.fields ?? []).map((path) => ({
      path,
      style: rule.style,
      observe: rule.observe ?? false,
    })),
  )
  return createMask({
    tables: tablesFor(styles.keys(), customs, []),
    jsonTables: tablesFor(styles.keys(), customs, (options.literals ?? []).map(literalMatcher)),
    observedTables: tablesFor(observed, customs, []),
    styles,
    restorable,
    fields: new FieldPaths(fieldRules),
    hasFields: fieldRules.length > 0,
    forms: formsOf(options.literals ?? [], 'utf16'),
    byteForms: formsOf(options.literals ?? [], 'latin1'),
    literals: options.literals ?? [],
    keys: options.keys,
    budget: options.budgetUnits ?? BUDGET_UNITS,
  })
}

type Plan = {
  readonly tables: Tables | undefined
  /** With literals, for text that was decoded after the literals were looked for. */
  readonly jsonTables: Tables | undefined
  readonly observedTables: Tables | undefined
  readonly styles: ReadonlyMap<string, MaskStyle>
  /** Detectors whose tokens the session can undo. */
  readonly restorable: ReadonlySet<string>
  readonly fields: FieldPaths
  readonly hasFields: boolean
  readonly forms: readonly string[]
  readonly byteForms: readonly string[]
  readonly literals: readonly string[]
  readonly keys: MaskKeys
  readonly budget: number
}

const valueUse = {
  redact: 'none',
  hash: 'hidden',
  token: 'hidden',
  partial: 'shown',
} as const satisfies Record<MaskStyle, ValueUse>

function createMask(plan: Plan): Mask {
  const styleOf = (matcher: Matcher): MaskStyle => plan.styles.get(matcher.name) ?? 'redact'
  const use = (matcher: Matcher): ValueUse => valueUse[styleOf(matcher)]
  const replace: Replace = (matcher, value, read) => {
    const { name, partial } = matcher
    if (value !== undefined && plan.literals.some((literal) => value.includes(literal)))
      return redacted(name)
    if (plan.restorable.has(name) && styleOf(matcher) === 'token')
      // Restored, it would not be what was there.
      return read ? redacted(name) : restorable(name, value, plan.keys)
    return replacement(styleOf(matcher), name, value, plan.keys, partial)
  }
  const replaceField = (rule: FieldRule, value: string | undefined): string =>
    value !== undefined && plan.literals.some((literal) => value.includes(literal))
      ? redacted('field')
      : replacement(rule.style, 'field', value, plan.keys, undefined)
  const observer = (counts: Counts): Inspector | undefined =>
    plan.observedTables &&
    new Inspector(plan.observedTables, new CountingSink(counts), () => 'none', 0)
  const literals = (counts: Counts, forms: readonly string[]): LiteralMasker | undefined =>
    forms.length === 0
      ? undefined
      : new LiteralMasker(forms, redacted('credential'), () => count(counts, 'credential'))
  const text = (): TextMasker => {
    const counts: Counts = {}
    const sink = new TextSink(counts, replace)
    const inspector = plan.tables && new Inspector(plan.tables, sink, use, plan.budget)
    return new TextMasker(counts, literals(counts, plan.forms), inspector, sink, observer(counts))
  }
  const json = (): ByteMasker => {
    const counts: Counts = {}
    const sink = new JsonStringSink((matcher, value, read) => {
      count(counts, matcher.name)
      return replace(matcher, value, read)
    })
    const inspector = plan.jsonTables && new Inspector(plan.jsonTables, sink, use, plan.budget)
    const parts = {
      counts,
      inspector,
      sink,
      observer: observer(counts),
      fields: plan.fields,
      replaceField,
      budget: plan.budget,
    }
    return jsonMasker(new JsonScanner(parts), literals(counts, plan.byteForms), counts)
  }
  return {
    active:
      plan.tables !== undefined ||
      plan.observedTables !== undefined ||
      plan.hasFields ||
      plan.forms.length > 0,
    text,
    json,
    utf8: () => utf8Masker(text()),
    literalBytes: () => {
      const counts: Counts = {}
      return literalByteMasker(literals(counts, plan.byteForms), counts)
    },
  }
}

/** Literals first, over the raw bytes; then the JSON they are part of. */
function jsonMasker(
  scanner: JsonScanner,
  literals: LiteralMasker | undefined,
  counts: Counts,
): ByteMasker {
  let failed: Error | undefined
  const feed = (bytes: string, final: boolean): Buffer => {
    // Fail closed: after an error the place in the document is lost.
    if (failed !== undefined) throw failed
    try {
      return Buffer.from(scanner.feed(bytes, final), 'latin1')
    } catch (error) {
      failed = error instanceof Error ? error : new Error('masking failed', { cause: error })
      throw failed
    }
  }
  return {
    counts,
    push(bytes) {
      const text = view(bytes).toString('latin1')
      return feed(literals === undefined ? text : literals.push(text), false)
    },
    end: () => feed(literals === undefined ? '' : literals.end(), true),
  }
}

function compileCustoms(customs: readonly CustomDetector[]): Map<string, Matcher> {
  const compiled = new Map<string, Matcher>()
  for (const custom of customs) {
    const matcher = compileCustom(custom)
    if (compiled.has(matcher.name)) {
      throw new PepMaskError('PEP_MASK_CONFIG', `two detectors are called ${matcher.name}`)
    }
    compiled.set(matcher.name, matcher)
  }
  return compiled
}

function tablesFor(
  names: Iterable<string>,
  customs: ReadonlyMap<string, Matcher>,
  literals: readonly Matcher[],
): Tables | undefined {
  const matchers = [...literals, ...matchersFor(names, customs)]
  return matchers.length === 0 ? undefined : createTables(matchers)
}

/** A detector that any rule wants tokens of for good is not restored. */
function restorableNames(rules: readonly MaskRule[], keys: MaskKeys): Set<string> {
  const tokens = rules.filter((rule) => rule.style === 'token' && !rule.observe)
  for (const rule of rules) {
    if (!rule.restore) continue
    if (rule.style !== 'token' || rule.observe || rule.fields !== undefined || !keys.restore)
      throw new PepMaskError('PEP_MASK_CONFIG', 'only tokens of detectors can be restored')
  }
  const names = (restore: boolean): string[] =>
    tokens.flatMap((rule) => ((rule.restore ?? false) === restore ? (rule.detectors ?? []) : []))
  return new Set(names(true)).difference(new Set(names(false)))
}

const formsOf = (literals: readonly string[], unit: 'utf16' | 'latin1'): string[] => [
  ...new Set(literals.flatMap((literal) => literalForms(literal, unit))),
]

const strictest = (a: MaskStyle | undefined, b: MaskStyle): MaskStyle =>
  a !== undefined && styleOrder.indexOf(a) < styleOrder.indexOf(b) ? a : b

function checkKeys(keys: MaskKeys): void {
  const short = (key: Uint8Array): boolean => key.length < 16
  if (short(keys.hash) || (typeof keys.token !== 'function' && short(keys.token))) {
    throw new PepMaskError('PEP_MASK_CONFIG', 'a mask key has fewer than 16 bytes')
  }
}
