/** What is known in memory of the epochs on disk; the writer adds at the end, the shipper takes from the front. */

/** An operation with an intent and no outcome: what its end must say, whoever records that. */
export type OpenOperation = {
  readonly operation_id: string
  readonly session_id: string
  readonly connection: string
}

/** By operation. */
export type OpenOperations = ReadonlyMap<string, OpenOperation>

export type Segment = {
  readonly path: string
  readonly number: number
  /** Offset up to which it is in the store. */
  shipped: number
  /** Offset up to which it is durable. A torn end is beyond it. */
  end: number
}

export type Epoch = {
  readonly id: string
  readonly pep: string
  readonly marker: Buffer
  readonly segments: Segment[]
  /** Frames are still added. */
  live: boolean
}

/** Bytes of an epoch that are durable here and not yet acknowledged by the PDP. */
export function unshipped(epoch: Epoch): number {
  return epoch.segments.reduce((sum, segment) => sum + segment.end - segment.shipped, 0)
}

/** The backlog's bound, with hysteresis so that it does not flap. */
export type Backlog = {
  /** Bytes on disk that the store does not have. */
  readonly bytes: number
  /** True from the bound on until it is below 90 % of it again. */
  readonly full: boolean
  readonly add: (bytes: number) => void
}

export function createBacklog(max_bytes: number): Backlog {
  let bytes = 0
  let full = false
  return {
    get bytes() {
      return bytes
    },
    get full() {
      return full
    },
    add: (more) => {
      bytes += more
      full = bytes >= (full ? max_bytes * 0.9 : max_bytes)
    },
  }
}
