import { z } from 'zod'
import { issuerConfig } from '../identity/issuer.ts'
import { listener } from '../server/address.ts'
import { sealingConfig } from '../sealing/master-key.ts'
import { secretSource } from '../server/secret.ts'
import { bundleKeysConfig } from './bundle/keys.ts'
import { bundleConfig } from './bundle/source/config.ts'
import { decisionLogsConfig } from './decision-log/config.ts'
import { PdpConfigError } from './errors.ts'
import { evidenceConfig } from './evidence/config.ts'

/** `countersign.yaml` as the decision service reads it; other sections are the enforcement point's. */

/** An address alone, or with what TLS needs. */
const listen = z
  .union([z.string().transform((address) => ({ address })), z.unknown()])
  .pipe(listener)

const webhook = z.strictObject({
  /** Told of each new approval, HTTP POST. */
  url: z.url({ protocol: /^https?$/ }),
  /** Key of the signature, at least 16 characters. */
  secret: secretSource,
})

const pdp = z
  .strictObject({
    /** Names this service in leaves of the log. */
    name: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,128}$/)
      .default('pdp'),
    listen: listen.prefault('127.0.0.1:8181'),
    /** The bundle that decides, a file. Default: the one that comes along. */
    bundle: z.string().optional(),
    /** In its place: bundles from files, folders or URLs, whose roots must be disjoint. */
    bundles: z.array(bundleConfig).min(1).optional(),
    /** Programs that ask through OPA's API, AuthZEN or /v1/decide, each by a token or a client certificate. */
    clients: z
      .array(
        z
          .strictObject({
            name: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
            token: secretSource.optional(),
            /** Of a certificate of `listen.tls.client_ca`. */
            certificate: z
              .strictObject({
                common_name: z.string().min(1).optional(),
                sha256: z
                  .string()
                  .regex(/^[0-9A-Fa-f]{64}$/)
                  .optional(),
              })
              .refine(
                ({ common_name, sha256 }) => common_name ?? sha256,
                'say common_name or sha256',
              )
              .optional(),
            apis: z
              .array(z.enum(['decide', 'opa', 'authzen']))
              .min(1)
              .default(['opa', 'authzen']),
          })
          .refine(
            ({ token, certificate }) => token !== undefined || certificate !== undefined,
            'needs a token or a certificate',
          ),
      )
      .default([]),
    /** Every process of this machine may ask for decisions without a token. For development alone. */
    dangerously_allow_unauthenticated_loopback: z.boolean().default(false),
    /** Decisions told of in OPA's format. */
    decision_logs: decisionLogsConfig.prefault({}),
    /** Keys that bundles may be signed with, by id; `signing.keys` of a bundle names them. */
    bundle_keys: bundleKeysConfig.default({}),
    /** A candidate that is evaluated beside the live policy on real requests, and never enforced. */
    shadow: z
      .strictObject({
        bundles: z.array(bundleConfig).min(1),
        /** Share of decisions, 0 to 1. */
        sample: z.number().min(0).max(1).default(1),
      })
      .optional(),
    store: z
      .strictObject({
        /** A PostgreSQL server of one's own; default: an embedded one. */
        url: secretSource.optional(),
        /** Its service role, when the role of `url` may not create roles. */
        service_url: secretSource.optional(),
      })
      .prefault({}),
    approvals: z
      .strictObject({
        /** Issuers that sign tokens of approvers and auditors. */
        issuers: z.array(issuerConfig).default([]),
        webhook: webhook.optional(),
        /** Groups that may read sessions. Who may approve is policy's. */
        auditors: z.array(z.string().min(1)).default(['auditors']),
      })
      .prefault({}),
    /** The log that nobody can change unseen. */
    evidence: evidenceConfig.prefault({}),
    /** Enforcement points that may ask. Default: one, whose token is made at the first start. */
    peps: z
      .array(
        z.strictObject({
          name: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
          token: secretSource,
        }),
      )
      .optional(),
  })
  .refine(({ bundle, bundles }) => bundle === undefined || bundles === undefined, {
    path: ['bundles'],
    message: 'say bundle or bundles, not both',
  })
  .refine(({ bundles = [] }) => new Set(bundles.map(({ name }) => name)).size === bundles.length, {
    path: ['bundles'],
    message: 'each needs a name of its own',
  })

const document = z.object({
  development: z.boolean().default(false),
  pdp: pdp.prefault({}),
  sealing: sealingConfig.prefault({}),
})

export type PdpConfig = z.infer<typeof document>

/**
 * @param value the parsed YAML document.
 * @throws {PdpConfigError}
 */
export function parsePdpConfig(value: unknown): PdpConfig {
  const parsed = document.safeParse(value ?? {})
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new PdpConfigError(`countersign.yaml:\n  ${problems.join('\n  ')}`)
}
