import { z } from 'zod'
import { secretSource } from '../../../server/secret.ts'

/** Kinds of leaves, as their `kind` says. */
const leafKind = z.enum([
  'intent',
  'decision',
  'chunk',
  'outcome',
  'event',
  'approval',
  'policy',
  'key',
  'admin',
])

const sink = z.strictObject({
  /** Names its position in the store: another name begins at the log's first leaf. */
  name: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
  url: z.url({ protocol: /^https?$/ }),
  /** Key of the signature, at least 16 characters. */
  secret: secretSource,
  /** Which leaves are sent. Default: all. */
  kinds: z.array(leafKind).min(1).optional(),
  /** Most leaves of one delivery. */
  batch: z.int().positive().max(1000).default(100),
})

/** `pdp.evidence.sinks`: where leaves of the log are sent; nowhere by default. */
export const evidenceSinksConfig = z
  .array(sink)
  .default([])
  .refine((sinks) => new Set(sinks.map(({ name }) => name)).size === sinks.length, {
    message: 'each needs a name of its own',
  })
