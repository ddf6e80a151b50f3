import { answer, type Arrival } from '../../core/exchange.ts'
import type { Header } from '../../core/headers.ts'
import type { Refusal, RefusalCode } from '../../core/refusal.ts'

const statuses = {
  unauthenticated: 401,
  bad_request: 400,
  too_large: 413,
  unknown_connection: 404,
  denied: 403,
  obligation_unsupported: 403,
  approval_pending: 409,
  approval_denied: 403,
  approval_expired: 403,
  response_refused: 502,
  pdp_unavailable: 503,
  record_unavailable: 503,
  credential_unavailable: 503,
  upstream_unavailable: 502,
  upstream_timeout: 504,
  client_gone: 499,
  internal: 500,
} as const satisfies Record<RefusalCode, number>

/** Seconds after which the same request may be sent again; absent where that would not help. */
const retryAfter: Partial<Record<RefusalCode, string>> = {
  approval_pending: '1', // the request itself waits
  pdp_unavailable: '5',
  record_unavailable: '5',
  credential_unavailable: '5',
}

/** Answers with `{ error: { code, message, decision_id?, approval_id? } }`, while nothing was sent yet. */
export function refuse(arrival: Arrival, refusal: Refusal): void {
  const headers: Header[] = [['content-type', 'application/json']]
  if (refusal.code === 'unauthenticated')
    headers.push(['www-authenticate', 'Bearer realm="countersign"'])
  const retry = retryAfter[refusal.code]
  if (retry !== undefined) headers.push(['retry-after', retry])
  const { code, message, decision_id, approval_id } = refusal
  const error = {
    code,
    message: `Countersign: ${message}`,
    ...(decision_id !== undefined && { decision_id }),
    ...(approval_id !== undefined && { approval_id }),
  }
  answer(arrival, statuses[code], headers, JSON.stringify({ error }))
}
