/**
 * Why an operation does not go on. Codes are stable: adapters map them to their protocol's answers in
 * `refuse.ts`, clients and dashboards may match on them.
 */
export type RefusalCode =
  /** No, several, or an unverifiable credential. Nothing reached policy. */
  | 'unauthenticated'
  /** Not this protocol, or something inspection could not see through. */
  | 'bad_request'
  | 'too_large'
  | 'unknown_connection'
  | 'denied'
  | 'pdp_unavailable'
  | 'obligation_unsupported'
  | 'approval_pending'
  | 'approval_denied'
  | 'approval_expired'
  /** The record cannot be written or the backlog is full: nothing is forwarded unrecorded. */
  | 'record_unavailable'
  | 'credential_unavailable'
  | 'upstream_unavailable'
  | 'upstream_timeout'
  /** The answer could not be inspected or broke a limit. */
  | 'response_refused'
  | 'client_gone'
  | 'internal'

export type Refusal = {
  readonly code: RefusalCode
  /** A sentence for the person who reads it; never holds a secret. */
  readonly message: string
  readonly decision_id?: string
  readonly approval_id?: string
}
