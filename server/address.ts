import { z } from 'zod'

const loopback = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/

export const isLoopback = (host: string): boolean => loopback.test(host)

/** `host:port`, the host of an IPv6 address in brackets. */
const address = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'must be host:port')
  .transform((text) => {
    const at = text.lastIndexOf(':')
    return { host: text.slice(0, at), port: Number(text.slice(at + 1)) }
  })
  .refine(({ port }) => port <= 65_535, 'the port is out of range')

/** One address to listen on. Plain HTTP is for loopback, unless one says otherwise in words that say so. */
export const listener = z
  .strictObject({
    address,
    tls: z
      .strictObject({
        cert: z.string(),
        key: z.string(),
        /** Clients that have a certificate of this authority are named in `source.client_certificate`. */
        client_ca: z.string().optional(),
        /** Turns clients without a certificate away. */
        require_client_certificate: z.boolean().default(false),
      })
      .optional(),
    /** Says that something in front ends TLS, or that nobody else is on the network. */
    dangerously_allow_plain_http: z.boolean().default(false),
  })
  .refine(
    ({ address, tls, dangerously_allow_plain_http }) =>
      tls !== undefined || isLoopback(address.host) || dangerously_allow_plain_http,
    {
      path: ['tls'],
      message:
        'plain HTTP is for loopback only: add tls: { cert, key }, or listen on 127.0.0.1, or set dangerously_allow_plain_http: true',
    },
  )
  .refine(({ tls }) => !tls?.require_client_certificate || tls.client_ca !== undefined, {
    path: ['tls', 'client_ca'],
    message: 'require_client_certificate needs client_ca',
  })
