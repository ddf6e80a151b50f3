declare const brand: unique symbol

/** A string or number that was checked once, where it was parsed, and cannot be made by accident. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Content revision of policy: sha256 hex over the bundle and `countersign.yaml`. */
export type Revision = Brand<string, 'Revision'>
/** Identifies one decision; assigned by the PDP. UUID. */
export type DecisionId = Brand<string, 'DecisionId'>
/** Identifies one operation of an agent; assigned by the PEP. UUID. */
export type OperationId = Brand<string, 'OperationId'>
/** Identifies one approval; assigned by the PDP. UUID. */
export type ApprovalId = Brand<string, 'ApprovalId'>
/** sha256 hex of a canonical action, see `action.ts`. */
export type ActionDigest = Brand<string, 'ActionDigest'>
