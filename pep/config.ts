import { z } from 'zod'
import { issuerConfig } from '../identity/issuer.ts'
import { adapters } from './adapters/catalogue.ts'
import { PepError } from './core/errors.ts'
import { credentialConfig } from './credentials/open-credential.ts'
import { isLoopback, listener } from '../server/address.ts'
import { secretSource } from '../server/secret.ts'
import { telemetryConfig } from './telemetry/config.ts'

/** `countersign.yaml` as the enforcement point reads it. Every key is optional where a default is right. */

const limits = z.strictObject({
  /** Most bytes of a request body that is read whole. */
  body_bytes: z.int().positive().default(33_554_432),
  /** Longest wait for a request's head. */
  header_timeout_s: z.number().positive().max(600).default(15),
  connect_timeout_s: z.number().positive().max(600).default(10),
  /** Longest silence of either side. */
  idle_timeout_s: z.number().positive().max(3600).default(300),
})

const pep = z.strictObject({
  /** Its name in the record; unique among the enforcement points of one decision service. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .default('pep-1'),
  listen: z
    .array(listener)
    .min(1)
    .default([listener.parse({ address: '127.0.0.1:8080' })]),
  journal: z
    .strictObject({
      folder: z.string().default('.countersign/journal'),
      max_backlog_bytes: z.int().positive().default(1_073_741_824),
    })
    .prefault({}),
  limits: limits.prefault({}),
  /** The decision service, when it is another process. */
  pdp: z
    .strictObject({
      url: z.url().optional(),
      token: secretSource.optional(),
      /** Longest wait for one answer. */
      deadline_ms: z.int().positive().max(60_000).default(2000),
    })
    .prefault({}),
  /** Where traces of operations go. Default: nowhere. */
  telemetry: telemetryConfig.optional(),
  /** Key of `hash` and `token` masks, base64, ≥ 32 bytes; the same in every instance. Default: one kept in `.countersign/`. */
  mask_key: secretSource.optional(),
})

/** What every connection has, whatever its kind. */
export const connectionBase = {
  upstream: z.string().transform((text, context) => {
    const url = URL.parse(text)
    const wrong =
      !url || !['https:', 'http:'].includes(url.protocol)
        ? 'must be an https:// URL'
        : url.username || url.password
          ? 'must not hold a credential: name its source under credential.from'
          : url.search || url.hash
            ? 'must have no query and no fragment'
            : undefined
    if (url && wrong === undefined) return url
    context.addIssue({ code: 'custom', message: wrong ?? 'must be a URL' })
    return z.NEVER
  }),
  credential: credentialConfig.optional(),
  /** The local stand-in that answers in development when the credential is not set. */
  stand_in: z.string().optional(),
  /** Certificates trusted for this upstream instead of the system's, a PEM file. */
  upstream_ca: z.string().optional(),
  /** Sends the credential and bodies over the network in the clear. */
  dangerously_allow_plain_http: z.boolean().default(false),
}

export type ConnectionConfig = {
  readonly kind: string
  readonly upstream: URL
  readonly credential?: z.infer<typeof credentialConfig> | undefined
  readonly stand_in?: string | undefined
  readonly upstream_ca?: string | undefined
  /** Keys of the kind's own. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Paths of the enforcement point's own. */
export const reservedNames: ReadonlySet<string> = new Set(['health', 'metrics'])

const connectionName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a connection is named by a-z, 0-9, _ and -')
  .refine((name) => !reservedNames.has(name), 'this name is taken by a path of our own')

const kinds = adapters.map((adapter) =>
  z
    .strictObject({
      kind: z.literal(adapter.kind),
      ...connectionBase,
      ...adapter.options,
    })
    .refine(
      ({ upstream, dangerously_allow_plain_http }) =>
        upstream.protocol === 'https:' ||
        isLoopback(upstream.hostname) ||
        dangerously_allow_plain_http,
      {
        path: ['upstream'],
        message:
          'would be reached in the clear: use https://, or set dangerously_allow_plain_http: true',
      },
    )
    .transform(({ kind, upstream, credential, stand_in, upstream_ca, ...options }) => ({
      kind,
      upstream,
      credential,
      stand_in,
      upstream_ca,
      options,
    })),
)

const document = z.object({
  development: z.boolean().default(false),
  identity: z.strictObject({ issuers: z.array(issuerConfig).default([]) }).prefault({}),
  pep: pep.prefault({}),
  connections: z.record(connectionName, z.unknown()).default({}),
})

export type PepConfig = Omit<z.infer<typeof document>, 'connections'> & {
  readonly connections: Readonly<Record<string, ConnectionConfig>>
}

/**
 * Reads the enforcement point's sections of `countersign.yaml`; others (`pdp`) are the decision service's.
 * @param value the parsed YAML document.
 * @throws {PepError} PEP_CONFIG that names every key that is wrong and what it should be.
 */
export function parsePepConfig(value: unknown): PepConfig {
  const parsed = document.safeParse(value ?? {})
  const problems = parsed.success ? [] : problemsOf(parsed.error, [])
  const connections: Record<string, ConnectionConfig> = {}
  for (const [name, entry] of Object.entries(parsed.data?.connections ?? {})) {
    const connection = parseConnection(entry)
    if (typeof connection === 'string') problems.push(`connections.${name}: ${connection}`)
    else if ('issues' in connection) problems.push(...problemsOf(connection, ['connections', name]))
    else connections[name] = connection
  }
  if (!parsed.success || problems.length > 0) {
    throw new PepError('PEP_CONFIG', `countersign.yaml:\n  ${problems.join('\n  ')}`)
  }
  return { ...parsed.data, connections }
}

function parseConnection(entry: unknown): ConnectionConfig | z.ZodError | string {
  const kind = z.looseObject({ kind: z.string() }).safeParse(entry)
  const index = adapters.findIndex((adapter) => adapter.kind === kind.data?.kind)
  const schema = kinds[index]
  if (!schema) return `kind must be one of ${adapters.map((adapter) => adapter.kind).join(', ')}`
  const parsed = schema.safeParse(entry)
  return parsed.success ? parsed.data : parsed.error
}

const problemsOf = (error: z.ZodError, above: readonly string[]): string[] =>
  error.issues.map((issue) => {
    // What is wrong with a key itself stands inside.
    const said = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined
    return `${[...above, ...issue.path].join('.')}: ${said ?? issue.message}`
  })
