/** Why a policy module was not loaded. */
export type LoadErrorCode =
  | 'ENGINE_MODULE'
  | 'ENGINE_BUILTIN_MISSING'
  | 'ENGINE_DATA'
  | 'ENGINE_ENTRYPOINTS'

/** Why an evaluation has no answer. Whoever asked must deny. */
export type EvaluationErrorCode =
  /** The entrypoint is not in the module. */
  | 'ENGINE_ENTRYPOINT'
  /** The input cannot be written as JSON: cyclic, too deep, a bigint. */
  | 'ENGINE_INPUT'
  /** Two rules gave different values for one document. */
  | 'ENGINE_CONFLICT'
  /** The module gave up by itself. */
  | 'ENGINE_ABORT'
  /** More steps than an evaluation may take. */
  | 'ENGINE_STEPS'
  /** Out of memory or stack, or another trap. */
  | 'ENGINE_TRAP'
  /** A builtin asked for what this request does not have, would take too much, or is broken. */
  | 'ENGINE_BUILTIN'
  /** Strict alone: a builtin was given a value of another type than it takes. */
  | 'ENGINE_STRICT_TYPE'
  /** Strict alone: a builtin cannot do what it was given. */
  | 'ENGINE_STRICT_BUILTIN'

/** Thrown where a module is loaded; evaluation returns its errors as values. */
export class EngineError extends Error {
  readonly code: LoadErrorCode | EvaluationErrorCode
  constructor(
    code: LoadErrorCode | EvaluationErrorCode,
    message: string,
    options?: { cause: unknown },
  ) {
    super(message, options)
    this.name = 'EngineError'
    this.code = code
  }
}

/** What `evaluate` returns in place of an answer. */
export type EvaluationError = { readonly code: EvaluationErrorCode; readonly message: string }

/** An error of what a policy gave to a builtin: its expression is undefined. Codes as in OPA's errors. */
export class BuiltinError extends Error {
  readonly code: 'eval_type_error' | 'eval_builtin_error'
  constructor(code: 'eval_type_error' | 'eval_builtin_error', message: string) {
    super(message)
    this.name = 'BuiltinError'
    this.code = code
  }
}

/** Thrown through an evaluation that is strict, with the builtin's name. */
export class StrictError extends Error {
  readonly code: BuiltinError['code']
  constructor(builtin: string, cause: BuiltinError) {
    super(`${builtin}: ${cause.message}`, { cause })
    this.code = cause.code
  }
}
