import { MAX_BATCH_BYTES, recordBatch } from '../contract/record.ts'
import { type Api, type ApiParts, bodyOfRequest, refuse, reply } from './context.ts'
import { problem, problemOf } from './problem.ts'

/** `POST /v1/records`: frames of an enforcement point's journal, in MessagePack; acknowledged when committed. */
export function recordRoutes(app: Api, parts: ApiParts): void {
  app.post('/v1/records', async (c) => {
    const caller = parts.callers.pep(c.env.incoming)
    if (!caller.ok) return refuse(c, caller.error)
    const body = await bodyOfRequest(c, MAX_BATCH_BYTES)
    if (!body.ok) return refuse(c, body.error)
    const batch = recordBatch.safeParse(body.value)
    if (!batch.success)
      return refuse(
        c,
        problem(400, 'PDP_BAD_REQUEST', 'the body is not a batch of frames in MessagePack'),
      )
    // Nobody writes another one's record.
    if (batch.data.pep !== caller.value) {
      const message = `this token is ${caller.value}'s; set pep.name to it, or use the token of ${batch.data.pep}`
      return refuse(c, problem(403, 'PDP_FORBIDDEN', message))
    }
    const result = await parts.records.append(batch.data)
    return result.ok ? reply(c, result.value) : refuse(c, problemOf(result.error))
  })
}
