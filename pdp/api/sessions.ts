import { Unpackr } from 'msgpackr'
import { z } from 'zod'
import type { SessionRecord } from '../store/store.ts'
import { type Api, type ApiParts, personOf, refuse, reply, stored } from './context.ts'
import { problem } from './problem.ts'

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: z.string().max(512).optional(),
  subject: z.string().max(512).optional(),
  label: z.string().max(256).optional(),
  since_ms: z.coerce.number().int().nonnegative().optional(),
})

const pageQuery = z.object({
  after: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
})

/** `GET /v1/sessions` and `/v1/sessions/:id`: what agents did, for people of an auditor group. */
export function sessionRoutes(app: Api, parts: ApiParts): void {
  app.get('/v1/sessions', async (c) => {
    const person = await personOf(c, parts, parts.auditors)
    if (!person.ok) return refuse(c, person.error)
    const query = listQuery.safeParse(c.req.query())
    if (!query.success) return refuse(c, problem(400, 'PDP_BAD_REQUEST', query.error.message))
    return stored(c, async () =>
      reply(c, { sessions: await parts.sessions.list(defined(query.data)) }),
    )
  })

  app.get('/v1/sessions/:id', async (c) => {
    const person = await personOf(c, parts, parts.auditors)
    if (!person.ok) return refuse(c, person.error)
    const page = pageQuery.safeParse(c.req.query())
    if (!page.success) return refuse(c, problem(400, 'PDP_BAD_REQUEST', page.error.message))
    return stored(c, async () => {
      const found = await parts.sessions.records(c.req.param('id'), defined(page.data))
      if (found.ok) return reply(c, { id: found.id, records: found.records.map(readable) })
      if (found.sessions.length === 0)
        return refuse(c, problem(404, 'PDP_NOT_FOUND', 'there is no session of this id or label'))
      const ids = found.sessions.map(({ id }) => id).join(', ')
      return refuse(
        c,
        problem(409, 'PDP_AMBIGUOUS', `several sessions are called so; name one of ${ids}`),
      )
    })
  })
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

/** A record as JSON: bodies as `{ text }` where they are UTF-8, else `{ base64 }`. */
function readable({ payload, cursor, pep, epoch, seq }: SessionRecord): Record<string, unknown> {
  return { cursor, pep, epoch, seq, record: textual(unpackr.unpack(payload)) }
}

function textual(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    try {
      return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value) }
    } catch {
      return { base64: Buffer.from(value).toString('base64') }
    }
  }
  if (Array.isArray(value)) return value.map(textual)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, textual(one)]))
}

/** Without keys that are undefined, which the store's types do not take. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
