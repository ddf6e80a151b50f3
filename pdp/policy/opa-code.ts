import { assertNever } from '../contract/result.ts'
import type { EvaluationErrorCode } from '../engine/errors.ts'

/** OPA's code of an evaluation's error (OPA, `topdown` errors). */
export function opaCode(code: EvaluationErrorCode) {
  switch (code) {
    case 'ENGINE_CONFLICT':
      return 'eval_conflict_error'
    case 'ENGINE_STRICT_TYPE':
      return 'eval_type_error'
    case 'ENGINE_STRICT_BUILTIN':
      return 'eval_builtin_error'
    case 'ENGINE_STEPS':
      return 'eval_cancel_error'
    case 'ENGINE_INPUT':
      return 'invalid_input'
    case 'ENGINE_ENTRYPOINT':
      return 'undefined_document_path'
    case 'ENGINE_ABORT':
    case 'ENGINE_BUILTIN':
    case 'ENGINE_TRAP':
      return 'eval_internal_error'
    default:
      return assertNever(code)
  }
}
