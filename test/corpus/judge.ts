import { compileMask, type Mask } from '../../pep/mask/mask.ts'
import { type BuiltinName, builtinNames } from '../../pep/mask/types.ts'
import { type Entry, forms, loadCorpus, type Value } from './load.ts'

/** What became of the values of an entry, and what else was masked. */

/** So much of a value in one piece is the value. */
const REMAINS = 0.6

const key = new Uint8Array(32).fill(3)
export const maskOf = (detectors: readonly string[]): Mask =>
  compileMask([{ detectors, style: 'redact' }], { keys: { hash: key, token: key } })

export type Span = { readonly detector: string; readonly from: number; readonly to: number }
/** A text as it went in and came out: the body, or one string of a JSON document. */
type Text = { readonly before: string; readonly after: string }

export type Judgement = {
  readonly entry: Entry
  readonly after: string
  /** Values of which too much is left. */
  readonly missed: readonly Value[]
  /** What was masked, and whether that was a value of the detector. */
  readonly spans: readonly { readonly detector: string; readonly expected: boolean }[]
  /** Units that were masked, and those of them that belong to no value. */
  readonly masked: number
  readonly beyond: number
}

export function judge(entry: Entry, mask: Mask): Judgement {
  const document = isDocument(entry.text)
  const after = masked(entry.text, mask, document)
  const texts = document ? stringPairs(entry.text, after) : [{ before: entry.text, after }]
  const values = document ? entry.values.map(decoded) : entry.values
  const spans = texts.flatMap((text) =>
    align(text, values).map((span) => {
      const inside = occurrences(text.before, values).map((one) => ({
        units: Math.min(one.to, span.to) - Math.max(one.from, span.from),
        detector: one.detector,
      }))
      const most = Math.max(0, ...inside.map((one) => one.units))
      return {
        detector: span.detector,
        expected: inside.some((one) => one.units > 0 && one.detector === span.detector),
        units: span.to - span.from,
        beyond: span.to - span.from - most,
      }
    }),
  )
  return {
    entry,
    after,
    missed: entry.values.filter((value, k) => {
      const plain = values[k]?.value ?? value.value
      return remains(after, value.value) || texts.some((text) => remains(text.after, plain))
    }),
    spans,
    masked: sum(spans.map((span) => span.units)),
    beyond: sum(spans.map((span) => span.beyond)),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

/** Whether a run of 60 % of the value stands in the text. */
function remains(text: string, value: string): boolean {
  const run = Math.ceil(value.length * REMAINS)
  for (let at = 0; at + run <= value.length; at++) {
    if (text.includes(value.slice(at, at + run))) return true
  }
  return false
}

function isDocument(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

function masked(text: string, mask: Mask, document: boolean): string {
  if (document) {
    const masker = mask.json()
    const bytes = [masker.push(Buffer.from(text)), masker.end()]
    return Buffer.concat(bytes).toString()
  }
  const masker = mask.text()
  return masker.push(text) + masker.end()
}

const decoded = (value: Value): Value => {
  try {
    return { ...value, value: String(JSON.parse(`"${value.value}"`)) }
  } catch {
    return value
  }
}

/** Names, strings and numbers of a document, as they were and as they are. */
function stringPairs(before: string, after: string): Text[] {
  const was = [...scalars(JSON.parse(before))]
  const is = [...scalars(JSON.parse(after))]
  if (was.length !== is.length) throw new Error(`masking changed the structure of ${before}`)
  return was.map((text, k) => ({ before: text, after: is[k] ?? '' }))
}

function* scalars(json: unknown): Generator<string> {
  if (typeof json !== 'object' || json === null) yield String(json)
  else
    for (const [name, member] of Object.entries(json)) {
      yield name
      yield* scalars(member)
    }
}

const replaced = /\[REDACTED:([\w:]+)\]/

/**
 * Where the replacements of `after` stand in `before`. What was kept has to stand between them; where that leaves a
 * choice, most of the values is taken for what was masked, as the text that came out is the same.
 */
export function align(text: Text, values: readonly Value[]): Span[] {
  const parts = text.after.split(replaced)
  const expected = occurrences(text.before, values)
  const covered = (from: number, to: number): number =>
    sum(expected.map((one) => Math.max(0, Math.min(one.to, to) - Math.max(one.from, from))))
  type Path = { readonly score: number; readonly spans: readonly Span[] }
  const known = new Map<string, Path | undefined>()
  /** `k`: the kept part to place next, behind a replacement that begins at `at`. */
  const from = (k: number, at: number): Path | undefined => {
    const memo = `${k}:${at}`
    if (known.has(memo)) return known.get(memo)
    const detector = parts[k - 1] ?? ''
    const kept = parts[k] ?? ''
    const last = k + 1 >= parts.length
    let best: Path | undefined
    for (let p = at; p + kept.length <= text.before.length; p++) {
      if (!text.before.startsWith(kept, p)) continue
      const end = p + kept.length
      if (last && end !== text.before.length) continue
      const rest = last ? { score: 0, spans: [] } : from(k + 2, end)
      if (rest === undefined) continue
      const score = covered(at, p) + rest.score
      if (best === undefined || score > best.score)
        best = { score, spans: [{ detector, from: at, to: p }, ...rest.spans] }
    }
    known.set(memo, best)
    return best
  }
  const [first = ''] = parts
  if (parts.length === 1 && first === text.before) return []
  const path = text.before.startsWith(first) ? from(2, first.length) : undefined
  // What was written anew, encoded as it was, cannot be told from what was kept.
  if (path === undefined) return []
  return [...path.spans]
}

function occurrences(text: string, values: readonly Value[]): Span[] {
  const out: Span[] = []
  for (const { detector, value } of values) {
    for (let at = text.indexOf(value); at !== -1; at = text.indexOf(value, at + 1))
      out.push({ detector, from: at, to: at + value.length })
  }
  return out
}

export type Share = { right: number; all: number }
export const ratio = ({ right, all }: Share): number => (all === 0 ? 1 : right / all)

/** Recall by detector and form, precision by detector, over the whole corpus with every detector on. */
export type Figures = {
  readonly recall: ReadonlyMap<BuiltinName, Share>
  readonly precision: ReadonlyMap<BuiltinName, Share>
  readonly forms: ReadonlyMap<string, Share>
  readonly beyond: Share
  readonly judgements: readonly Judgement[]
}

export function measure(entries: readonly Entry[] = loadCorpus()): Figures {
  const mask = maskOf(builtinNames)
  const shares = <Name extends string>(names: readonly Name[]): Map<Name, Share> =>
    new Map(names.map((name) => [name, { right: 0, all: 0 }]))
  const recall = shares<BuiltinName>(builtinNames)
  const precision = shares<BuiltinName>(builtinNames)
  const byForm = shares<string>(forms)
  const beyond = { right: 0, all: 0 }
  const judgements = entries.map((entry) => judge(entry, mask))
  for (const { entry, missed, spans, ...units } of judgements) {
    for (const value of entry.values) {
      const right = !missed.includes(value)
      add(recall.get(value.detector), right)
      add(byForm.get(entry.form), right)
    }
    for (const span of spans) add(precision.get(nameOf(span.detector)), span.expected)
    beyond.right += units.beyond
    beyond.all += units.masked
  }
  return { recall, precision, forms: byForm, beyond, judgements }
}

function nameOf(name: string): BuiltinName {
  const known = builtinNames.find((one) => one === name)
  if (known === undefined) throw new Error(`no such detector: ${name}`)
  return known
}

function add(share: Share | undefined, right: boolean): void {
  if (share === undefined) return
  share.all++
  if (right) share.right++
}
