import { z } from 'zod'
import { isLoopback } from '../../server/address.ts'
import { secretSource } from '../../server/secret.ts'

const otlp = z
  .strictObject({
    /** The collector, OTLP over HTTP; `/v1/traces` is added where it is not there. */
    url: z.url({ protocol: /^https?$/ }).transform((text) => {
      const url = new URL(text)
      if (!url.pathname.endsWith('/v1/traces'))
        url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
      return url
    }),
    /** By name: where the value is. Read again every few minutes. */
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be a header name'),
        secretSource,
      )
      .default({}),
    /** Sends names, ids and the headers' secrets over the network in the clear. */
    dangerously_allow_plain_http: z.boolean().default(false),
  })
  .refine(
    ({ url, dangerously_allow_plain_http }) =>
      url.protocol === 'https:' || isLoopback(url.hostname) || dangerously_allow_plain_http,
    {
      path: ['url'],
      message:
        'would be reached in the clear: use https://, or set dangerously_allow_plain_http: true',
    },
  )
  .refine(({ url }) => url.username === '' && url.password === '', {
    path: ['url'],
    message: 'must not hold a credential: name its source under headers',
  })

/** `pep.telemetry`: where traces of operations go; nowhere by default. */
export const telemetryConfig = z.strictObject({
  otlp,
  /** Share of traces that are told of, 0 to 1, by trace id: a trace is told of whole. */
  sample: z.number().min(0).max(1).default(1),
  /** Attributes of the resource, beside `service.name` and others that are set by themselves. */
  resource: z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()])).default({}),
})

export type TelemetryConfig = z.infer<typeof telemetryConfig>
