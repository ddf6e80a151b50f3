import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Findings, Masking } from '../../core/masks.ts'
import type { Refusal } from '../../core/refusal.ts'
import { type HttpView, isJson } from '../../facts/http.ts'
import type { Counts } from '../../mask/types.ts'

/** Masks the body of a request. What cannot be rewritten, and holds something that must be, is refused. */
export function maskBody(
  masking: Masking,
  view: HttpView,
  body: Buffer,
  findings: Findings,
): Result<Uint8Array, Refusal> {
  const refuse = (what: string): Result<never, Refusal> =>
    err({ code: 'obligation_unsupported', message: `policy masks this request, but ${what}` })
  if (!masking.clean(targetText(view))) return refuse('the value stands in its path or query')
  if (body.length === 0) return ok(body)
  if (view.content_type === 'application/x-www-form-urlencoded')
    return refuse('a form cannot be masked')
  if (masking.fields && !isJson(view.content_type))
    return refuse('fields can only be masked in JSON')
  const masker = isJson(view.content_type) ? masking.mask.json() : masking.mask.utf8()
  try {
    const masked = Buffer.concat([masker.push(body), masker.end()])
    findings.add(masker.counts, masking.altering)
    return ok(altered(masker.counts, masking) ? masked : body)
  } catch {
    return refuse('it cannot be read') // fail closed: never forwarded unmasked
  }
}

const targetText = ({ segments, query }: HttpView): string =>
  [...segments, ...Object.entries(query).flatMap(([name, values]) => [name, ...values])].join('\n')

/** Whether something was found that is altered, and not only counted. */
function altered(counts: Counts, { altering }: Masking): boolean {
  for (const name in counts) if (altering.has(name)) return true
  return false
}
