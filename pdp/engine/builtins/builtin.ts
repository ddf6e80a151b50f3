import type { Value } from '../value.ts'

/** What a builtin may know beside its arguments. */
export type Host = {
  /** The evaluation's input; `undefined` when there is none. */
  readonly input: () => unknown
  /** The time of an evaluation whose input has none, in milliseconds since the epoch. */
  readonly time_ms?: number | undefined
  /** Errors of builtins end the evaluation. */
  readonly strict: boolean
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
