import type { Refusal, RefusalCode } from '../../core/refusal.ts'

/**
 * What the SDKs make of a status decides which one a refusal gets: 451 is shown with its message and never tried
 * again, 409 is tried again by itself, which is right while an approval is pending, and 5xx are tried again, which
 * is right for what may come back.
 */
const statuses = {
  unauthenticated: [401, 'authentication_error'],
  bad_request: [400, 'invalid_request_error'],
  too_large: [413, 'request_too_large'],
  unknown_connection: [404, 'not_found_error'],
  denied: [451, 'permission_error'],
  obligation_unsupported: [451, 'permission_error'],
  approval_pending: [409, 'approval_pending'],
  approval_denied: [451, 'permission_error'],
  approval_expired: [451, 'permission_error'],
  response_refused: [451, 'permission_error'],
  pdp_unavailable: [503, 'api_error'],
  record_unavailable: [503, 'api_error'],
  credential_unavailable: [503, 'api_error'],
  upstream_unavailable: [502, 'api_error'],
  upstream_timeout: [504, 'timeout_error'],
  client_gone: [499, 'api_error'],
  internal: [500, 'api_error'],
} as const satisfies Record<RefusalCode, readonly [status: number, type: string]>

/** An answer in the shape of the API's errors. */
export type RefusalAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The answer when nothing was sent yet. Names the decision and the approval, for people who ask why. */
export function refusalAnswer(refusal: Refusal): RefusalAnswer {
  const [status, type] = statuses[refusal.code]
  const retry: Record<string, string> =
    status === 409
      ? { 'retry-after': '1' } // the request itself waits, so the next may follow at once
      : status < 500
        ? { 'x-should-retry': 'false' }
        : {}
  const error = {
    type,
    message: `Countersign: ${refusal.message.replace(/[.\s]+$/, '')}${reference(refusal)}.`,
    code: refusal.code,
    ...(refusal.decision_id !== undefined && { decision_id: refusal.decision_id }),
    ...(refusal.approval_id !== undefined && { approval_id: refusal.approval_id }),
  }
  return {
    status,
    headers: { 'content-type': 'application/json', ...retry },
    body: JSON.stringify({ type: 'error', error }),
  }
}

/** The sentence that stands for a tool call that was refused. */
export function refusalText(what: string, refusal: Refusal): string {
  return `[Countersign refused ${what}: ${refusal.message.replace(/[.\s]+$/, '')}${reference(refusal)}.]`
}

function reference({ decision_id, approval_id, message }: Refusal): string {
  const ids = [
    ...(decision_id === undefined ? [] : [`decision ${decision_id}`]),
    ...(approval_id === undefined || message.includes(approval_id)
      ? []
      : [`approval ${approval_id}`]),
  ]
  return ids.length === 0 ? '' : ` (${ids.join(', ')})`
}
