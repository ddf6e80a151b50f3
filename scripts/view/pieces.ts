import { NotShown } from './masker.ts'

/** A body, and the pieces that it came in: when, and how many bytes. They cover it in order. */
export type Pieces = {
  readonly body: Buffer
  readonly pieces: readonly (readonly [at_ms: number, bytes: number])[]
}

/** Called between parts of the work: others have their turn. */
export type Breathe = () => Promise<void> | undefined

/** Masks bytes that come in parts. What is held back comes out with a later part. */
export type Part = {
  readonly push: (bytes: Buffer) => Buffer | Promise<Buffer>
  /** The rest. */
  readonly end: () => Buffer | Promise<Buffer>
  /** Called behind the last bytes. @throws {NotShown} when nothing of all that came may be shown after all. */
  readonly check?: () => void
}

/** Most bytes that are masked at a stretch. */
const STRETCH = 64 * 1024

/** @throws {NotShown} when the pieces are not those of the body. */
export function checkPieces({ body, pieces }: Pieces): void {
  let sum = 0
  for (const [, bytes] of pieces) {
    if (bytes < 0) throw new NotShown('its pieces are not those of its body')
    sum += bytes
  }
  if (sum !== body.length) throw new NotShown('its pieces are not those of its body')
}

/**
 * Masks a body piece by piece: what comes out with a piece belongs to it, what is held back to a later one.
 * @param cut the body ends before its stream did: what is held back may be the beginning of a value, and is left out.
 */
export async function throughPieces(
  { body, pieces }: Pieces,
  part: Part,
  breathe: Breathe,
  cut: boolean,
): Promise<Pieces> {
  const out: Buffer[] = []
  const sizes: [number, number][] = []
  let from = 0
  for (const [at_ms, bytes] of pieces) {
    let size = 0
    for (const to = from + bytes; from < to;) {
      const next = Math.min(to, from + STRETCH)
      const masked = await part.push(body.subarray(from, next))
      out.push(masked)
      size += masked.length
      from = next
      await breathe()
    }
    sizes.push([at_ms, size])
  }
  part.check?.()
  const last = sizes.at(-1)
  if (!cut && last) {
    const rest = await part.end()
    out.push(rest)
    last[1] += rest.length
  }
  return { body: Buffer.concat(out), pieces: sizes }
}

/** Other bytes in place of `length` bytes of a body. */
export type Edit = { readonly at: number; readonly length: number; readonly bytes: Buffer }

/** @param edits in order, apart from each other. What is put in place of bytes of several pieces belongs to the last. */
export function edited({ body, pieces }: Pieces, edits: readonly Edit[]): Pieces {
  if (edits.length === 0) return { body, pieces }
  const out: Buffer[] = []
  const sizes: [number, number][] = []
  let end = 0
  let at = 0
  let next = 0
  for (const [at_ms, bytes] of pieces) {
    end += bytes
    let size = 0
    for (let edit = edits[next]; edit && edit.at + edit.length <= end; edit = edits[next]) {
      const before = body.subarray(at, Math.max(at, edit.at))
      out.push(before, edit.bytes)
      size += before.length + edit.bytes.length
      at = edit.at + edit.length
      next += 1
    }
    const to = Math.max(at, Math.min(end, edits[next]?.at ?? end))
    out.push(body.subarray(at, to))
    size += to - at
    at = to
    sizes.push([at_ms, size])
  }
  return { body: Buffer.concat(out), pieces: sizes }
}
