import { type Header, returnedHeaders } from '../../core/headers.ts'
import type { Findings, Masking } from '../../core/masks.ts'
import type { RawHeaders } from '../../core/headers.ts'

/**
 * Masks headers or trailers of an answer. A header whose name holds something is dropped.
 * @param headers as `returnedHeaders` made them.
 */
export function maskHeaders(
  headers: readonly Header[],
  masking: Masking,
  findings: Findings,
): readonly Header[] {
  if (!masking.mask.active || headers.length === 0) return headers
  if (headers.every(([name, value]) => masking.clean(`${name}: ${value}`))) return headers
  const masked: Header[] = []
  for (const [name, value] of headers) {
    if (!masking.clean(name)) continue
    const masker = masking.mask.text()
    const out = masker.push(value) + masker.end()
    findings.add(masker.counts, masking.altering)
    masked.push([name, out])
  }
  return masked
}

export type Place = {
  /** The connection's name, and the prefix of its paths. */
  readonly connection: string
  readonly upstream: URL
}

/**
 * Headers for the client, not masked yet. A `Location` at the upstream is led back through the connection.
 * @param altered whether the body may differ from the upstream's.
 */
export function clientHeaders(raw: RawHeaders, altered: boolean, place: Place): readonly Header[] {
  return returnedHeaders(raw, altered).map((header) =>
    header[0].toLowerCase() === 'location' ? [header[0], relocated(header[1], place)] : header,
  )
}

function relocated(location: string, { connection, upstream }: Place): string {
  const base = upstream.pathname.replace(/\/$/, '')
  const path = location.startsWith(`${upstream.origin}/`)
    ? location.slice(upstream.origin.length)
    : location
  const behind = path.slice(base.length)
  // `/api-admin` is not below `/api`, and would lead into another connection.
  const below =
    path.startsWith('/') &&
    !path.startsWith('//') &&
    path.startsWith(base) &&
    (behind === '' || '/?#'.includes(behind.charAt(0)))
  return below ? `/${connection}${behind}` : location
}
