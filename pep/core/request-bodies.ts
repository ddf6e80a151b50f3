import type { Exchange } from '../../pdp/contract/record.ts'
import type { Enforcement } from './enforce.ts'
import type { Operation } from './operation.ts'

export type RecordedBodies = Pick<Exchange, 'body' | 'forwarded' | 'cuts' | 'forwarded_cuts'>

/**
 * What is kept of a request's body, as policy says: what the agent sent, and what goes upstream when that is something else.
 * @param forwarded what goes upstream; absent when it streams.
 */
export function recordedBodies(
  { exchange, cuts }: Operation,
  mode: Enforcement['record_body'],
  forwarded: Uint8Array | undefined,
): RecordedBodies {
  if (mode === 'metadata') return {}
  const body = mode === 'full' ? exchange.body : undefined
  const same = body && forwarded && Buffer.compare(body, forwarded) === 0
  return {
    ...(body && { body, ...(cuts && { cuts: cuts(body) }) }),
    ...(forwarded && !same && { forwarded, ...(cuts && { forwarded_cuts: cuts(forwarded) }) }),
  }
}
