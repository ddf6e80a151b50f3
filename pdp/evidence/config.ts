import { z } from 'zod'
import { anchorConfig } from './anchors/open.ts'
import { signerConfig } from './signer.ts'
import { evidenceSinksConfig } from './sinks/config.ts'

const retention = z
  .array(
    z.strictObject({
      /** A connection's name, or `*` for every one that has no rule of its own. */
      connection: z.string().min(1),
      /** How long what was sealed is kept, days. */
      keep_days: z.number().int().positive().max(36_500),
    }),
  )
  .default([])
  .refine((rules) => new Set(rules.map(({ connection }) => connection)).size === rules.length, {
    message: 'each connection has one rule',
  })

/** `pdp.evidence` of countersign.yaml. */
export const evidenceConfig = z.strictObject({
  /** Name of the log in its checkpoints, without white space and plus. Default: made of the log's own id. */
  origin: z.string().min(1).max(255).optional(),
  /** Keys that sign checkpoints, the newest first. Default: one made at the first start. */
  signing_keys: z.array(signerConfig).min(1).max(4).optional(),
  /** Where checkpoints go outside: only there a roll-back or a cut tail shows. */
  anchors: z.array(anchorConfig).default([]),
  sinks: evidenceSinksConfig,
  /** What `countersign evidence retention` erases. */
  retention,
})
