import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import type { ConnectionServices } from '../../core/adapter.ts'
import type { HttpExchange } from '../../core/exchange.ts'
import type { Findings } from '../../core/masks.ts'
import type { Permit } from '../../core/permit.ts'
import type { Extraction } from './extraction.ts'
import type { Route } from './route.ts'

/** What the adapter needs for one connection. */
export type AnthropicParts = ConnectionServices & {
  readonly extraction: Extraction
  /** Most bytes of an answer that is read whole. */
  readonly maxAnswerBytes: number
  /** Most bytes of one tool call in a stream. */
  readonly maxInputBytes: number
}

/** What is known of a request once it may go on. */
export type Handling = {
  readonly parts: AnthropicParts
  readonly exchange: HttpExchange
  readonly route: Route
  readonly permit: Permit
  readonly findings: Findings
  /** The profile of the decision; its custom detectors go into the masks. */
  readonly profile: ExtractionProfile | undefined
}
