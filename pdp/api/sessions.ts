import { z } from 'zod'
import type { Identity } from '../../identity/claims.ts'
import type { AdministeredResource, AdministrativeAction } from '../contract/administration.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { shownSessions } from '../evidence/shown.ts'
import { unmasks, UNMASK_MS } from '../evidence/administration.ts'
import { signedLeaf } from '../evidence/signed-leaf.ts'
import {
  type Api,
  type ApiContext,
  type ApiParts,
  bodyOfRequest,
  personOf,
  refuse,
  reply,
  stored,
} from './context.ts'
import { malformed, type Problem, problem } from './problem.ts'

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: z.string().max(512).optional(),
  subject: z.string().max(512).optional(),
  label: z.string().max(256).optional(),
  since_ms: z.coerce.number().int().nonnegative().optional(),
})

const pageQuery = z.object({
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  /** What `unmask` gave. */
  unmask: z.coerce.number().int().min(0).optional(),
})

/** Why somebody acts on the evidence. */
export const reasonBody = z.strictObject({ reason: z.string().max(500).optional() })

/** `/v1/sessions…`: what agents did, masked; for people of an auditor group, and for who may unmask. */
export function sessionRoutes(app: Api, parts: ApiParts): void {
  app.get('/v1/sessions', async (c) => {
    const person = await personOf(c, parts, parts.auditors)
    if (!person.ok) return refuse(c, person.error)
    const query = listQuery.safeParse(c.req.query())
    if (!query.success) return refuse(c, malformed(query.error))
    return stored(c, async () => {
      const found = await parts.sessions.list(defined(query.data))
      return reply(c, { sessions: await shownSessions(parts.steps, found) })
    })
  })

  app.get('/v1/sessions/:id/steps', async (c) => {
    const person = await personOf(c, parts)
    if (!person.ok) return refuse(c, person.error)
    const query = pageQuery.safeParse(c.req.query())
    if (!query.success) return refuse(c, malformed(query.error))
    const { unmask, ...page } = query.data
    return stored(c, async () => {
      const found = await parts.sessions.steps(c.req.param('id'), defined(page))
      const seen = found.ok ? found.id : undefined
      const raw = seen !== undefined && (await mayUnmask(parts, person.value, seen, unmask))
      // Before anything is said of the session, even that there is none.
      if (!raw && !isAuditor(parts, person.value)) return refuse(c, onlyAuditors(parts))
      if (unmask !== undefined && !raw) return refuse(c, NO_GRANT)
      if (!found.ok) return refuse(c, unknown(found.sessions))
      const steps = await parts.steps.show(found.id, found.steps, raw)
      // A page ends when it holds enough, and a leaf may be shown as several steps.
      const seen_last = steps.at(-1)?.index
      const more = seen_last !== found.steps.at(-1)?.index || found.steps.length === page.limit
      const last = more ? seen_last : undefined
      return reply(c, {
        id: found.id,
        masked: !raw,
        steps,
        ...(last !== undefined && { next: last }),
      })
    })
  })

  app.post('/v1/sessions/:id/unmask', async (c) => {
    const asked = await acting(c, parts, reasonBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    return stored(c, async () => {
      const action = 'countersign.sessions.unmask'
      const found = await sessionOf(parts, c.req.param('id'), { person, action, body })
      if (!found.ok) return refuse(c, found.error)
      const { id, subject, connections } = found.value
      const leaf = await parts.administration.authorize(person, {
        name: 'unmask',
        action,
        resource: { type: 'countersign.session', id },
        admin: { ...defined(body), subject, connections: [...connections] },
        detail: { connections },
      })
      if (!leaf.ok) return refuse(c, problem(403, 'PDP_FORBIDDEN', leaf.error))
      // On record before anything is shown.
      const unmask = await parts.administration.record(leaf.value())
      return reply(c, { id, unmask, until_ms: parts.now() + UNMASK_MS })
    })
  })
}

const NO_GRANT = problem(
  403,
  'PDP_FORBIDDEN',
  'this is no unmasking of yours of all that this session reached, or it is over, or the log cannot be signed; ask for one with POST …/unmask',
)

export const onlyAuditors = ({ auditors }: ApiParts): Problem =>
  problem(403, 'PDP_FORBIDDEN', `only members of ${auditors.join(', ')} may see this`)

export const isAuditor = (
  { auditors }: Pick<ApiParts, 'auditors'>,
  { subject }: Identity,
): boolean => subject.properties.groups.some((group) => auditors.includes(group))

/** What people are shown unmasked hangs on the leaf that says so, so that no service forgets it or makes it up. */
async function mayUnmask(
  { log, sessions, checkpoints, now }: ApiParts,
  person: Identity,
  session: string,
  index: number | undefined,
): Promise<boolean> {
  if (index === undefined) return false
  const leaf = await signedLeaf(log, checkpoints, index)
  const holder = leaf && (await sessions.holder(session))
  if (!leaf || !holder) return false
  return unmasks(leaf.leaf, person, { id: session, connections: holder.connections }, now())
}

/** A person, and what they send. Whether they may is for policy. */
export async function acting<T>(
  c: ApiContext,
  parts: ApiParts,
  shape: z.ZodType<T>,
): Promise<Result<{ readonly person: Identity; readonly body: T }, Problem>> {
  const person = await personOf(c, parts)
  if (!person.ok) return person
  const body = await bodyOfRequest(c)
  if (!body.ok) return body
  const read = shape.safeParse(body.value)
  return read.success ? ok({ person: person.value, body: read.data }) : err(malformed(read.error))
}

export type KnownSession = {
  readonly id: string
  readonly subject: { readonly issuer: string; readonly id: string }
  readonly connections: readonly string[]
}

/** What somebody wants to do to a session that they name. */
export type Asked = {
  readonly person: Identity
  readonly action: AdministrativeAction
  /** Absent: the session itself. */
  readonly resource?: AdministeredResource
  readonly body: { readonly reason?: string | undefined }
}

/**
 * A session by its id or label, as the store knows it. That there is none, or that there are several, is for those who may
 * see sessions, or whom policy might let do this to one; others get what they would get for any session.
 */
export async function sessionOf(
  parts: Pick<ApiParts, 'sessions' | 'administration' | 'auditors'>,
  name: string,
  { person, action, resource = { type: 'countersign.session', id: 'unknown' }, body }: Asked,
): Promise<Result<KnownSession, Problem>> {
  const found = await parts.sessions.steps(name, { limit: 1 })
  const holder = found.ok ? await parts.sessions.holder(found.id) : undefined
  if (found.ok && holder) return ok({ id: found.id, ...holder })
  const subject = { issuer: 'unknown', id: 'unknown' }
  const admin = { ...defined({ reason: body.reason }), subject, connections: [] }
  const might = parts.administration.might(person, { action, resource, admin })
  if (!might.ok && !isAuditor(parts, person)) return err(problem(403, 'PDP_FORBIDDEN', might.error))
  return err(unknown(found.ok ? [] : found.sessions))
}

function unknown(namesakes: readonly { readonly id: string }[]): Problem {
  if (namesakes.length === 0)
    return problem(404, 'PDP_NOT_FOUND', 'there is no session of this id or label')
  const ids = namesakes.map(({ id }) => id).join(', ')
  return problem(409, 'PDP_AMBIGUOUS', `several sessions are called so; name one of ${ids}`)
}

/** Without keys that are undefined, which the store's types do not take. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
