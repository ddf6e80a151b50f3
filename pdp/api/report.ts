import { z } from 'zod'
import { type Api, type ApiParts, personOf, refuse, reply, stored } from './context.ts'
import { malformed, problem } from './problem.ts'

/** The end of the year 9999: later is no date that all readers of a report know. */
const MAX_MS = 253_402_300_800_000
const time = z.coerce.number().int().min(0).max(MAX_MS)
const reportQuery = z.object({ from_ms: time, to_ms: time })

/** `/v1/evidence/report`: figures of the log over a period; for people of an auditor group. */
export function reportRoutes(app: Api, parts: ApiParts): void {
  app.get('/v1/evidence/report', async (c) => {
    const person = await personOf(c, parts, parts.auditors)
    if (!person.ok) return refuse(c, person.error)
    const query = reportQuery.safeParse(c.req.query())
    if (!query.success) return refuse(c, malformed(query.error))
    const { from_ms } = query.data
    const now_ms = parts.now()
    // A silence that lasts would otherwise be as long as the future that was asked for.
    const to_ms = Math.min(query.data.to_ms, now_ms)
    if (from_ms >= to_ms)
      return refuse(
        c,
        problem(400, 'PDP_BAD_REQUEST', 'from_ms must be before to_ms, and in the past'),
      )
    return stored(c, async () => reply(c, await parts.report.make({ from_ms, to_ms }, now_ms)))
  })
}
