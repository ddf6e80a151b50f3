import type { Decision } from '../../pdp/contract/decision.ts'
import type { LimitObligation, MaskObligation, Obligation } from '../../pdp/contract/obligation.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { ObligationSupport } from './obligations.ts'
import type { Refusal } from './refusal.ts'

/** The obligations of a decision, sorted by what has to be done. */
export type Enforcement = {
  readonly mask_request: readonly MaskObligation[]
  readonly mask_response: readonly MaskObligation[]
  /** Whether the input of this tool call gets the values of its tokens. */
  readonly restore_input: boolean
  readonly record_body: 'full' | 'masked' | 'metadata'
  readonly limit: Readonly<Omit<LimitObligation, 'kind'>>
}

type Draft = {
  mask_request: MaskObligation[]
  mask_response: MaskObligation[]
  restore_input: boolean
  record_body: Enforcement['record_body']
  limit: { -readonly [K in keyof Enforcement['limit']]: Enforcement['limit'][K] }
}

/** Says what cannot be kept, or adds the obligation to the draft. */
type Keep<K extends Obligation['kind']> = (
  obligation: Extract<Obligation, { kind: K }>,
  support: ObligationSupport,
  draft: Draft,
) => string | undefined

/** Least kept wins when several rules ask for a record. */
const recordOrder = ['full', 'masked', 'metadata'] as const

const keep: { [K in Obligation['kind']]: Keep<K> } = {
  mask: (obligation, support, draft) => {
    if (obligation.restore && support.restore !== 'reply') return 'restore what it masks'
    if (obligation.columns !== undefined && !support.mask_columns) return 'mask columns'
    if (obligation.where === 'request') {
      if (!support.mask_request) return 'mask the request'
      draft.mask_request.push(obligation)
    } else {
      if (!support.mask_response) return 'mask the response'
      draft.mask_response.push(obligation)
    }
    return undefined
  },
  // The gate has dealt with it: an allow that still asks for approval is a contradiction.
  approve: () => 'approve an operation that is already allowed',
  restore: (_obligation, support, draft) => {
    if (support.restore !== 'input') return 'restore tokens'
    draft.restore_input = true
    return undefined
  },
  record: (obligation, _support, draft) => {
    if (recordOrder.indexOf(obligation.body) > recordOrder.indexOf(draft.record_body)) {
      draft.record_body = obligation.body
    }
    return undefined
  },
  limit: ({ kind: _, ...limit }, support, draft) => {
    for (const name of ['max_bytes', 'max_rows', 'timeout_ms'] as const) {
      const value = limit[name]
      if (value === undefined) continue
      if (!support.limits.includes(name)) return `limit ${name}`
      draft.limit[name] = Math.min(value, draft.limit[name] ?? value)
    }
    if (limit.content_types !== undefined) {
      if (!support.limits.includes('content_types')) return 'limit content_types'
      const before = draft.limit.content_types
      const allowed = limit.content_types
      draft.limit.content_types = before ? before.filter((type) => allowed.includes(type)) : allowed
    }
    return undefined
  },
}

function keepOne<K extends Obligation['kind']>(
  obligation: Extract<Obligation, { kind: K }>,
  support: ObligationSupport,
  draft: Draft,
): string | undefined {
  // Fail closed: a newer decision service may ask for what this one does not know.
  if (!Object.hasOwn(keep, obligation.kind)) return 'do something unknown'
  return keep[obligation.kind](obligation, support, draft)
}

/** Turns the obligations of an allow into what the adapter must do; one that cannot be kept refuses the whole. */
export function enforce(
  decision: Decision,
  support: ObligationSupport,
): Result<Enforcement, Refusal> {
  const draft: Draft = {
    mask_request: [],
    mask_response: [],
    restore_input: false,
    record_body: 'full',
    limit: {},
  }
  for (const obligation of decision.obligations) {
    const failed = keepOne(obligation, support, draft)
    if (failed !== undefined) {
      return err({
        code: 'obligation_unsupported',
        message: `policy asks to ${failed}, which cannot be done here`,
        decision_id: decision.id,
      })
    }
  }
  return ok(draft)
}
