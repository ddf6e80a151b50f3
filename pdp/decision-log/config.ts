import { z } from 'zod'
import { secretSource } from '../../server/secret.ts'

/** `pdp.decision_logs`: where decisions are told of, in OPA's format; nowhere by default. */
export const decisionLogsConfig = z.strictObject({
  console: z.boolean().default(false),
  file: z
    .strictObject({
      path: z.string().min(1),
      max_bytes: z
        .int()
        .positive()
        .default(100 * 1024 * 1024),
      keep: z.int().positive().max(100).default(5),
    })
    .optional(),
  http: z
    .strictObject({
      /** The collector; events go to `<url>/logs`. */
      url: z.url({ protocol: /^https?$/ }),
      token: secretSource.optional(),
      headers: z.record(z.string(), z.string()).default({}),
      chunk_bytes: z
        .int()
        .positive()
        .default(1024 * 1024),
    })
    .optional(),
  labels: z.record(z.string(), z.string()).default({}),
  buffer_bytes: z
    .int()
    .positive()
    .default(32 * 1024 * 1024),
  delay_ms: z.int().positive().max(60_000).default(1000),
})

export type DecisionLogsConfig = z.infer<typeof decisionLogsConfig>
