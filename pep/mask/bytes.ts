import { PepMaskError } from './errors.ts'
import type { LiteralMasker } from './literal.ts'
import type { TextMasker } from './text.ts'
import type { Counts } from './types.ts'

/** Masks bytes that come in pieces; where nothing is found they go out as they came. */
export type ByteMasker = {
  readonly counts: Counts
  /** @throws {PepMaskError} cut the stream: nothing raw was returned. */
  push(bytes: Uint8Array): Buffer
  /** The rest. */
  end(): Buffer
}

/** UTF-8 text. Bytes that are not UTF-8 are an error, since what they hide cannot be seen. */
export function utf8Masker(text: TextMasker): ByteMasker {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (error) {
      throw new PepMaskError('PEP_MASK_BAD_UTF8', 'the text is not UTF-8', { cause: error })
    }
  }
  return {
    counts: text.counts,
    push: (bytes) => Buffer.from(text.push(decode(bytes)), 'utf8'),
    end: () => {
      const last = decode()
      return Buffer.from(text.push(last) + text.end(), 'utf8')
    },
  }
}

/** Any content type: only exact literals are replaced. */
export function literalByteMasker(literals: LiteralMasker | undefined, counts: Counts): ByteMasker {
  return {
    counts,
    push: (bytes) =>
      literals === undefined
        ? view(bytes)
        : Buffer.from(literals.push(view(bytes).toString('latin1')), 'latin1'),
    end: () => Buffer.from(literals?.end() ?? '', 'latin1'),
  }
}

/** The same bytes, as a Buffer. */
export const view = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
