import type { Approval, Decided, Outcome } from './moment.ts'
import type { Part } from './part.ts'
import type { Direction } from './step.ts'

/** What a replay page knows: everything by the time at which it happened. Both the builder and the page use it. */

export type Range = readonly [from: number, to: number]

export type PagePart = Omit<Part, 'key'> & {
  /** Which of `texts`. */
  readonly text: number
  /** When it had how many characters, ascending. */
  readonly growth: readonly Range[]
  /** What only this body has, and its counterpart has not. */
  readonly marks: readonly Range[]
}

export type PageBody =
  | {
      readonly state: 'kept'
      readonly bytes: number
      readonly parts: readonly PagePart[]
      /** Whether the page holds less than the record. */
      readonly cut: boolean
      /** The same without reading: which of `texts`, and how many characters it had. */
      readonly raw?: number
    }
  | { readonly state: 'absent'; readonly why: string }
  | { readonly state: 'same' }
  /** Nothing of it is on record. */
  | { readonly state: 'none' }

type At = { readonly at_ms: number; readonly index: number }

export type PageOperation = At & {
  readonly id: string
  /** Place of the operation that it is a part of. */
  readonly parent?: number
  readonly parent_id?: string
  readonly action: string
  readonly connection: string
  /** Method and target, or the resource. */
  readonly what: string
  readonly resource: string
  readonly who?: string
  readonly label?: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly tool_call: boolean
  /** Where bodies are not all on record, so that sameness is not proven. */
  readonly incomplete: boolean
  readonly decided?: At & Omit<Decided, 'forwarded'>
  readonly approvals: readonly (At & Approval)[]
  readonly outcome?: At & Outcome
  readonly gaps: readonly (At & { readonly text: string })[]
  readonly bodies: Readonly<Record<Direction, PageBody>>
  readonly ended_ms: number
}

/** Something outside operations. */
export type PageNote = At & { readonly text: string; readonly gap: boolean }

export type PageData = {
  readonly session: string
  readonly masked: boolean
  readonly made_ms: number
  readonly operations: readonly PageOperation[]
  readonly notes: readonly PageNote[]
  /** Where there is something new to see: time and leaf, ascending. */
  readonly stops: readonly (At & { readonly what: string })[]
  /** Of leaves that have no place of their own, such as chunks: the operation. */
  readonly leaves: readonly (readonly [index: number, operation: number])[]
  /** Each text once: turns are sent again with every request. */
  readonly texts: readonly string[]
}
