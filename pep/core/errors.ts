export type PepErrorCode =
  | 'PEP_CONFIG'
  /** The journal cannot take a record: disk full, or closed. */
  | 'PEP_JOURNAL'
  /** The journal's backlog is past its bound: nothing new is taken, and no part of a body, until more of it is shipped. */
  | 'PEP_BACKLOG'
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
