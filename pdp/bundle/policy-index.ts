import { z } from 'zod'

/**
 * What a bundle's rules say of themselves, `policy-index.json` in the bundle: made of METADATA and of the entries of
 * policy data when the bundle is built, so that a decision can be explained without its sources.
 */
export const policyIndex = z.strictObject({
  /** Every document that rules make was compiled as an entrypoint. */
  complete: z.boolean(),
  rules: z.array(
    z.strictObject({
      /** `rule_id`; a part in angle brackets stands for any entry: `grant.<id>`. */
      id: z.string(),
      title: z.string().optional(),
      description: z.string().optional(),
      file: z.string(),
      line: z.int().positive(),
    }),
  ),
  /**
   * Paths of the input that a document reads, `context.facts`, by entrypoint. Policy is shown nothing else of the
   * input, and decisions are cached by them. Without an entry all of the input is shown, and nothing cached.
   */
  inputs: z.record(z.string(), z.array(z.string().min(1)).min(1)),
})

export type PolicyIndex = z.infer<typeof policyIndex>
export type PolicyRule = PolicyIndex['rules'][number]

export const NO_INDEX: PolicyIndex = { complete: false, rules: [], inputs: {} }

/** @returns the entries about one rule of a decision: its entry in policy data first, then the Rego rule. */
export function rulesOf(index: PolicyIndex, id: string): readonly PolicyRule[] {
  const exact = index.rules.filter((rule) => rule.id === id)
  const general = index.rules.filter((rule) => rule.id !== id && stands(rule.id, id))
  return [...exact, ...general]
}

function stands(pattern: string, id: string): boolean {
  const [before, after] = pattern.split(/<[^<>]*>/)
  if (before === undefined || after === undefined) return false
  return id.length > before.length + after.length && id.startsWith(before) && id.endsWith(after)
}
