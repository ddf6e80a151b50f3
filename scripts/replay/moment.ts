import type { Counts, Direction, StepSubject } from './step.ts'

/** What is known of an operation from its first step on. */
export type Operation = {
  readonly id: string
  /** The message whose reply holds this tool call. */
  readonly parent_id?: string
  readonly session_id?: string
  readonly session_label?: string
  readonly subject?: StepSubject
  readonly connection: string
  readonly action: string
  /** `anthropic.model claude-…`: type and id. */
  readonly resource: string
  /** Of a tool call in a reply: it is decided on by itself and goes to the agent, not to an upstream. */
  readonly tool_call: boolean
  readonly method?: string
  readonly target?: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Size of what was sent, where it is on record. */
  readonly body_bytes?: number
}

/** A body or why there is none. */
export type Content =
  | { readonly bytes: Buffer }
  | { readonly absent: string }
  /** What went upstream is what the agent sent. */
  | { readonly same: true }

type Of<Kind extends string, Fields> = { readonly kind: Kind } & Fields

/** Something that happened, at its time. */
export type Moment = {
  /** By the clock of who reports, milliseconds since the epoch. */
  readonly at_ms: number
  /** Leaf of the log that tells of it. */
  readonly index: number
  readonly operation_id?: string
} & (
  | Of<'began', { readonly operation: Operation; readonly sent: Content }>
  | Of<'approval', Approval>
  | Of<'decided', Decided>
  | Of<'piece', { readonly direction: Direction; readonly bytes: Buffer }>
  | Of<'outcome', Outcome>
  /** Policy, keys, administration, events of an enforcement point. */
  | Of<'noted', { readonly text: string }>
  /** Something that should be here and is not, or cannot be read. */
  | Of<'gap', { readonly text: string }>
)

export type Approval = {
  readonly approval_id: string
  readonly event: string
  readonly by?: StepSubject
  readonly approve?: boolean
  readonly approvers: readonly string[]
  readonly count?: number
  /** Since it was demanded. */
  readonly waited_ms?: number
  /** What exactly was approved, as JSON, where it may be read. */
  readonly covers?: string
}

export type Decided = {
  readonly decision_id?: string
  readonly effect: string
  readonly rules: readonly { readonly rule: string; readonly message?: string }[]
  readonly revision?: string
  readonly obligations: readonly string[]
  readonly approval_id?: string
  /** Code of the refusal. */
  readonly refused?: string
  /** Findings in the request. */
  readonly masked: Counts
  readonly observed: Counts
  /** What went upstream, or of a tool call what the agent gets; absent when nothing did. */
  readonly forwarded?: Content
}

export type Outcome = {
  readonly result: string
  readonly status?: number
  readonly reason?: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly bytes_in?: number
  readonly bytes_out?: number
  readonly masked: Counts
  readonly observed: Counts
  readonly truncated: readonly { readonly direction: Direction; readonly limit_bytes: number }[]
}

export type MomentOf<Kind extends Moment['kind']> = Extract<Moment, { readonly kind: Kind }>
