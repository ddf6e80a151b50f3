import { redacted } from '../../pep/mask/replace.ts'
import type { Masker } from './masker.ts'
import type { Edit } from './pieces.ts'

/** Masks the target of a request: each segment of its path and each parameter as it is decoded, then all of them. */
export function maskTarget(masker: Masker, target: string): string {
  const [path = '', ...rest] = target.split('?')
  const query = rest.length === 0 ? undefined : rest.join('?')
  const segments = path.split('/').map((segment) => maskEncoded(masker, segment, decoded))
  const parameters = query
    ?.split('&')
    .map((pair) => pair.split('=').map((part) => maskEncoded(masker, part, formDecoded)))
  // One after the other they may be a value as well.
  const together = [
    ...segments.map((segment) => decoded(segment)),
    ...(parameters ?? []).flat().map((part) => formDecoded(part)),
  ]
  const found = ['\n', ''].flatMap((glue) => masker.findings(together.join(glue)))
  if (found.length > 0) return `/${[...new Set(found)].map(redacted).join('')}`
  const masked = segments.join('/')
  if (!parameters) return masker.text(masked)
  return masker.text(`${masked}?${parameters.map((pair) => pair.join('=')).join('&')}`)
}

/** Edits of a form (`application/x-www-form-urlencoded`): names and values as they are decoded. */
export function formEdits(masker: Masker, text: string): Edit[] {
  const edits: Edit[] = []
  let at = 0
  for (const [part = ''] of text.matchAll(/[^&=]+|[&=]/g)) {
    const masked = maskEncoded(masker, part, formDecoded)
    const length = Buffer.byteLength(part)
    if (masked !== part) edits.push({ at, length, bytes: Buffer.from(masked) })
    at += length
  }
  return edits
}

/** @returns the part as it came when there is nothing in it. */
function maskEncoded(masker: Masker, part: string, decode: (part: string) => string): string {
  const text = decode(part)
  const masked = masker.text(text)
  if (masked === text) return part
  // Markers stay readable.
  return encodeURIComponent(masked.toWellFormed())
    .replaceAll('%5B', '[')
    .replaceAll('%5D', ']')
    .replaceAll('%3A', ':')
}

/** Without its escapes; one that is not UTF-8 is looked at as it stands, with each of its escapes read by itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part.replace(/%[0-7][0-9a-f]/gi, (escape) =>
      String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
    )
  }
}

const formDecoded = (part: string): string => decoded(part.replaceAll('+', ' '))
