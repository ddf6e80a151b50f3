import type { Spend } from '../steps.ts'
import type { Value } from '../value.ts'

/** What an evaluation has beside its input's text. */
export type Circumstances = {
  /** The evaluation's input; `undefined` when there is none. */
  readonly input: () => unknown
  /** The time of an evaluation whose input has none, in milliseconds since the epoch. */
  readonly time_ms?: number | undefined
  /** Errors of builtins end the evaluation. */
  readonly strict: boolean
}

/** What a builtin may know and use beside its arguments; another one for each evaluation. */
export type Host = Circumstances & {
  /**
   * To be called for whatever takes longer than in proportion to the arguments, before it is done: one step is about
   * five nanoseconds. The sizes of arguments and answer are taken by themselves.
   * @throws {OutOfSteps} which ends the evaluation.
   */
  readonly spend: Spend
}

/**
 * A builtin that the WASM compiler leaves to the host.
 * @returns `undefined` for undefined.
 * @throws {BuiltinError} and the expression is undefined, as in OPA.
 * @throws {Error} anything else, and the evaluation ends without an answer.
 */
export type Builtin = (args: readonly Value[], host: Host) => Value | undefined

/** One family: builtins by name. */
export type Builtins = Readonly<Record<string, Builtin>>
