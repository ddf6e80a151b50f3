import type { ChunkRecord, JournalRecord } from '../../pdp/contract/record.ts'
import { leakOf, seenIn } from '../../pep/adapters/anthropic/testing-places.ts'
import { type Secret, secrets } from '../leakcheck/secrets.ts'
import { createViewMask } from '../start/view-mask.ts'

/** What tests of the view mask share. */

export const viewMask = createViewMask({ customs: () => [] })

/** Cuts bytes into pieces, a second apart. */
export function chunkOf(body: Uint8Array, cuts: readonly number[] = []): ChunkRecord {
  const ends = [...new Set(cuts.map((cut) => cut % (body.length + 1)))].sort((a, b) => a - b)
  return {
    kind: 'chunk',
    operation_id: 'op-1',
    time_ms: 1_700_000_000_000,
    session_id: 's-1',
    connection: 'claude',
    direction: 'received',
    offset: 0,
    pieces: [...ends, body.length].map((to, k) => [
      1_700_000_000_000 + k * 1000,
      to - (ends[k - 1] ?? 0),
    ]),
    body,
  }
}

/** @throws {Error} when it is not shown. */
export async function masked<R extends JournalRecord>(
  record: R,
  operation: readonly JournalRecord[] = [],
): Promise<R> {
  const shown = await viewMask(record, operation)
  if (!shown.ok) throw new Error(`not shown: ${shown.error}`)
  return shown.value as R
}

/** The masked body of a chunk. @throws {Error} when it is not shown, or its pieces do not cover it. */
export async function maskedBody(
  chunk: ChunkRecord,
  operation: readonly JournalRecord[] = [],
): Promise<Buffer> {
  const shown = await masked(chunk, operation)
  const body = Buffer.from(shown.body ?? [])
  const sum = shown.pieces.reduce((total, [, bytes]) => total + bytes, 0)
  if (sum !== body.length) throw new Error(`pieces of ${sum} bytes do not cover ${body.length}`)
  const times = JSON.stringify(shown.pieces.map(([at_ms]) => at_ms))
  if (times !== JSON.stringify(chunk.pieces.map(([at_ms]) => at_ms)))
    throw new Error('pieces have other times')
  return body
}

/** By its kind, for the names of tests. */
export const everySecret: readonly (readonly [string, Secret])[] = secrets.map((secret) => [
  secret.kind,
  secret,
])

/** All that a person may see of a record. */
export function seenInRecord(record: JournalRecord): string {
  const bodies: Uint8Array[] = []
  const json = JSON.stringify(record, (_, value: unknown) => {
    if (!(value instanceof Uint8Array) && !isBuffer(value)) return value
    bodies.push(Buffer.from(value instanceof Uint8Array ? value : value.data))
    return null
  })
  return [Buffer.from(json), ...bodies].map((bytes) => seenIn(bytes)).join('\n\0\n')
}

/** A buffer writes itself as this before a replacer sees it. */
const isBuffer = (value: unknown): value is { readonly data: number[] } =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer'

export const halves = (text: string, at: number): string[] => [text.slice(0, at), text.slice(at)]

/** Cut everywhere, or in some places, and into single characters. */
export const splitsOf = (text: string, every: boolean): string[][] => [
  ...Array.from({ length: text.length - 1 }, (_, k) => k + 1)
    .filter((at) => every || at % 7 === 3)
    .map((at) => halves(text, at)),
  Array.from(text),
]

/** @throws {Error} when most of the secret is seen, in a row. */
export function expectNoLeak(seen: string, { kind, sensitive }: Secret): void {
  const leak = leakOf(sensitive, seen)
  if (leak !== undefined) throw new Error(`${kind} is seen: ${leak}`)
}
