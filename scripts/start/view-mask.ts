import type { CustomDetector } from '../../pdp/contract/profile.ts'
import {
  type ChunkRecord,
  type Exchange,
  chunksOf,
  journalRecord,
  type JournalRecord,
  type OutcomeRecord,
} from '../../pdp/contract/record.ts'
import { assertNever, err, ok } from '../../pdp/contract/result.ts'
import { createBreather } from '../../pdp/api/breather.ts'
import type { ViewMask } from '../../pdp/evidence/view-mask.ts'
import { type About, maskBody } from '../view/body.ts'
import { maskDecision, maskRequest, withoutFields } from '../view/described.ts'
import { maskHeaders } from '../view/headers.ts'
import { createMasker, type Masker, isRefused, NotShown, reasonOf } from '../view/masker.ts'
import type { Breathe } from '../view/pieces.ts'
import { maskTarget } from '../view/target.ts'
import { maskValue } from '../view/values.ts'

type Described = Extract<JournalRecord, { readonly kind: 'intent' | 'decision' }>

export type ViewMaskOptions = {
  /** Detectors of the active policy, asked for anew for each record. */
  readonly customs: () => readonly CustomDetector[]
}

/**
 * Masks what people look at with the enforcement point's own maskers: all of its detectors and those of policy, whatever
 * policy masked or let pass when it happened.
 */
export function createViewMask({ customs }: ViewMaskOptions): ViewMask {
  const maskerOf = maskers(customs)
  return async (record, operation = []) => {
    try {
      const known = operationOf(record, operation)
      const masked = await maskRecord(maskerOf, record, known, createBreather())
      // Fail closed: also a record that lost its shape is not shown.
      const checked = journalRecord.safeParse(masked)
      return checked.success ? ok(checked.data) : err('it has no known shape')
    } catch (error) {
      return err(reasonOf(error))
    }
  }
}

type Maskers = (fields: readonly string[]) => Masker

/** Most maskers that are kept, one for each list of fields; the oldest goes. */
const MAX_KEPT = 32

function maskers(customs: ViewMaskOptions['customs']): Maskers {
  const kept = new Map<string, Masker>()
  return (fields) => {
    const detectors = customs()
    const key = JSON.stringify([detectors, fields])
    let masker = kept.get(key)
    if (!masker) {
      masker = createMasker(detectors, fields)
      if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? '')
      kept.set(key, masker)
    }
    return masker
  }
}

/** What is known of the operation that a record is a part of. */
type Known = {
  readonly described: Described | undefined
  readonly outcome: OutcomeRecord | undefined
}

function operationOf(record: JournalRecord, others: readonly JournalRecord[]): Known {
  let described: Described | undefined
  let outcome: OutcomeRecord | undefined
  for (const one of [record, ...others]) {
    if (record.kind === 'event' || one.kind === 'event') continue
    if (one.operation_id !== record.operation_id) continue
    if (one.kind === 'intent' || one.kind === 'decision') described ??= one
    if (one.kind === 'outcome') outcome ??= one
  }
  return { described, outcome }
}

async function maskRecord(
  maskerOf: Maskers,
  record: JournalRecord,
  known: Known,
  breathe: Breathe,
): Promise<unknown> {
  const masker = maskerOf([])
  switch (record.kind) {
    case 'intent':
      return maskDescribed(maskerOf, record, known, breathe)
    case 'decision':
      return {
        ...(await maskDescribed(maskerOf, record, known, breathe)),
        ...(record.refused !== undefined && { refused: masker.text(record.refused) }),
      }
    case 'chunk':
      return maskChunk(maskerOf, record, known, breathe)
    case 'outcome':
      return {
        // What it has of the answer is masked and shown as chunks; here it is left out.
        ...chunksOf(record).bare,
        ...(record.reason !== undefined && { reason: masker.text(record.reason) }),
        ...(record.headers && { headers: maskHeaders(masker, record.headers) }),
      }
    case 'event':
      return {
        ...record,
        name: masker.text(record.name),
        detail: maskValue(masker, record.detail, { keeps: () => false }),
      }
    default:
      return assertNever(record)
  }
}

async function maskDescribed(
  maskerOf: Maskers,
  record: Described,
  known: Known,
  breathe: Breathe,
): Promise<Described> {
  const masker = maskerOf([])
  // A tool call stands in a reply: what its body is masked by is what policy says of those.
  const isTool = record.request.resource.type === 'anthropic.tool'
  const fields = fieldsOf(known, isTool ? 'response' : 'request')
  const request = fields.length > 0 ? withoutFields(record.request) : record.request
  // Both are checked as a part of the record, and were recorded as what they are.
  return {
    ...record,
    request: maskRequest(masker, request) as Described['request'],
    decision: maskDecision(masker, record.decision) as Described['decision'],
    exchange: await maskExchange(maskerOf, record.exchange, known, fields, breathe),
  }
}

async function maskExchange(
  maskerOf: Maskers,
  { method, target, headers, body, forwarded, body_bytes }: Exchange,
  known: Known,
  fields: readonly string[],
  breathe: Breathe,
): Promise<Exchange> {
  const masker = maskerOf([])
  const ofBody = maskerOf(fields)
  const about: About = { headers: headers ?? [], plain: isPlain(known), cut: false }
  const whole = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const given = { body: Buffer.from(bytes), pieces: [[0, bytes.length] as const] }
    try {
      return (await maskBody(ofBody, given, about, breathe)).body
    } catch (error) {
      // The decision can be shown without the body that it was about.
      if (isRefused(error)) return Buffer.from(`[NOT SHOWN: ${reasonOf(error)}]`)
      throw error
    }
  }
  return {
    ...(method !== undefined && { method: masker.text(method) }),
    ...(target !== undefined && { target: maskTarget(masker, target) }),
    ...(headers && { headers: maskHeaders(masker, headers) }),
    body_bytes,
    ...(body && { body: await whole(body) }),
    ...(forwarded && { forwarded: await whole(forwarded) }),
    // Without its digest, by which a short body could be guessed, and without the places where bodies are cut.
  }
}

async function maskChunk(
  maskerOf: Maskers,
  record: ChunkRecord,
  known: Known,
  breathe: Breathe,
): Promise<ChunkRecord> {
  if (record.body === undefined) return record
  if (record.offset !== 0) throw new NotShown('it is a part of a body, and not all of it')
  const { direction, body, pieces } = record
  const answer = direction === 'received' || direction === 'delivered'
  const { described, outcome } = known
  const about: About = {
    headers: (answer ? outcome?.headers : described?.exchange.headers) ?? [],
    plain: isPlain(known),
    cut:
      outcome?.truncated?.some((one) => one.direction === direction) === true ||
      (outcome !== undefined && outcome.result !== 'completed'),
  }
  const masker = maskerOf(fieldsOf(known, answer ? 'response' : 'request'))
  const masked = await maskBody(masker, { body: Buffer.from(body), pieces }, about, breathe)
  return {
    ...record,
    body: masked.body,
    pieces: masked.pieces.map(([at_ms, bytes]) => [at_ms, bytes]),
  }
}

/** Fields that policy masked, or only watched, when it happened: no detector knows what is in them. */
const fieldsOf = ({ described }: Known, where: 'request' | 'response'): string[] =>
  (described?.decision.obligations ?? []).flatMap((duty) =>
    duty.kind === 'mask' && duty.where === where ? (duty.fields ?? []) : [],
  )

/** Whether the operation is known to be of another protocol than the Messages API. */
const isPlain = ({ described }: Known): boolean =>
  described?.request.resource.properties.kind === 'http'
