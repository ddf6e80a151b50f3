import type { Facts, HttpFacts } from '../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../pdp/contract/profile.ts'
import { PepMaskError } from '../mask/errors.ts'
import { compileFindings } from '../mask/findings.ts'
import { compileMask, type Mask } from '../mask/mask.ts'
import type { Counts } from '../mask/types.ts'
import { compilePaths, type PathFacts } from './paths.ts'
import { compilePhrases } from './phrases.ts'

/** What a request is made of, as facts are extracted from it. */
export type HttpView = {
  readonly connection: string
  readonly method: string
  readonly path: string
  readonly segments: string[]
  readonly query: Record<string, string[]>
  /** Media type, lower case, without parameters. */
  readonly content_type: string | undefined
  /** -1: it streams and its length is not declared. */
  readonly body_bytes: number
  /** The whole body; absent when it streams. */
  readonly body: Buffer | undefined
  /** Found before, and part of what facts do not tell. */
  readonly incomplete: readonly string[]
}

/** A body that says it is JSON and is not, or that two readers would read differently: refuse it. */
export class BodyError extends Error {}

type Compiled = {
  readonly findings: (text: string) => Counts
  readonly phrases: (text: string) => string[]
  readonly paths: (document: unknown) => PathFacts
  /** Counts in JSON, and refuses what is not JSON to every reader. */
  readonly json: Mask
  /** Whether the document itself is asked for, and not only its text. */
  readonly needsDocument: boolean
  readonly wantsPaths: boolean
}

/** @throws {BodyError} see there. */
export type HttpExtraction = (profile: ExtractionProfile, view: HttpView) => Facts

/** Observing masks write nothing, so their keys are never used. */
const unusedKeys = { hash: new Uint8Array(32), token: new Uint8Array(32) }

/** Facts of HTTP requests; compiles each profile once. */
export function createHttpExtraction(): HttpExtraction {
  const known = new WeakMap<ExtractionProfile, Compiled>()
  return (profile, view) => {
    let compiled = known.get(profile)
    if (!compiled) known.set(profile, (compiled = compile(profile)))
    const facts = extract(compiled, view)
    const missed = view.body === undefined && profile.inspect_bodies.includes(view.connection)
    // The profile changed while the request was on its way.
    return missed ? { ...facts, incomplete: [...facts.incomplete, 'body.not_inspected'] } : facts
  }
}

function compile(profile: ExtractionProfile): Compiled {
  const { detectors, custom_detectors: customs } = profile
  return {
    findings: compileFindings(detectors, customs),
    phrases: compilePhrases(profile.phrases),
    paths: compilePaths(profile.json_paths),
    json: compileMask([{ detectors, style: 'redact', observe: true }], {
      customs,
      keys: unusedKeys,
    }),
    needsDocument: profile.json_paths.length > 0 || profile.phrases.length > 0,
    wantsPaths: profile.json_paths.length > 0,
  }
}

function extract(compiled: Compiled, view: HttpView): Facts {
  const body = view.body === undefined ? undefined : inspect(compiled, view, view.body)
  const search = targetText(view)
  const inTarget = compiled.findings(search)
  const phrases = [...new Set([...(body?.phrases ?? []), ...compiled.phrases(search)])]
  const http: HttpFacts = {
    method: view.method,
    path: view.path,
    segments: view.segments,
    query: view.query,
    ...(view.content_type !== undefined && { content_type: view.content_type }),
    body_bytes: view.body_bytes,
    inspected: body?.inspected ?? false,
  }
  return {
    detectors: merged(body?.detectors ?? {}, inTarget),
    phrases,
    paths: body?.paths.paths ?? {},
    incomplete: [
      ...view.incomplete,
      ...(body?.incomplete ?? []),
      ...(body?.paths.incomplete ?? []),
    ],
    http,
  }
}

/** Text of the path and query that may hold something: decoded, values apart from each other. */
function targetText({ segments, query }: HttpView): string {
  const values = Object.entries(query).flatMap(([name, values]) => [name, ...values])
  return [...segments, ...values].join('\u0000')
}

function merged(a: Counts, b: Counts): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const [name, count = 0] of [...Object.entries(a), ...Object.entries(b)])
    sum[name] = (sum[name] ?? 0) + count
  return sum
}

type BodyFacts = {
  readonly detectors: Counts
  readonly phrases: string[]
  readonly paths: PathFacts
  readonly inspected: boolean
  readonly incomplete: readonly string[]
}

const noPaths: PathFacts = { paths: {}, incomplete: [] }
const emptyBody: BodyFacts = {
  detectors: {},
  phrases: [],
  paths: noPaths,
  inspected: true,
  incomplete: [],
}

function inspect(compiled: Compiled, view: HttpView, body: Buffer): BodyFacts {
  if (body.length === 0) return emptyBody
  const text = utf8(body)
  if (text === undefined) {
    if (isJson(view.content_type)) throw new BodyError('it is not UTF-8')
    return { ...emptyBody, inspected: false, incomplete: ['body.not_text'] }
  }
  if (isJson(view.content_type)) return inspectJson(compiled, body, text)
  // Whatever it is called: a server may parse it, and then policy must have seen the same.
  const document = couldBeJson(text) ? parse(text) : undefined
  if (document !== undefined) return inspectJson(compiled, body, text)
  return view.content_type === 'application/x-www-form-urlencoded'
    ? inspectForm(compiled, text)
    : inspectText(compiled, text)
}

function inspectJson(compiled: Compiled, body: Buffer, text: string): BodyFacts {
  const masker = compiled.json.json()
  try {
    masker.push(body)
    masker.end()
  } catch (error) {
    if (error instanceof PepMaskError && error.code !== 'PEP_MASK_DETECTOR')
      throw new BodyError(`it is not JSON that every reader reads alike: ${error.message}`)
    throw error
  }
  if (!compiled.needsDocument) return { ...emptyBody, detectors: masker.counts }
  const document = parse(text)
  if (document === undefined) throw new BodyError('it is not valid JSON')
  return {
    detectors: masker.counts,
    phrases: compiled.phrases(texts(document)),
    paths: compiled.paths(document),
    inspected: true,
    incomplete: [],
  }
}

function inspectForm(compiled: Compiled, text: string): BodyFacts {
  const lists = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(text))
    lists.set(name, [...(lists.get(name) ?? []), value])
  const repeated = [...lists.values()].some((values) => values.length > 1)
  const document = Object.fromEntries(
    [...lists].map(([name, values]) => [name, values.length === 1 ? values[0] : values]),
  )
  const decoded = texts(document)
  return {
    detectors: compiled.findings(decoded),
    phrases: compiled.phrases(decoded),
    paths: compiled.paths(document),
    // Servers take the first, the last, or a list of fields that are there twice.
    inspected: !(compiled.wantsPaths && repeated),
    incomplete: [],
  }
}

const inspectText = (compiled: Compiled, text: string): BodyFacts => ({
  detectors: compiled.findings(text),
  phrases: compiled.phrases(text),
  paths: noPaths,
  // Paths say nothing about text: rules that depend on them must not take it for a body without the field.
  inspected: !compiled.wantsPaths,
  incomplete: [],
})

export const isJson = (type: string | undefined): boolean =>
  type === 'application/json' || type === 'text/json' || type?.endsWith('+json') === true

const couldBeJson = (text: string): boolean => /^[\s\ufeff]*[[{]/.test(text)

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  } catch {
    return undefined
  }
}

/** All strings of a document, keys too, apart from each other. */
function texts(document: unknown): string {
  const found: string[] = []
  const walk = (node: unknown): void => {
    if (typeof node === 'string') found.push(node)
    else if (Array.isArray(node)) node.forEach(walk)
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        found.push(key)
        walk(value)
      }
    }
  }
  walk(document)
  return found.join('\u0000')
}
