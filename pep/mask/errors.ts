export type PepMaskErrorCode =
  /** A rule, detector, path or key that cannot be used. Thrown by `compileMask` only. */
  | 'PEP_MASK_CONFIG'
  | 'PEP_MASK_BAD_JSON'
  | 'PEP_MASK_DUPLICATE_KEY'
  | 'PEP_MASK_DEPTH'
  | 'PEP_MASK_BAD_UTF8'
  /** Something that must be held whole (a key, a number, a frame) is longer than its bound. */
  | 'PEP_MASK_OVERFLOW'
  /** A detector or a key function threw. */
  | 'PEP_MASK_DETECTOR'

/**
 * Masking could not go on. The caller cuts the stream: what was already returned is safe, what was not
 * returned must not be sent. A masker that threw stays failed and throws again.
 */
export class PepMaskError extends Error {
  readonly code: PepMaskErrorCode
  constructor(code: PepMaskErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PepMaskError'
    this.code = code
  }
}
