import { isKeyword } from '../../pep/mask/detectors/keywords.ts'
import { PepMaskError } from '../../pep/mask/errors.ts'
import { compileMask, type Mask } from '../../pep/mask/mask.ts'
import { redacted } from '../../pep/mask/replace.ts'
import { builtinNames, type CustomDetector, type FindingName } from '../../pep/mask/types.ts'

/** Why something is not shown: a sentence that holds nothing of it. */
export class NotShown extends Error {}

/** What everything that people look at is masked with: every detector, all of a value. */
export type Masker = {
  readonly mask: Mask
  /** Names of findings that alter. */
  readonly altering: ReadonlySet<string>
  /** Whether values at JSON paths are replaced, which only JSON has. */
  readonly fields: boolean
  /**
   * Masks a short text, also where a value only shows once the text is read in another way: then all of it is replaced.
   * @param cut its end is missing: what may be the beginning of a value is left out.
   */
  readonly text: (text: string, cut?: boolean) => string
  /** The same of what has a name, which may say what it is. */
  readonly named: (name: string, text: string, cut?: boolean) => string
  /** Values that are only known by the word in front of them, wherever else they stand. */
  readonly worded: (text: string) => readonly string[]
  /** What a text holds, by detector. */
  readonly findings: (text: string) => readonly FindingName[]
}

/** Nothing is hashed, and no token is made. */
const unusedKeys = { hash: new Uint8Array(32), token: new Uint8Array(32) }

/**
 * @param fields JSON paths that policy masks in this body.
 * @throws {PepMaskError} PEP_MASK_CONFIG for a detector or a path that is not understood: then nothing is shown.
 */
export function createMasker(
  customs: readonly CustomDetector[],
  fields: readonly string[],
): Masker {
  const detectors = [...builtinNames, ...customs.map(({ name }) => `custom:${name}`)]
  const mask = compileMask(
    [
      { detectors, style: 'redact' },
      ...(fields.length > 0 ? [{ fields, style: 'redact' } as const] : []),
    ],
    { customs, keys: unusedKeys },
  )
  const findings = (text: string): FindingName[] => {
    const masker = mask.text()
    masker.push(text)
    masker.end()
    return Object.keys(masker.counts) as FindingName[]
  }
  const text = (given: string, cut = false): string => {
    const masker = mask.text()
    const certain = masker.push(given)
    const out = cut ? `${certain}…` : certain + masker.end()
    for (const reading of readingsOf(out)) {
      const found = findings(reading)
      if (found.length > 0) return found.map(redacted).join('')
    }
    return out
  }
  return {
    mask,
    altering: new Set([...detectors, 'credential', 'field']),
    fields: fields.length > 0,
    findings,
    text,
    named(name, given, cut) {
      if (!isKeyword(name)) return text(given, cut)
      // As a reader of JSON sees it.
      const head = `${name.slice(-64)}":"`
      const out = text(head + given, cut)
      return out.startsWith(head) ? out.slice(head.length) : out
    },
    worded: createWorded(),
  }
}

/** Collects values of detectors that need a word in front of them. */
function createWorded(): Masker['worded'] {
  let values: string[] = []
  const token = (_: FindingName, value: string): string => {
    values.push(value)
    return 'a'
  }
  const mask = compileMask([{ detectors: ['aws_key', 'azure_key'], style: 'token' }], {
    keys: { ...unusedKeys, token },
  })
  return (text) => {
    values = []
    const masker = mask.text()
    masker.push(text)
    masker.end()
    return values
  }
}

/** Our own, in which a detector of policy could find something. */
const marker = /\[REDACTED:[\w:]+\]/g

const named: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }

/** JSON and other escapes of it, taken off once. */
const unescaped = (text: string): string =>
  text.replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, unit: string | undefined, char: string) =>
    unit === undefined ? (named[char] ?? char) : String.fromCharCode(Number.parseInt(unit, 16)),
  )

/** How else a text may be read that is a part of something: escapes of JSON, and colours of a terminal. */
export function* bodyReadings(masked: string): Generator<string> {
  const text = masked.replace(marker, '[]')
  if (text.includes('\\')) yield unescaped(text)
  // eslint-disable-next-line no-control-regex
  if (text.includes('\u001b')) yield text.replace(/\u001b\[[0-9;:]*[A-Za-z]/g, '')
}

/** The same of what was made of something else: forms and queries, paths without their double slashes, lower case. */
function* readingsOf(masked: string): Generator<string> {
  yield* bodyReadings(masked)
  const text = masked.replace(marker, '[]')
  if (text.includes('+')) yield text.replaceAll('+', ' ')
  if (text.includes(':/')) yield text.replace(/:\/(?!\/)/g, '://')
  if (text === text.toLowerCase() && /[a-z]/.test(text)) yield text.toUpperCase()
}

/** Whether something was looked at and cannot be shown, unlike what went wrong by a defect. */
export const isRefused = (error: unknown): error is NotShown | PepMaskError =>
  error instanceof NotShown || error instanceof PepMaskError

/** Says in a sentence why something cannot be masked. What went wrong by itself may quote what it was about. */
export function reasonOf(error: unknown): string {
  if (error instanceof NotShown) return error.message
  if (error instanceof PepMaskError) return `it cannot be masked: ${error.message}`
  return 'it cannot be masked'
}
