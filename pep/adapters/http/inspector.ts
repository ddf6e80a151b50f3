import type { Enforcement } from '../../core/enforce.ts'
import { headerOf, type RawHeaders } from '../../core/headers.ts'
import type { Masking } from '../../core/masks.ts'
import { isJson } from '../../facts/http.ts'
import type { ByteMasker } from '../../mask/bytes.ts'
import { isUtf8 } from './describe.ts'

/** What to do with the body of an answer: mask it, or a sentence that says why none of it may pass. */
export type Inspector =
  | { readonly masker: ByteMasker }
  | { readonly refuses: string }
  /** It depends on how the body begins; `undefined`: that is not to be seen yet, give more of it. */
  | { readonly byStart: (start: Buffer, final: boolean) => ByteMasker | string | undefined }

/**
 * Chooses by what the answer says it is. Types that cannot be looked into pass only when policy lists them, or
 * masks nothing here; the injected credential is redacted in all of them.
 */
export function inspectorOf(
  headers: RawHeaders,
  masking: Masking,
  { content_types }: Enforcement['limit'],
): Inspector {
  const { mask } = masking
  const [said = '', ...parameters] = (headerOf(headers, 'content-type') ?? '')
    .toLowerCase()
    .split(';')
  const type = said.trim()
  const listed = content_types?.some((pattern) => matches(pattern.toLowerCase(), type))
  if (listed === false) return { refuses: `policy does not let ${name(type)} pass` }
  if (!masking.ruled) return { masker: mask.literalBytes() }
  const readable = isUtf8(parameters)
  if (readable && isJson(type)) return { masker: mask.json() }
  if (readable && type.startsWith('text/')) {
    if (!masking.fields) return { masker: mask.utf8() }
    // Paths say nothing about text. What could be JSON is held to be; other text passes when policy lists it.
    const text = listed
      ? (): ByteMasker => mask.utf8()
      : (): string => `policy masks fields, which ${name(type)} does not have`
    return {
      byStart(start, final) {
        const begun = start.toString()
        // A character that is cut at the end may still be a byte order mark.
        if (!final && /^[\s\ufeff]*\ufffd?$/.test(begun)) return undefined
        return /^[\s\ufeff]*[[{]/.test(begun) ? mask.json() : text()
      },
    }
  }
  if (listed) return { masker: mask.literalBytes() }
  return { refuses: `policy masks answers, and ${name(type)} cannot be looked into` }
}

const name = (type: string): string => (type === '' ? 'an answer without a content type' : type)

/** `text/*`, `application/json`, `*` + `/*`. */
const matches = (pattern: string, type: string): boolean =>
  pattern === '*/*' ||
  pattern === type ||
  (pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1)))
