import { z } from 'zod'
import { decodePayload, frameMarker } from './frame.ts'
import {
  unshipped,
  type Epoch,
  type OpenOperation,
  type OpenOperations,
  type Segment,
} from './epoch.ts'
import { scanEpoch, type Finding, type Scanned } from './scan.ts'
import type { SegmentName } from './segment.ts'

/** What a start finds of the epochs before it. */
export type Recovered = {
  /** Oldest first; all dead. */
  readonly epochs: Epoch[]
  readonly findings: readonly Finding[]
  /** Operations with an intent and no outcome anywhere. */
  readonly open: OpenOperations
  /** What the record says of each epoch: where it ended, so that a cut shows. */
  readonly heads: readonly Head[]
}

type Head = {
  readonly epoch: string
  readonly frames: number
  readonly next_seq: number
  /** Digest of its last frame, hex. */
  readonly head: string
}

const sealed = z.looseObject({
  step: z.looseObject({
    kind: z.string(),
    operation_id: z.string().optional(),
    session_id: z.string().optional(),
    connection: z.string().optional(),
  }),
})

/**
 * Reads everything that is on disk. Changes nothing: a torn end is left as evidence and never shipped.
 * @param segments in the order they were written.
 * @param pep this enforcement point's name, for an epoch whose own header cannot be read.
 * @param next next seq to ship, by epoch; `undefined` when that is not known.
 */
export async function recover(
  segments: readonly SegmentName[],
  pep: string,
  next: ReadonlyMap<string, number> | undefined,
): Promise<Recovered> {
  const epochs: Epoch[] = []
  const findings: Finding[] = []
  const heads: Head[] = []
  let open = new Map<string, OpenOperation>()

  for (const [id, names] of Map.groupBy(segments, (name) => name.epoch)) {
    const shipped_seq = next?.get(id) ?? 0
    const reading = startReading(id, pep)
    const at = { epoch: id, segment: names[0]?.number ?? 0, offset: 0, bytes: 0 }
    for await (const scanned of scanEpoch(names)) {
      if (scanned.kind === 'segment' && scanned.header)
        open = new Map(scanned.header.open.map((one) => [one.operation_id, one]))
      if (scanned.kind === 'frame' && !follow(open, scanned.frame.payload))
        findings.push({
          ...at,
          kind: 'damaged',
          message: `frame ${scanned.frame.seq} holds no record`,
        })
      if (scanned.kind === 'finding') findings.push(scanned.finding)
      reading.take(scanned, shipped_seq)
    }
    const { epoch, head, first_seq, read } = reading.finish()
    const missing = (message: string): Finding => ({ ...at, kind: 'missing', message })
    if (next && first_seq > shipped_seq)
      findings.push(missing(`frames ${shipped_seq} to ${first_seq - 1} were never shipped`))
    // Of an epoch whose last segment was being begun nothing else may be left: then nobody knows where it ended.
    if (read && head.next_seq < shipped_seq)
      findings.push(missing(`frames ${head.next_seq} to ${shipped_seq - 1} are only in the store`))
    epochs.push(epoch)
    heads.push(head)
  }
  return { epochs, findings, open, heads }
}

/** Keeps the operations that have an intent and no outcome. @returns false for what is no record. */
function follow(open: Map<string, OpenOperation>, payload: Uint8Array): boolean {
  try {
    const { kind, operation_id, session_id, connection } = sealed.parse(decodePayload(payload)).step
    if (operation_id === undefined) return true
    if (kind === 'outcome') open.delete(operation_id)
    else if (kind === 'intent' && session_id !== undefined && connection !== undefined)
      open.set(operation_id, { operation_id, session_id, connection })
    return true
  } catch {
    return false // reported and still shipped: the store keeps it as it is
  }
}

function startReading(id: string, fallback_pep: string) {
  const segments: Segment[] = []
  let pep = fallback_pep
  let frames = 0
  let first_seq = 0
  let next_seq = 0
  let head = ''
  /** Whether anything says where the epoch is: a header, or a frame. */
  let read = false

  function take(scanned: Scanned, shipped_seq: number): void {
    const current = segments.at(-1)
    switch (scanned.kind) {
      case 'segment': {
        const { name, header, start, size } = scanned
        read ||= header !== undefined
        if (header) ({ pep } = header)
        if (header && segments.length === 0) next_seq = first_seq = header.first_seq
        segments.push({ path: name.path, number: name.number, shipped: start, end: size })
        return
      }
      case 'frame':
        read = true
        frames += 1
        next_seq = scanned.frame.seq + 1
        head = Buffer.from(scanned.frame.digest).toString('hex')
        if (current && next_seq <= shipped_seq) current.shipped = scanned.end
        return
      case 'finding':
        if (current && scanned.finding.kind === 'torn') current.end = scanned.finding.offset
    }
  }

  function finish(): { epoch: Epoch; head: Head; first_seq: number; read: boolean } {
    const epoch: Epoch = { id, pep, marker: frameMarker(id), segments, live: false }
    return { epoch, head: { epoch: id, frames, next_seq, head }, first_seq, read }
  }
  return { take, finish }
}

/** Bytes that wait to be shipped. */
export function backlogOf(epochs: readonly Epoch[]): number {
  return epochs.reduce((sum, epoch) => sum + unshipped(epoch), 0)
}
