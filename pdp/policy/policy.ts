import type { Revision } from '../contract/brand.ts'
import type { ExtractionProfile } from '../contract/profile.ts'
import type { PolicyIndex } from '../bundle/policy-index.ts'
import type { Result } from '../contract/result.ts'
import type { EvaluationOptions } from '../engine/engine.ts'
import type { EvaluationError } from '../engine/errors.ts'

/**
 * The policy that decides now: one immutable snapshot of every bundle. A request takes it once and keeps it to its
 * end, so that no request sees half a change.
 */
export type ActivePolicy = {
  /** What decides: all bundles and `countersign.yaml`, in one hash. */
  readonly revision: Revision
  readonly bundles: readonly ActiveBundle[]
  readonly profile: ExtractionProfile
  /** What rules say of themselves. */
  readonly index: PolicyIndex
  /** Rego sources, sorted by id. */
  readonly modules: readonly PolicyModuleSource[]
  /** An entrypoint's document from JavaScript's values: the way of decisions. */
  readonly evaluate: (
    entrypoint: string,
    input: unknown,
    options?: EvaluationOptions,
  ) => Result<unknown, EvaluationError>
  /** Any document, from JSON text: the way of OPA's API. */
  readonly document: QueryDocument
}

export type ActiveBundle = {
  readonly name: string
  /** The manifest's. */
  readonly revision: string
  /** sha256 hex of the bundle as it came. */
  readonly digest: string
  /** When it became active, milliseconds since the epoch. */
  readonly activated_ms: number
}

export type PolicyModuleSource = {
  /** `<bundle>/<path within it>`. */
  readonly id: string
  readonly raw: string
}

/**
 * Evaluates `data.<path>`; synchronous, never throws.
 * @param path `[]` is the whole of data.
 * @param input the input document as JSON text, number literals kept; `undefined` for none.
 * @returns the document's value as JSON text (sets as sorted arrays, number literals kept); `json: undefined` where it is undefined.
 */
export type QueryDocument = (
  path: readonly string[],
  input: string | undefined,
  options?: EvaluationOptions,
) => Result<{ readonly json: string | undefined }, DocumentError>

export type DocumentError = {
  /**
   * `undefined_document_path`: rules live there that no entrypoint was compiled for, so that nobody knows the answer; it must
   * not be taken as undefined. The others are OPA's codes, `eval_type_error` and `eval_builtin_error` only when strict.
   */
  readonly code:
    | 'undefined_document_path'
    | 'invalid_input'
    | 'eval_conflict_error'
    | 'eval_type_error'
    | 'eval_builtin_error'
    /** Out of steps: the deadline of an evaluation. */
    | 'eval_cancel_error'
    | 'eval_internal_error'
  readonly message: string
}

/** Who asks for the policy that is active now. */
export type CurrentPolicy = () => ActivePolicy
