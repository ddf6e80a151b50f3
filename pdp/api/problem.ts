import type { z } from 'zod'
import type { PdpError, PdpErrorCode } from '../contract/client.ts'

/** An answer that refuses: `{ "error": { "code", "message" } }`. */
export type Problem = {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 500 | 503
  readonly code: string
  /** Says what to do. */
  readonly message: string
}

export const problem = (status: Problem['status'], code: string, message: string): Problem => ({
  status,
  code,
  message,
})

const statuses = {
  PDP_UNAVAILABLE: 503,
  PDP_BAD_ANSWER: 500,
  PDP_UNAUTHENTICATED: 401,
  PDP_REFUSED: 409,
  PDP_RECORD_CONFLICT: 409,
} as const satisfies Record<PdpErrorCode, Problem['status']>

export const problemOf = ({ code, message }: PdpError): Problem =>
  problem(statuses[code], code, message)

export const bodyOf = ({
  code,
  message,
}: Problem): { error: { code: string; message: string } } => ({
  error: { code, message },
})

/** What a zod error says, to who sent it. */
export const malformed = (error: z.ZodError | undefined): Problem => {
  const [issue] = error?.issues ?? []
  const path = issue?.path.join('.') ?? ''
  const keys = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const message =
    path.endsWith('context') && keys.includes('approval')
      ? 'context.approval is set by the decision service alone; leave it out'
      : `${path || 'the request'}: ${issue?.message ?? 'is malformed'}`
  return problem(400, 'PDP_BAD_REQUEST', message)
}
