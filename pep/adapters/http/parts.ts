import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import type { ConnectionServices } from '../../core/adapter.ts'
import type { HttpExchange } from '../../core/exchange.ts'
import type { Findings } from '../../core/masks.ts'
import type { Permit } from '../../core/permit.ts'
import type { HttpExtraction } from '../../facts/http.ts'
import type { Described } from './describe.ts'

/** What the adapter needs for one connection. */
export type HttpParts = ConnectionServices & {
  readonly extraction: HttpExtraction
  readonly maxStreamBytes: number
}

/** A request on its way. */
export type Handling = {
  readonly parts: HttpParts
  readonly exchange: HttpExchange
  readonly described: Described
  readonly permit: Permit
  /** The profile that the decision was made under; its custom detectors go into the masks. */
  readonly profile: ExtractionProfile
  readonly findings: Findings
}
