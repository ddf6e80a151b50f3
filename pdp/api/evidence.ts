import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { z } from 'zod'
import type { Identity } from '../../identity/claims.ts'
import { inclusionProof, consistencyProof } from '../evidence/merkle/proof.ts'
import { exportEvidence } from '../evidence/export.ts'
import { decisionLines } from '../evidence/decisions.ts'
import { namedContent } from '../evidence/named-content.ts'
import type { Act, ActLeaf } from '../evidence/administration.ts'
import { err, ok, type Result } from '../contract/result.ts'
import {
  type Api,
  type ApiContext,
  type ApiParts,
  personOf,
  refuse,
  reply,
  stored,
} from './context.ts'
import { malformed, type Problem, problem } from './problem.ts'
import {
  acting,
  type Asked,
  defined,
  isAuditor,
  onlyAuditors,
  reasonBody,
  sessionOf,
} from './sessions.ts'

const proofQuery = z.object({ size: z.coerce.number().int().min(1).optional() })
const consistencyQuery = z.object({
  from: z.coerce.number().int().min(0),
  to: z.coerce.number().int().min(1).optional(),
})

export const eraseBody = z.strictObject({
  ...reasonBody.shape,
  session: z.string().min(1).max(512),
})
export const holdBody = z
  .strictObject({
    ...reasonBody.shape,
    session: z.string().min(1).max(512).optional(),
    connection: z.string().min(1).max(128).optional(),
  })
  .refine(({ session, connection }) => (session === undefined) !== (connection === undefined), {
    message: 'say session or connection, one of the two',
  })
export const releaseBody = z.strictObject({ ...reasonBody.shape, hold: z.uuid() })
export const exportBody = z.strictObject({
  ...reasonBody.shape,
  since_ms: z.int().nonnegative().optional(),
  /** Sizes of checkpoints that somebody holds. */
  anchors: z.array(z.int().nonnegative()).max(100).default([]),
  /** With sealed bytes, which stay sealed. */
  sealed: z.boolean().default(false),
})
export const decisionsBody = z.strictObject({
  ...reasonBody.shape,
  since_ms: z.int().nonnegative().optional(),
  session: z.string().min(1).max(512).optional(),
  bodies: z.boolean().default(false),
})
export const retainBody = z.strictObject({ ...reasonBody.shape, apply: z.boolean().default(false) })

/** `/v1/evidence…`: the log, its proofs, and what people may do to what it tells of. */
export function evidenceRoutes(app: Api, parts: ApiParts): void {
  const { log, erasure, checkpoints, now } = parts

  app.get('/v1/evidence', (c) =>
    audited(c, parts, async () => {
      const { size, logged_ms } = await log.head()
      return reply(c, {
        origin: parts.origin,
        keys: parts.vkeys,
        size,
        logged_ms,
        checkpoints: checkpoints.status(),
        sinks: parts.sinks(),
        holds: await erasure.holds(),
        retention: parts.retention,
      })
    }),
  )

  app.get('/v1/evidence/checkpoint', (c) =>
    audited(c, parts, async () => {
      const newest = await log.checkpoints.newest()
      return newest
        ? c.text(newest.note, 200, { 'cache-control': 'no-store' })
        : refuse(c, problem(404, 'PDP_NOT_FOUND', 'there is no checkpoint yet'))
    }),
  )

  app.get('/v1/evidence/leaves/:index', (c) =>
    audited(c, parts, async () => {
      const query = proofQuery.safeParse(c.req.query())
      if (!query.success) return refuse(c, malformed(query.error))
      const name = c.req.param('index')
      const index = /^\d{1,15}$/.test(name) ? Number(name) : -1
      const [leaf] = index < 0 ? [] : await log.leaves(index, 1)
      if (leaf?.index !== index)
        return refuse(c, problem(404, 'PDP_NOT_FOUND', 'the log has no such leaf'))
      const newest = await log.checkpoints.newest()
      const size = query.data.size ?? Math.max(newest?.size ?? 0, index + 1)
      const head = await log.head()
      if (size <= index || size > head.size)
        return refuse(
          c,
          problem(400, 'PDP_BAD_REQUEST', `size must be from ${index + 1} to ${head.size}`),
        )
      const proof = await inclusionProof(log.hashes, index, size)
      return reply(c, {
        index,
        leaf: leaf.leaf,
        hash: hex(leaf.hash),
        size,
        proof: proof.map(hex),
        ...(newest?.size === size && { checkpoint: newest.note }),
      })
    }),
  )

  app.get('/v1/evidence/consistency', (c) =>
    audited(c, parts, async () => {
      const query = consistencyQuery.safeParse(c.req.query())
      if (!query.success) return refuse(c, malformed(query.error))
      const { from } = query.data
      const { size } = await log.head()
      const to = query.data.to ?? size
      if (from > to || to > size)
        return refuse(c, problem(400, 'PDP_BAD_REQUEST', `from and to must be from 0 to ${size}`))
      const hashes = await consistencyProof(log.hashes, from, to)
      return reply(c, { from, to, hashes: hashes.map(hex) })
    }),
  )

  app.post('/v1/evidence/erase', async (c) => {
    const asked = await acting(c, parts, eraseBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    return stored(c, async () => {
      const action = 'countersign.evidence.erase'
      const session = await sessionOf(parts, body.session, { person, action, body })
      if (!session.ok) return refuse(c, session.error)
      const { id, subject, connections } = session.value
      const leaf = await allowed(parts, person, {
        name: 'erase',
        action,
        resource: { type: 'countersign.session', id },
        admin: { ...why(body), subject, connections: [...connections] },
        detail: { connections },
      })
      if (!leaf.ok) return refuse(c, leaf.error)
      const erased = await erasure.erase({ session_id: id }, (counts) => leaf.value(counts), now())
      parts.reader.forget()
      if (erased === 'held') {
        await parts.administration.record(leaf.value({ held: true }))
        return refuse(c, HELD)
      }
      return reply(c, { session: id, ...erased, scrubbed: await erasure.scrub() })
    })
  })

  app.post('/v1/evidence/holds', async (c) => {
    const asked = await acting(c, parts, holdBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    return stored(c, async () => {
      const action = 'countersign.evidence.hold'
      const what = await held(parts, body, { person, action, body })
      if (!what.ok) return refuse(c, what.error)
      const leaf = await allowed(parts, person, {
        name: 'hold',
        action,
        ...what.value,
        admin: { ...what.value.admin, ...why(body) },
      })
      if (!leaf.ok) return refuse(c, leaf.error)
      const id = await erasure.hold(what.value.detail, (hold) => leaf.value({ hold }), now())
      return reply(c, { id, ...what.value.detail })
    })
  })

  app.post('/v1/evidence/holds/release', async (c) => {
    const asked = await acting(c, parts, releaseBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    return stored(c, async () => {
      const [hold] = await erasure.holds(body.hold)
      if (!hold) return refuse(c, NO_HOLD)
      const { id, session_id: session, connection } = hold
      const action = 'countersign.evidence.release'
      const of = defined({ session, connection })
      const what = await held(parts, of, { person, action, body })
      if (!what.ok) return refuse(c, what.error)
      const leaf = await allowed(parts, person, {
        name: 'release',
        action,
        ...what.value,
        admin: { ...what.value.admin, ...why(body) },
      })
      if (!leaf.ok) return refuse(c, leaf.error)
      const done = await erasure.release(id, leaf.value({ hold: id }), now())
      return done ? reply(c, { id }) : refuse(c, NO_HOLD)
    })
  })

  app.post('/v1/evidence/retention', async (c) => {
    const asked = await acting(c, parts, retainBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    const rules = parts.retention
    return stored(c, async () => {
      const due = await erasure.due(rules, now())
      const leaf = await allowed(parts, person, {
        name: 'retain',
        action: 'countersign.retention.apply',
        resource: { type: 'countersign.log', id: 'retention' },
        admin: { ...why(body), connections: due.map(({ connection }) => connection) },
        detail: { rules, applied: body.apply },
      })
      if (!leaf.ok) return refuse(c, leaf.error)
      if (!body.apply) return reply(c, { applied: false, rules, due })
      const total = { keys: 0, approvals: 0 }
      const until = performance.now() + RETENTION_MS
      let more = true
      while (more && performance.now() < until) {
        const erased = await erasure.erase(
          { rules, now_ms: now() },
          (counts) => leaf.value(counts),
          now(),
        )
        more = erased !== 'held' && erased.keys + erased.approvals > 0
        if (erased === 'held') break
        total.keys += erased.keys
        total.approvals += erased.approvals
      }
      parts.reader.forget()
      return reply(c, {
        applied: true,
        rules,
        due,
        ...total,
        more,
        scrubbed: await erasure.scrub(),
      })
    })
  })

  app.post('/v1/evidence/export', async (c) => {
    const asked = await acting(c, parts, exportBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    const { since_ms, anchors, sealed } = body
    if (!sealed && !isAuditor(parts, person)) return refuse(c, onlyAuditors(parts))
    return stored(c, async () => {
      if (sealed) {
        const leaf = await allowed(parts, person, {
          name: 'export',
          action: 'countersign.evidence.export',
          resource: { type: 'countersign.log', id: 'sealed' },
          admin: { ...why(body), ...defined({ since_ms }) },
          detail: { what: 'sealed', ...defined({ since_ms }) },
        })
        if (!leaf.ok) return refuse(c, leaf.error)
        await parts.administration.record(leaf.value())
      }
      // What is asked for now is to be in it.
      await checkpoints.flush()
      const newest = await log.checkpoints.newest()
      if (!newest)
        return refuse(
          c,
          problem(409, 'PDP_REFUSED', 'nothing was signed yet, so nothing can be proven'),
        )
      const lines = exportEvidence({
        store: log,
        origin: parts.origin,
        anchors,
        ...defined({ since_ms }),
        ...(sealed && { sealed: (leaves) => parts.keys.sealed(leaves.flatMap(namedContent)) }),
        now,
      })
      return streamed('application/x-ndjson', lines)
    })
  })

  app.post('/v1/evidence/decisions', async (c) => {
    const asked = await acting(c, parts, decisionsBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    return stored(c, async () => {
      const { since_ms, session, bodies } = body
      const action = 'countersign.evidence.export'
      const resource = { type: 'countersign.log', id: bodies ? 'bodies' : 'decisions' } as const
      const of =
        session === undefined
          ? undefined
          : await sessionOf(parts, session, { person, action, resource, body })
      if (of && !of.ok) return refuse(c, of.error)
      const leaf = await allowed(parts, person, {
        name: 'export',
        action,
        resource,
        admin: {
          ...why(body),
          ...defined({ since_ms }),
          ...(of && { subject: of.value.subject, connections: [...of.value.connections] }),
        },
        detail: {
          what: bodies ? 'bodies' : 'decisions',
          ...defined({ since_ms, session: of?.value.id }),
        },
      })
      if (!leaf.ok) return refuse(c, leaf.error)
      await parts.administration.record(leaf.value())
      const before = since_ms === undefined ? undefined : await log.checkpoints.before(since_ms)
      const lines = decisionLines(parts, {
        from: before?.size ?? 0,
        bodies,
        ...defined({ since_ms, session: of?.value.id }),
      })
      return streamed('application/x-ndjson', lines)
    })
  })

  app.post('/v1/evidence/resume', async (c) => {
    const asked = await acting(c, parts, reasonBody)
    if (!asked.ok) return refuse(c, asked.error)
    const { person, body } = asked.value
    return stored(c, async () => {
      const { alarm } = checkpoints.status()
      if (!alarm) return refuse(c, NO_ALARM)
      const leaf = await allowed(parts, person, {
        name: 'resume',
        action: 'countersign.evidence.resume',
        resource: { type: 'countersign.log', id: 'checkpoints' },
        admin: why(body),
        detail: { alarm: alarm.code, known_size: alarm.known.size, found_size: alarm.found.size },
      })
      if (!leaf.ok) return refuse(c, leaf.error)
      await parts.administration.record(leaf.value())
      const { issuer } = person.subject.properties
      const resumed = await checkpoints.resume({
        alarm,
        by: { issuer, type: person.subject.type, id: person.subject.id },
        reason: body.reason ?? '',
      })
      return resumed ? reply(c, { resumed }) : refuse(c, NO_ALARM)
    })
  })
}

/** How long one request applies retention, milliseconds; `more` says to ask again. */
const RETENTION_MS = 15_000

const HELD = problem(
  409,
  'PDP_REFUSED',
  'a legal hold is on this session or its connections; release it first',
)
const NO_ALARM = problem(409, 'PDP_REFUSED', 'there is no alarm to end')
const NO_HOLD = problem(404, 'PDP_NOT_FOUND', 'there is no such hold')

/** Lines as they are made. A failure cuts the answer, which then has no end line. */
function streamed(type: string, lines: AsyncIterable<string>): Response {
  const body = Readable.from(chunked(lines))
  body.on('error', () => undefined)
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, {
    headers: { 'content-type': type, 'cache-control': 'no-store' },
  })
}

const CHUNK_CHARACTERS = 64 * 1024

async function* chunked(lines: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let text = ''
  for await (const line of lines) {
    text += line
    if (text.length < CHUNK_CHARACTERS) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const why = ({ reason }: { readonly reason?: string | undefined }) => defined({ reason })

/** For people of an auditor group. */
async function audited(
  c: ApiContext,
  parts: ApiParts,
  work: () => Promise<Response>,
): Promise<Response> {
  const person = await personOf(c, parts, parts.auditors)
  return person.ok ? stored(c, work) : refuse(c, person.error)
}

async function allowed(
  { administration }: ApiParts,
  person: Identity,
  act: Act,
): Promise<Result<ActLeaf, Problem>> {
  const leaf = await administration.authorize(person, act)
  return leaf.ok ? leaf : err(problem(403, 'PDP_FORBIDDEN', leaf.error))
}

type Held = Pick<Act, 'resource' | 'admin'> & {
  readonly detail: { readonly session_id?: string; readonly connection?: string }
}

/** One session, or all of a connection. */
async function held(
  parts: ApiParts,
  {
    session,
    connection,
  }: { readonly session?: string | undefined; readonly connection?: string | undefined },
  asked: Asked,
): Promise<Result<Held, Problem>> {
  if (session === undefined) {
    const name = connection ?? ''
    return ok({
      resource: { type: 'countersign.log', id: name },
      admin: { connections: [name] },
      detail: { connection: name },
    })
  }
  const found = await sessionOf(parts, session, asked)
  if (!found.ok) return found
  const { id, subject, connections } = found.value
  return ok({
    resource: { type: 'countersign.session', id },
    admin: { subject, connections: [...connections] },
    detail: { session_id: id },
  })
}
