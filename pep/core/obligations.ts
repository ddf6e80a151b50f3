/** Which kinds of obligation an operation's adapter can keep. */
export type ObligationSupport = {
  readonly mask_request: boolean
  readonly mask_response: boolean
  readonly mask_columns: boolean
  /** Where values can be put in place of their tokens again. */
  readonly restore: 'reply' | 'input' | 'nowhere'
  readonly limits: readonly ('max_bytes' | 'content_types' | 'max_rows' | 'timeout_ms')[]
}
