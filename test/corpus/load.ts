import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { builtinNames, type BuiltinName } from '../../pep/mask/types.ts'
import { expand, MARK } from './placeholders.ts'

/**
 * The corpus: texts with the values that must be masked in them, and near misses. A file a family of detectors, as
 * data; `nothing.yaml` holds near misses of all of them. Numbers and names are those reserved for tests, fiction and
 * documentation.
 */

/**
 * How a value is written. `grouped`: with separators; `unicode`: with other digits and signs, or invisible characters
 * inside; `json`: a JSON document, or a piece of one with its usual escapes; `escape`: escapes that stay after
 * the document was decoded, in source code or JSON inside JSON.
 */
export const forms = [
  'plain',
  'grouped',
  'log',
  'code',
  'json',
  'escape',
  'url',
  'base64',
  'markdown',
  'html',
  'unicode',
] as const
export type Form = (typeof forms)[number]

export type Value = { readonly detector: BuiltinName; readonly value: string }
export type Entry = {
  /** Where it is written. */
  readonly file: string
  readonly form: Form
  readonly text: string
  /** Exact substrings of `text`; none: a near miss. */
  readonly values: readonly Value[]
  /** Detectors that find nothing here but `values`. */
  readonly detectors: readonly BuiltinName[]
}

const form = z.enum(forms)
const detector = z.enum(builtinNames)
const valueSchema = z.strictObject({ detector, value: z.string().min(1) })
const familySchema = z.strictObject({
  /** Detectors the file is about. */
  detectors: z.array(detector),
  /** Values of which one stands in each of `surroundings.yaml`, in turn; `before` and `after` are what they need. */
  surrounded: z
    .array(valueSchema.extend({ before: z.string().default(''), after: z.string().default('') }))
    .default([]),
  entries: z
    .array(
      z.strictObject({
        form: form.default('plain'),
        text: z.string().min(1),
        values: z.array(valueSchema),
      }),
    )
    .default([]),
  /** Short for entries without values. */
  near_misses: z.partialRecord(form, z.array(z.string().min(1))).default({}),
})
const surroundingSchema = z.array(
  z.strictObject({
    form,
    /** `${value}` stands for the value with what it needs. */
    text: z.string(),
    /** All, when absent. */
    detectors: z.array(detector).optional(),
  }),
)

const folder = import.meta.dirname
const read = (file: string): unknown => parse(readFileSync(`${folder}/${file}`, 'utf8'))

/** @throws {Error} for a file that is not of this form, or a value that its text does not have. */
export function loadCorpus(): readonly Entry[] {
  const surroundings = surroundingSchema.parse(read('surroundings.yaml'))
  const files = readdirSync(folder).filter(
    (file) => file.endsWith('.yaml') && file !== 'surroundings.yaml',
  )
  return files.sort().flatMap((file) => familyEntries(file, surroundings))
}

function familyEntries(file: string, surroundings: z.infer<typeof surroundingSchema>): Entry[] {
  const family = familySchema.parse(read(file))
  const { detectors } = family
  const out: Entry[] = []
  for (const { form: written, text, values } of family.entries)
    out.push(entryOf(file, written, text, values, detectors))
  for (const [written, texts] of Object.entries(family.near_misses)) {
    for (const text of texts) out.push(entryOf(file, form.parse(written), text, [], detectors))
  }
  for (const name of detectors) {
    const values = family.surrounded.filter((value) => value.detector === name)
    if (values.length === 0) continue
    const fitting = surroundings.filter((one) => one.detectors?.includes(name) ?? true)
    for (const [k, surrounding] of fitting.entries()) {
      const one = values[k % values.length]
      if (one === undefined) continue
      const { before, value, after } = one
      const text = surrounding.text.replaceAll('${value}', () => before + value + after)
      out.push(entryOf(file, surrounding.form, text, [{ detector: name, value }], detectors))
    }
  }
  return out
}

/** Values are looked for in the text as it is written, so that their place in what functions make of it is known. */
function entryOf(
  file: string,
  written: Form,
  template: string,
  values: readonly Value[],
  detectors: readonly BuiltinName[],
): Entry {
  const text = expand(template)
  const found = values.map(({ detector: name, value }) => {
    const at = template.indexOf(value)
    if (at === -1) throw new Error(`${file}: ${template} has no ${value}`)
    const marked = expand(
      template.slice(0, at) + MARK.open + value + MARK.close + template.slice(at + value.length),
    )
    const from = marked.indexOf(MARK.open)
    const to = marked.indexOf(MARK.close)
    const expanded = marked.slice(from + 1, to)
    if (marked.slice(0, from) + expanded + marked.slice(to + 1) !== text)
      throw new Error(`${file}: marking ${value} changed ${template}`)
    return { detector: name, value: expanded }
  })
  return { file, form: written, text, values: found, detectors }
}
