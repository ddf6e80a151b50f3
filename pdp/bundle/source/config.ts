import { z } from 'zod'
import { isLoopback } from '../../../server/address.ts'
import { secretSource } from '../../../server/secret.ts'

/** A bundle of the configuration: where it comes from, and what it must be signed with. */
export const bundleConfig = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .default('default'),
    /** An archive, `….tar.gz`. */
    file: z.string().min(1).optional(),
    /** A folder with a bundle's files. */
    folder: z.string().min(1).optional(),
    /** An archive behind http(s). */
    url: z.url({ protocol: /^https?$/ }).optional(),
    polling: z
      .strictObject({
        min_s: z.number().positive().max(86_400).default(10),
        max_s: z.number().positive().max(86_400).default(20),
      })
      .refine(({ min_s, max_s }) => min_s <= max_s, 'min_s must not be more than max_s')
      .prefault({}),
    /** Sent as `Authorization: Bearer`. */
    token: secretSource.optional(),
    headers: z.record(z.string(), z.string()).default({}),
    /** Without it a bundle is taken unsigned: who can write it decides. */
    signing: z
      .strictObject({
        /** Keys of `pdp.bundle_keys` that may have signed it. */
        keys: z.array(z.string().min(1)).min(1),
        scope: z.string().optional(),
        exclude_files: z.array(z.string()).default([]),
      })
      .optional(),
    /** Keep the newest version that ran, and start with it when the source cannot be had. Default: for `url`. */
    persist: z.boolean().optional(),
    dangerously_allow_plain_http: z.boolean().default(false),
  })
  .refine(
    ({ file, folder, url }) => [file, folder, url].filter((one) => one !== undefined).length === 1,
    'say where it comes from: one of file, folder and url',
  )
  .refine(
    ({ url, dangerously_allow_plain_http }) =>
      url === undefined ||
      dangerously_allow_plain_http ||
      !url.startsWith('http:') ||
      isLoopback(new URL(url).hostname),
    'plain HTTP is for loopback only: use https, or set dangerously_allow_plain_http: true',
  )

export type BundleConfig = z.infer<typeof bundleConfig>
