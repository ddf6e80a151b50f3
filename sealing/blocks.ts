import { type ContentKey, commitment, open } from './envelope.ts'
import { err, ok, type Result } from '../pdp/contract/result.ts'

/** Parts of a body at least this long are blocks of their own, stored once within their session; shorter ones stay in the record. */
export const MIN_BLOCK_BYTES = 4096
/** Longest block. */
const MAX_BLOCK_BYTES = 256 * 1024

/** A body in blocks: ids, and bytes of what is too short for one. */
export type BlockedBody = {
  readonly parts: readonly (string | Uint8Array)[]
  readonly bytes: number
}

/**
 * Cuts a body into blocks, the same for the same bytes.
 * @param cuts offsets where it may be cut, ascending; besides, it is cut every 256 KiB from the last of them on.
 * @param found is told of each block; it is not copied.
 */
export function intoBlocks(
  key: ContentKey,
  body: Uint8Array,
  cuts: readonly number[],
  found: (id: string, bytes: Uint8Array) => void,
): BlockedBody {
  const parts: (string | Uint8Array)[] = []
  let start = 0
  const take = (end: number): void => {
    for (; start < end; start = Math.min(end, start + MAX_BLOCK_BYTES)) {
      const bytes = body.subarray(start, Math.min(end, start + MAX_BLOCK_BYTES))
      if (bytes.length < MIN_BLOCK_BYTES) {
        parts.push(bytes)
        continue
      }
      const id = commitment(key, 'block', bytes)
      parts.push(id)
      found(id, bytes)
    }
  }
  for (const cut of cuts) if (cut > start && cut < body.length) take(cut)
  take(body.length)
  return { parts, bytes: body.length }
}

/** Puts a body together again and checks each block against its id. */
export async function fromBlocks(
  key: ContentKey,
  { parts, bytes }: BlockedBody,
  read: (id: string) => Promise<Uint8Array | undefined>,
): Promise<Result<Uint8Array, string>> {
  const found: Uint8Array[] = []
  for (const part of parts) {
    if (typeof part !== 'string') {
      found.push(part)
      continue
    }
    const sealed = await read(part)
    if (!sealed) return err(`block ${part} is not there`)
    const block = open(key, `block ${part}`, sealed)
    if (!block.ok) return err(`block ${part}: ${block.error}`)
    if (commitment(key, 'block', block.value) !== part) return err(`block ${part} is another one`)
    found.push(block.value)
  }
  const body = Buffer.concat(found)
  return body.length === bytes ? ok(body) : err(`${body.length} of ${bytes} bytes are there`)
}
