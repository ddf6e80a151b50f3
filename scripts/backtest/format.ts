import { z } from 'zod'
import { effect, type Verdict } from '../../pdp/contract/decision.ts'
import type { ApprovalContext, DecisionRequest } from '../../pdp/contract/request.ts'

/**
 * Recorded decisions as JSON lines, as `GET /v1/evidence/decisions` streams them: a header, then decisions and, each
 * before the first decision made under it, policies; an end that says how many decisions there were. A file of them may
 * be gzip.
 */

/** Why recorded decisions cannot be used. Nothing is left out in silence: what is not understood ends the run. */
export class BacktestError extends Error {
  readonly code:
    /** It ends before its end, so what is missing could be anything. */
    | 'BACKTEST_CUT'
    /** A line that is not understood. */
    | 'BACKTEST_LINE'
    /** Not recorded decisions, or of another version. */
    | 'BACKTEST_FORMAT'
    /** A policy that is not the one it says it is. */
    | 'BACKTEST_POLICY'
  constructor(code: BacktestError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BacktestError'
    this.code = code
  }
}

export const FORMAT = 'countersign-decisions'

const header = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  /** Whether recorded bodies come along. */
  bodies: z.boolean(),
})

const policy = z.strictObject({
  policy: z.strictObject({
    revision: z.string(),
    /** sha256 hex of `countersign.yaml`; the revision covers it. */
    config_digest: z.string(),
    bundles: z.array(z.strictObject({ name: z.string(), archive: z.base64() })).min(1),
  }),
})

const end = z.strictObject({
  end: z.strictObject({
    decisions: z.int().nonnegative(),
    /** Recorded, but erased or sealed under a key that is not there. */
    unreadable: z.int().nonnegative().default(0),
  }),
})

/** What is looked at of an input; policy is shown all of it as it stands. */
const input = z.looseObject({
  subject: z.looseObject({
    type: z.string(),
    id: z.string(),
    properties: z.looseObject({ issuer: z.string() }),
  }),
  action: z.looseObject({ name: z.string() }),
  resource: z.looseObject({
    id: z.string(),
    properties: z.looseObject({ connection: z.string() }),
  }),
  context: z.looseObject({
    session: z.looseObject({ id: z.string(), taints: z.array(z.string()).optional() }),
    facts: z.looseObject({
      detectors: z.record(z.string(), z.number()),
      phrases: z.array(z.string()),
      paths: z.record(z.string(), z.array(z.unknown())),
      incomplete: z.array(z.string()),
    }),
    facts_revision: z.string(),
    approval: z
      .looseObject({ id: z.string(), approvers: z.array(z.string()), approved_ms: z.number() })
      .optional(),
  }),
})

/** What else such a line says is in its input as well, and taken from there. */
const decision = z.object({
  decision_id: z.string(),
  time_ms: z.int(),
  revision: z.string(),
  input,
  verdict: z.object({
    effect,
    reasons: z.array(z.object({ rule: z.string(), message: z.string() })),
    obligations: z.array(z.looseObject({ kind: z.string() })),
  }),
  /** What the agent sent; of a tool call its input. */
  body: z
    .object({
      base64: z.base64(),
      /** Known to be all of it. Needed where the facts do not say how long it was. */
      whole: z.boolean().optional(),
    })
    .optional(),
  exchange: z
    .object({
      method: z.string().optional(),
      target: z.string().optional(),
      /** As forwarded, names in lower case. */
      headers: z.array(z.tuple([z.string(), z.string()])).optional(),
    })
    .optional(),
})

/** An input as policy was asked: with taints and approval where the decision service told of them. */
export type RecordedInput = DecisionRequest & {
  readonly context: {
    readonly approval?: ApprovalContext
    readonly session: { readonly taints?: readonly string[] }
  }
}

export type RecordedVerdict = Pick<Verdict, 'effect' | 'reasons' | 'obligations'>

export type Recorded = {
  readonly decision_id: string
  readonly time_ms: number
  readonly revision: string
  readonly input: RecordedInput
  readonly verdict: RecordedVerdict
  readonly body?: { readonly base64: string; readonly whole?: boolean | undefined } | undefined
  readonly exchange?:
    | {
        readonly method?: string | undefined
        readonly target?: string | undefined
        readonly headers?: readonly [string, string][] | undefined
      }
    | undefined
}

export type RecordedPolicy = z.infer<typeof policy>['policy']
export type Header = z.infer<typeof header>

/** What a line is, by how it begins: most are decisions, and are not parsed to be counted. */
export type LineKind = 'policy' | 'end' | 'decision'

export function kindOf(line: string): LineKind {
  const [, key] = /^\s*\{\s*"(policy|end)"\s*:/.exec(line) ?? []
  return key === 'policy' || key === 'end' ? key : 'decision'
}

/** @throws {BacktestError} BACKTEST_FORMAT */
export function readHeader(line: string): Header {
  const parsed = header.safeParse(jsonOf(line))
  if (parsed.success) return parsed.data
  const message = `not recorded decisions of version 1: the first line must say { "format": "${FORMAT}", "version": 1, … }`
  throw new BacktestError('BACKTEST_FORMAT', message)
}

/** @param at number of the line, from 1. @throws {BacktestError} BACKTEST_LINE */
export const readPolicy = (line: string, at: number): RecordedPolicy =>
  understood(policy, line, at).policy

/** @returns how many decisions there are. @throws {BacktestError} BACKTEST_LINE */
export const readEnd = (line: string, at: number): number => understood(end, line, at).end.decisions

/** @throws {BacktestError} BACKTEST_LINE */
export const readDecision = (line: string, at: number): Recorded =>
  understood(decision, line, at) as unknown as Recorded

function understood<T>(schema: z.ZodType<T>, line: string, at: number): T {
  const json = jsonOf(line)
  const parsed = schema.safeParse(json)
  // As it stands and not as it was parsed: policy is to be shown what it was shown, key by key.
  if (parsed.success) return json as T
  const [issue] = parsed.error.issues
  const where = issue?.path.length ? `${issue.path.join('.')}: ` : ''
  throw new BacktestError(
    'BACKTEST_LINE',
    `line ${at} is not understood: ${where}${issue?.message ?? 'not valid'}`,
  )
}

/** @returns `undefined` for what is not JSON; no schema takes that. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
