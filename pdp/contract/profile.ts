import { z } from 'zod'
import type { Revision } from './brand.ts'

/** A detector that policy defines: a linear-time pattern (RE2 syntax) and the longest match it may have. */
export const customDetector = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
  pattern: z.string().min(1).max(1024),
  max_length: z.int().positive().max(1024),
})

/** A named list of phrases; matching folds case and runs of white space. */
export const phraseList = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
  phrases: z.array(z.string().min(1).max(512)).min(1),
})

/**
 * The extraction profile: what facts a PEP must extract. It is part of the bundle and fetched by revision;
 * facts that were made under another revision are made again.
 */
export const extractionProfile = z.strictObject({
  /** Detectors to count in requests: built-in names and `custom:<name>`. */
  detectors: z.array(z.string()),
  custom_detectors: z.array(customDetector),
  phrases: z.array(phraseList),
  /** JSON paths (`$.a.b[*].c`) whose scalars become `facts.paths`. */
  json_paths: z.array(z.string()),
  /** Connections whose request bodies are read whole and inspected; others may stream. */
  inspect_bodies: z.array(z.string()),
})

export type CustomDetector = z.infer<typeof customDetector>
export type PhraseList = z.infer<typeof phraseList>
export type ExtractionProfile = z.infer<typeof extractionProfile>

/** A profile with the policy revision it belongs to. */
export type ActiveProfile = { readonly revision: Revision; readonly profile: ExtractionProfile }
