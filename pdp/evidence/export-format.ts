import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { z } from 'zod'
import { err, ok, type Result } from '../contract/result.ts'

/** The export file, gzip over JSON lines; docs/evidence-format.md describes it for whoever writes another verifier. */

export const EXPORT_FORMAT = 'countersign-evidence'
export const EXPORT_VERSION = 1

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().nonnegative()

const header = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  version: z.literal(EXPORT_VERSION),
  /** Names the log. */
  origin: z.string().min(1),
  exported_ms: count,
  /** Index of the first leaf. */
  from: count,
  /** Size of the tree that `checkpoint` is of; the last leaf is the one before it. */
  size: count,
  /** Compact range of the first `from` leaves, largest subtree first, hex. */
  range: z.array(hex).max(53),
  /** Signed note. */
  checkpoint: z.string(),
})
export type ExportHeader = z.infer<typeof header>

/** SHA-256 of `bytes` is what the leaf of that index says: `content.sealed`, or one of `content.blocks`. */
const content = z.strictObject({
  index: count,
  // One text for the same bytes: without the bits that base64 leaves over.
  bytes: z.base64().refine((text) => Buffer.from(text, 'base64').toString('base64') === text),
})

const line = z.union([
  z.strictObject({ index: count, leaf: z.string(), hash: hex }),
  z.strictObject({ checkpoint: z.string() }),
  z.strictObject({ sealed: content }),
  z.strictObject({ block: content }),
  z.strictObject({
    /** That the tree of `from` leaves is the beginning of that of `to`. */
    consistency: z.strictObject({ from: count, to: count, hashes: z.array(hex).max(128) }),
  }),
  z.strictObject({ end: z.strictObject({ leaves: count }) }),
])
export type ExportLine = z.infer<typeof line>

/** Reads the first line. @returns a sentence that says what it is not. */
export function parseHeader(text: string): Result<ExportHeader, string> {
  const value = parseExactly(text)
  const parsed = header.safeParse(value)
  if (parsed.success)
    return parsed.data.from <= parsed.data.size
      ? ok(parsed.data)
      : err('the first line says that the export begins behind its end')
  const format = z.object({ format: z.literal(EXPORT_FORMAT), version: z.int() }).safeParse(value)
  return err(
    format.success && format.data.version !== EXPORT_VERSION
      ? `it is of version ${format.data.version}, and this verifier reads version ${EXPORT_VERSION}`
      : 'the first line is not that of an export of evidence',
  )
}

/** Reads any other line. */
export function parseLine(text: string): Result<ExportLine, string> {
  const value = parseExactly(text)
  // Almost all lines are leaves, and there are millions.
  if (isLeafLine(value)) return ok(value)
  const parsed = line.safeParse(value)
  return parsed.success ? ok(parsed.data) : err('the line is none of an export of evidence')
}

type LeafLine = Extract<ExportLine, { leaf: string }>

function isLeafLine(value: unknown): value is LeafLine {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 3) return false
  const { index, leaf, hash } = value as Partial<LeafLine>
  return (
    Number.isSafeInteger(index) &&
    Number(index) >= 0 &&
    typeof leaf === 'string' &&
    typeof hash === 'string' &&
    HASH.test(hash)
  )
}
const HASH = /^[0-9a-f]{64}$/

/**
 * @returns `undefined` for what is no JSON, or is not written as this format writes it: no white space, no member
 *   twice. Readers differ in which of two members counts, and all have to read the same.
 */
function parseExactly(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return JSON.stringify(value) === text ? value : undefined
  } catch {
    return undefined
  }
}

/** An export that cannot be read to its end: bytes were changed or cut. */
export class ExportDamaged extends Error {
  readonly code: 'cut' | 'damaged'
  constructor(code: 'cut' | 'damaged', message: string) {
    super(message)
    this.code = code
  }
}

/** Longest line; sealed blocks are smaller. */
const MOST_CHARS = 256 * 1024 * 1024

/** Lines of an export file. @throws {ExportDamaged} and what the file system says. */
export async function* readExport(path: string): AsyncGenerator<string> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 })
  const plain = createGunzip({ chunkSize: 256 * 1024 })
  file.on('error', (error) => plain.destroy(error))
  file.pipe(plain)
  try {
    yield* linesOf(plain)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'Z_BUF_ERROR') throw new ExportDamaged('cut', 'the compressed file ends too soon')
    if (code?.startsWith('Z_')) throw new ExportDamaged('damaged', `the file: ${message}`)
    throw error
  } finally {
    file.destroy()
    plain.destroy()
  }
}

/** Splits UTF-8 at newlines. @throws {ExportDamaged} for what is no UTF-8, and for a line without end. */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  // What a line has so far, in parts: a line without end must not be searched again with every chunk.
  let parts: string[] = []
  let length = 0
  for await (const chunk of bytes) {
    const [first = '', ...others] = decode(decoder, chunk).split('\n')
    parts.push(first)
    length += first.length
    if (others.length > 0) {
      yield parts.join('')
      const rest = others.pop() ?? ''
      yield* others
      parts = [rest]
      length = rest.length
    }
    if (length > MOST_CHARS) throw new ExportDamaged('damaged', 'a line has no end')
  }
  const rest = parts.join('') + decode(decoder)
  if (rest !== '') yield rest
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined })
  } catch {
    // What another reader would replace by a question mark is not what was hashed.
    throw new ExportDamaged('damaged', 'the file holds what is no UTF-8')
  }
}
