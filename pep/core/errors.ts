export type PepErrorCode =
  | 'PEP_CONFIG'
  /** The journal cannot take a record: disk full, closed, or its backlog is past the bound. */
  | 'PEP_JOURNAL'
  /** A broken invariant of the PEP itself. */
  | 'PEP_INVARIANT'

/** The PEP's one error class; expected outcomes are values, see `Refusal`. */
export class PepError extends Error {
  readonly code: PepErrorCode
  constructor(code: PepErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PepError'
    this.code = code
  }
}
