import type { Decision } from '../../pdp/contract/decision.ts'
import type { DecisionRequest } from '../../pdp/contract/request.ts'
import { redacted } from '../../pep/mask/replace.ts'
import type { Masker } from './masker.ts'
import { maskTarget } from './target.ts'
import { maskValue } from './values.ts'

/** What of a decision request is ours, or says who asks: ids, names, times, digests, counts by detector. */
const keptOfRequest: ReadonlySet<string> = new Set([
  'subject.type',
  'subject.id',
  'subject.properties.issuer',
  'subject.properties.groups',
  'subject.properties.scopes',
  'action.name',
  'resource.type',
  'resource.properties',
  'context.time_ms',
  'context.session.id',
  'context.source.address',
  'context.source.listener',
  'context.approval',
  'context.facts.detectors',
  'context.facts.phrases',
  'context.facts_revision',
])

/** What of a decision is ours or policy's own: all but the messages, into which policy may put what it was asked. */
const keptOfDecision: ReadonlySet<string> = new Set([
  'id',
  'effect',
  'reasons.*.rule',
  'obligations',
  'revision',
  'taints',
  'approval',
])

/** Where facts are cut, characters: what stands there may be the beginning of a value. See `pep/facts/`. */
const cutAt: ReadonlySet<number> = new Set([64, 128, 253, 256, 512, 1024, 2048, 4096, 8192])
/** Room for the fields of a tool's input in its facts: the last may be cut anywhere. */
const INPUT_ROOM = 24 * 1024

const FACTS = 'context.facts.'

/**
 * A request without what its facts say of a body in which policy masks fields: which of them came from those fields is
 * not on record. What a field held, no detector knows.
 */
export function withoutFields(request: DecisionRequest): DecisionRequest {
  const { context } = request
  const { tool, shell, sql, ...facts } = context.facts
  const hidden = {
    ...facts,
    paths: hide(facts.paths),
    ...(tool && {
      tool: {
        ...tool,
        input: hide(tool.input),
        paths: hide(tool.paths),
        hosts: hide(tool.hosts),
      },
    }),
    ...(shell && { shell: hide(shell) }),
    ...(sql && { sql: hide(sql) }),
  }
  return { ...request, context: { ...context, facts: hidden as typeof context.facts } }
}

/** Every text and number of a value, in the place that it has. */
function hide(value: unknown): unknown {
  if (typeof value === 'string' || typeof value === 'number') return redacted('field')
  if (Array.isArray(value)) return value.map(hide)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, hide(one)]))
}

/** Masks a decision request. */
export function maskRequest(masker: Masker, request: DecisionRequest): unknown {
  const full = isFull(request)
  // A digest of something short is as good as the thing itself.
  const { action_digest: _, ...context } = request.context
  const asked = { ...request, context }
  const worded = masker.worded(JSON.stringify(request.context.facts)).map(bare)
  return maskValue(masker, togetherMasked(masker, asked), {
    keeps: (path) => keptOfRequest.has(path),
    text(path, text, name) {
      const isPath = path === 'resource.id' || path === `${FACTS}http.path`
      if (isPath && text.startsWith('/')) return maskTarget(masker, text)
      if (!path.startsWith(FACTS)) return undefined
      const cut = cutAt.has(text.length) || (full && path.startsWith(`${FACTS}tool.input.`))
      // What was taken out of a command is without the word that says what it is.
      const inside = worded.some(
        (value) => bare(text).includes(value) || value.includes(bare(text)),
      )
      const out = masker.named(name, text, cut)
      return inside && text.length >= LEAST_WORDED && out === text ? redacted('credential') : out
    },
  })
}

/** A shorter part of a value is a word like others. */
const LEAST_WORDED = 12
/** Paths are recorded without double slashes. */
const bare = (text: string): string => text.replace(/\/{2,}/g, '/').replace(/=+$/, '')

function isFull({ context }: DecisionRequest): boolean {
  const input = Object.entries(context.facts.tool?.input ?? {})
  return input.reduce((sum, pair) => sum + pair.join('').length, 0) >= INPUT_ROOM
}

/** Parts of a path and of a query that hold a value only one after the other are not shown. */
function togetherMasked(masker: Masker, request: DecisionRequest): DecisionRequest {
  const { context } = request
  const { http } = context.facts
  if (!http) return request
  const parts = [...http.segments, ...Object.entries(http.query).flat(2)].map((part) =>
    masker.text(part),
  )
  const found = ['\n', ''].flatMap((glue) => masker.findings(parts.join(glue)))
  if (found.length === 0) return request
  const segments = [[...new Set(found)].map(redacted).join('')]
  const facts = { ...context.facts, http: { ...http, segments, query: {} } }
  return { ...request, context: { ...context, facts } }
}

/** Masks a decision. */
export const maskDecision = (masker: Masker, decision: Decision): unknown =>
  maskValue(masker, decision, { keeps: (path) => keptOfDecision.has(path) })
