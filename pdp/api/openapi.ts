import { z } from 'zod'
import type { Api } from './context.ts'
import { type Operation, operations } from './operations.ts'
import { page } from './openapi-page.ts'

const SECURITY = {
  pep: 'A token of an enforcement point (pdp.peps).',
  client:
    'A token of a client (pdp.clients) or of an enforcement point; a client certificate does as well.',
  person: 'An approver’s or auditor’s token of an issuer under pdp.approvals.',
} as const

const schema = (type: z.ZodType, io: 'input' | 'output'): unknown =>
  z.toJSONSchema(type, { io, unrepresentable: 'any', target: 'draft-2020-12' })

function described({
  method,
  path,
  tag,
  summary,
  caller,
  query = {},
  body,
  answer,
}: Operation): object {
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(query).map(([name, description]) => ({
      name,
      in: 'query',
      schema: { type: 'string' },
      ...(description !== '' && { description }),
    })),
  ]
  return {
    operationId: `${method}_${path.replace(/\W+/g, '_').replace(/^_|_$/g, '') || 'root'}`,
    tags: [tag],
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(caller && { security: [{ [caller]: [] }] }),
    ...(body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schema(body, 'input') } },
      },
    }),
    responses: {
      '200': {
        description: 'Done.',
        ...(answer && { content: { 'application/json': { schema: schema(answer, 'output') } } }),
      },
      default: { description: 'Refused; the body says what to do.' },
    },
  }
}

/** The OpenAPI 3.1 document of the whole API, made from the schemas that check it. */
export function openapi(): Record<string, unknown> {
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations)
    (paths[operation.path] ??= {})[operation.method] = described(operation)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Countersign decision service',
      version: '1',
      description: 'Decides requests by Rego policy, and keeps approvals and records.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: Object.fromEntries(
        Object.entries(SECURITY).map(([name, description]) => [
          name,
          { type: 'http', scheme: 'bearer', description },
        ]),
      ),
    },
  }
}

export function openapiRoutes(app: Api): void {
  let made: { readonly document: string; readonly html: string } | undefined
  const both = () => (made ??= { document: JSON.stringify(openapi()), html: page(operations) })
  app.get('/openapi.json', (c) =>
    c.body(both().document, 200, { 'content-type': 'application/json' }),
  )
  app.get('/docs', (c) =>
    c.body(both().html, 200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    }),
  )
}
