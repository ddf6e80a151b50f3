import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { LineCounter, parse, parseDocument } from 'yaml'
import { z } from 'zod'
import { effect, verdict } from '../../pdp/contract/decision.ts'
import { policyInput } from '../schemas.ts'

/** Decision cases: `test/decisions/*.yaml`, each { base, cases: [{ description, input, want }] }. */

const part = z.record(z.string(), z.unknown())

const want = z.strictObject({
  effect,
  /** Rule ids of the reasons, in order. */
  rules: z.array(z.string()),
  /** Message of the first reason. */
  message: z.string().optional(),
  /** The whole list. */
  obligations: z.array(part).optional(),
  /** Each of these agrees, key by key, with one of the list. */
  includes: z.array(part).optional(),
  excludes: z.array(part).optional(),
})

const caseFile = z.strictObject({
  base: z.string(),
  cases: z.array(
    z.strictObject({
      description: z.string().min(1),
      /** JSON Merge Patch (RFC 7396) on the base. */
      input: z.unknown(),
      /** The request is not the contract's shape: the PDP refuses it before policy sees it, and policy denies it as well. */
      malformed: z.literal(true).optional(),
      want,
    }),
  ),
})

export type DecisionCase = {
  readonly file: string
  readonly line: number
  readonly description: string
  readonly input: unknown
  readonly want: z.infer<typeof want>
}

/** @throws {Error} naming the file, when a case is not understood or its input is not a decision request. */
export async function loadCases(folder: string): Promise<DecisionCase[]> {
  const bases = part.parse(
    parse(await readFile(join(folder, 'bases.yaml'), 'utf8'), { merge: true }),
  )
  const files = (await readdir(folder)).filter(
    (name) => name.endsWith('.yaml') && name !== 'bases.yaml',
  )
  const cases: DecisionCase[] = []
  for (const name of files.sort()) {
    const file = join(folder, name)
    const text = await readFile(file, 'utf8')
    try {
      cases.push(...readCases(file, text, bases))
    } catch (error) {
      throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
  if (cases.length === 0) throw new Error(`${folder}: there are no decision cases`)
  return cases
}

function readCases(file: string, text: string, bases: Record<string, unknown>): DecisionCase[] {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, merge: true })
  const [problem] = document.errors
  if (problem) throw problem
  const { base, cases } = caseFile.parse(document.toJS())
  if (!Object.hasOwn(bases, base)) throw new Error(`base "${base}" is not in bases.yaml`)
  return cases.map(({ description, input: patch, malformed, want }, at) => {
    const input = mergePatch(bases[base], patch)
    const shaped = policyInput.safeParse(input)
    if (!shaped.success && !malformed)
      throw new Error(`"${description}": not a decision request: ${z.prettifyError(shaped.error)}`)
    if (shaped.success && malformed) throw new Error(`"${description}" is not malformed`)
    const node = document.getIn(['cases', at], true) as { range?: [number, number, number] }
    return { file, line: counter.linePos(node.range?.[0] ?? 0).line, description, input, want }
  })
}

/** RFC 7396 §2. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = mergePatch(merged[key], value)
  }
  return merged
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @returns what differs from the case's `want`, in words; empty when nothing does. */
export function judge({ want }: DecisionCase, output: unknown): string[] {
  const parsed = verdict.safeParse(output)
  if (!parsed.success) return [`not a verdict: ${JSON.stringify(output)}`]
  const { effect, reasons, obligations } = parsed.data
  const differs: string[] = []
  const expect = (name: string, got: unknown, wanted: unknown) => {
    if (!isDeepStrictEqual(got, wanted))
      differs.push(`${name}: want ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`)
  }
  expect('effect', effect, want.effect)
  expect(
    'rules',
    reasons.map((reason) => reason.rule),
    want.rules,
  )
  if (want.message !== undefined) expect('message', reasons[0]?.message, want.message)
  if (want.obligations) expect('obligations', obligations, want.obligations)
  for (const wanted of want.includes ?? [])
    if (!obligations.some((one) => agrees(one, wanted)))
      differs.push(`no obligation ${JSON.stringify(wanted)} in ${JSON.stringify(obligations)}`)
  for (const unwanted of want.excludes ?? [])
    if (obligations.some((one) => agrees(one, unwanted)))
      differs.push(`an obligation ${JSON.stringify(unwanted)}`)
  return differs
}

const agrees = (value: object, wanted: Record<string, unknown>): boolean =>
  Object.entries(wanted).every(([key, part]) =>
    isDeepStrictEqual((value as Record<string, unknown>)[key], part),
  )
