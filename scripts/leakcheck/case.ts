import type { Place } from './places.ts'
import type { Script } from './script.ts'
import type { Secret } from './secrets.ts'

/** One reply of the stand-in upstream, and what of it must not arrive, or must arrive as it is. */
export type Case = {
  /** `kind.place.variant`, in a request's prompt: small letters, digits, `_`, `-` and dots only. */
  readonly id: string
  readonly kind: string
  readonly place: string
  /** The variant in words. */
  readonly says: string
  /** Absent: a control case, which must come back as it was sent. */
  readonly secret?: Secret
  readonly script: Script
  readonly ends: Place['ends']
}
