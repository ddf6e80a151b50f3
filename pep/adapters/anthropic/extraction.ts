import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import { ScanCache } from '../../facts/anthropic.ts'
import { compilePaths, type PathFacts } from '../../facts/paths.ts'
import { compilePhrases } from '../../facts/phrases.ts'
import { compileFindings } from '../../mask/findings.ts'

/** What a profile asks for, compiled. */
export type Extracting = {
  readonly scan: ScanCache
  /** Scalars of a document at the profile's JSON paths. */
  readonly paths: (document: unknown) => PathFacts
  /** Parts of the profile that could not be compiled. */
  readonly incomplete: readonly string[]
}

export type Extraction = (profile: ExtractionProfile) => Extracting

/** Compiles each profile once; scans of one profile never answer for another. */
export function createExtraction(): Extraction {
  const known = new WeakMap<ExtractionProfile, Extracting>()
  return (profile) => {
    let made = known.get(profile)
    if (!made) known.set(profile, (made = compile(profile)))
    return made
  }
}

function compile(profile: ExtractionProfile): Extracting {
  const incomplete: string[] = []
  // Fail closed: what cannot be compiled is not looked for, and policy refuses facts that say so.
  const attempt = <T>(what: string, make: () => T, without: T): T => {
    try {
      return make()
    } catch {
      incomplete.push(`profile: ${what}`)
      return without
    }
  }
  const { detectors: names, custom_detectors: customs } = profile
  const detectors = attempt(
    'detectors',
    () => compileFindings(names, customs),
    () => ({}),
  )
  const phrases = attempt(
    'phrases',
    () => compilePhrases(profile.phrases),
    () => [],
  )
  const none = { paths: {}, incomplete: [] }
  return {
    scan: new ScanCache((text) => ({ detectors: detectors(text), phrases: phrases(text) })),
    paths: attempt(
      'paths',
      () => compilePaths(profile.json_paths),
      () => none,
    ),
    incomplete,
  }
}
