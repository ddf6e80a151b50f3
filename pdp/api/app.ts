import { Hono } from 'hono'
import { approvalRoutes } from './approvals.ts'
import { type AuthzenParts, authzenRoutes } from './authzen.ts'
import { evidenceRoutes } from './evidence.ts'
import { type Api, refuse, reply } from './context.ts'
import { openapiRoutes } from './openapi.ts'
import { type OpaApiParts, opaRoutes } from './opa.ts'
import { type PolicyApiParts, policyRoutes } from './policy.ts'
import { problem } from './problem.ts'
import { recordRoutes } from './records.ts'
import { reportRoutes } from './report.ts'
import { sessionRoutes } from './sessions.ts'

/** Every surface but `/v1/decide`. */
export function createApi(parts: PolicyApiParts & OpaApiParts & AuthzenParts): Api {
  const app: Api = new Hono()
  app.get('/v1/profile', (c) => {
    const caller = parts.callers.pep(c.env.incoming)
    return caller.ok ? reply(c, parts.profile()) : refuse(c, caller.error)
  })
  approvalRoutes(app, parts)
  recordRoutes(app, parts)
  sessionRoutes(app, parts)
  evidenceRoutes(app, parts)
  reportRoutes(app, parts)
  policyRoutes(app, parts)
  opaRoutes(app, parts)
  authzenRoutes(app, parts)
  openapiRoutes(app)
  app.get('/health', async (c) => {
    // OPA's own question: are all bundles active?
    if (c.req.query('bundles') !== undefined || c.req.query('plugins') !== undefined) {
      const { bundles } = await parts.health()
      return bundles.every(({ active }) => active)
        ? c.json({})
        : c.json({ error: 'not all configured bundles have been activated' }, 500)
    }
    if (c.req.query('ready') === undefined) return c.json({ live: true })
    const health = await parts.health()
    return c.json(health, health.ready ? 200 : 503)
  })
  app.get('/metrics', async (c) => {
    await parts.health() // so that what it says of the store is not from yesterday
    return c.text(await parts.registry.metrics(), 200, {
      'content-type': parts.registry.contentType,
    })
  })
  app.notFound((c) =>
    refuse(c, problem(404, 'PDP_NOT_FOUND', `nothing is served at ${c.req.path}`)),
  )
  app.onError((error, c) => {
    parts.tell('error', 'api.failed', { path: c.req.path, error: String(error) })
    return refuse(c, problem(500, 'PDP_FAILED', 'the decision service failed'))
  })
  return app
}
