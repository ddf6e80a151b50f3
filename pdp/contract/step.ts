import { z } from 'zod'

/**
 * What everybody who may read the log sees of a record: who, where, what was decided, how it ended, how much. Small,
 * and without anything of a message: no target, header, body, fact or reason.
 */

const counts = z.record(z.string(), z.int().nonnegative())
const size = z.int().nonnegative()

const operation = {
  /** By the clock of the enforcement point, milliseconds since the epoch. */
  time_ms: z.int().nonnegative(),
  operation_id: z.string(),
  session_id: z.string(),
}

const described = {
  ...operation,
  parent_id: z.string().optional(),
  subject: z.strictObject({ issuer: z.string(), type: z.string(), id: z.string() }),
  connection: z.string(),
  /** Name of the action. */
  action: z.string(),
  resource_type: z.string(),
  decision: z.strictObject({
    id: z.string(),
    effect: z.enum(['allow', 'deny', 'approve']),
    /** Ids of the rules that decided. */
    rules: z.array(z.string()),
    revision: z.string(),
    /** Kinds of the obligations. */
    obligations: z.array(z.string()),
    approval_id: z.string().optional(),
  }),
  masked: counts,
  observed: counts,
}

const direction = z.enum(['sent', 'forwarded', 'received', 'delivered'])

export const step = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('intent'), ...described }),
  z.strictObject({ kind: z.literal('decision'), ...described, refused: z.string().optional() }),
  z.strictObject({
    kind: z.literal('chunk'),
    ...operation,
    direction,
    offset: size,
    bytes: size,
  }),
  z.strictObject({
    kind: z.literal('outcome'),
    ...operation,
    result: z.enum(['completed', 'failed', 'cut', 'aborted', 'unknown']),
    status: z.int().optional(),
    bytes_in: size,
    bytes_out: size,
    masked: counts,
    observed: counts,
    truncated: z.array(z.strictObject({ direction, limit_bytes: size })).optional(),
  }),
  z.strictObject({
    kind: z.literal('event'),
    time_ms: operation.time_ms,
    name: z.string(),
    /** JSON. */
    detail: z.record(z.string(), z.unknown()),
  }),
])
export type Step = z.infer<typeof step>
