import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Identity } from '../../identity/claims.ts'
import type { Verifier } from '../../identity/verifier.ts'
import { isLoopback } from '../../server/address.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { type Problem, problem } from './problem.ts'

/** Surfaces that clients may be let into. */
export type Surface = 'decide' | 'opa' | 'authzen'

/** A program that asks for decisions: by a bearer token, or by a client certificate that the listener verified. */
export type Client = {
  readonly name: string
  readonly token?: string | undefined
  /** Of the certificate: the subject's common name, and its SHA-256 fingerprint as hex without colons. */
  readonly common_name?: string | undefined
  readonly sha256?: string | undefined
  readonly surfaces: readonly Surface[]
}

/** Who may call: enforcement points and clients, and people by an approver's token of their issuer. */
export type Callers = {
  /** @returns the enforcement point's name. */
  readonly pep: (incoming: IncomingMessage) => Result<string, Problem>
  /** @returns the name of a client that may use the surface. */
  readonly client: (incoming: IncomingMessage, surface: Surface) => Result<string, Problem>
  /** An agent's token never suffices: approvers' tokens have an audience of their own. */
  readonly person: (incoming: IncomingMessage) => Promise<Result<Identity, Problem>>
}

export type CallersOptions = {
  /** Tokens of enforcement points, by name; they may use every surface. */
  readonly peps: ReadonlyMap<string, string>
  readonly clients?: readonly Client[]
  /** Every process of this machine may ask for decisions; for development alone. */
  readonly allow_unauthenticated_loopback?: boolean
  /** Of the issuers under `pdp.approvals`. */
  readonly verifier: Verifier
}

const digest = (token: string): Buffer => hash('sha256', token, 'buffer')
const EVERY: readonly Surface[] = ['decide', 'opa', 'authzen']

export function createCallers(options: CallersOptions): Callers {
  const { peps, clients = [], allow_unauthenticated_loopback = false, verifier } = options
  const known = [
    ...[...peps].map(([name, token]) => ({
      name,
      pep: true,
      surfaces: EVERY,
      digest: digest(token),
    })),
    ...clients.flatMap(({ name, token, surfaces }) =>
      token === undefined ? [] : [{ name, pep: false, surfaces, digest: digest(token) }],
    ),
  ]
  /** Digests of equal length, each compared in constant time. */
  const byToken = (incoming: IncomingMessage) => {
    const token = bearer(incoming)
    const shown = token === undefined ? undefined : digest(token)
    return shown && known.filter((one) => timingSafeEqual(one.digest, shown))[0]
  }
  const byCertificate = (incoming: IncomingMessage): Client | undefined => {
    const { socket } = incoming
    // `authorized`: the chain ends at the listener's client CA.
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
    const { subject, fingerprint256 } = socket.getPeerCertificate()
    const fingerprint = fingerprint256?.replaceAll(':', '').toLowerCase()
    return clients.find(
      ({ common_name, sha256 }) =>
        (common_name !== undefined || sha256 !== undefined) &&
        (common_name === undefined || common_name === subject?.CN) &&
        (sha256 === undefined || sha256.toLowerCase() === fingerprint),
    )
  }

  return {
    pep(incoming) {
      const found = byToken(incoming)
      return found?.pep ? ok(found.name) : err(unauthenticated('an enforcement point’s token'))
    },
    client(incoming, surface) {
      const found = byToken(incoming) ?? byCertificate(incoming)
      if (found)
        return found.surfaces.includes(surface)
          ? ok(found.name)
          : err(problem(403, 'PDP_FORBIDDEN', `${found.name} may not use the ${surface} API`))
      const shows = incoming.headers.authorization !== undefined
      if (allow_unauthenticated_loopback && !shows && isDirect(incoming)) return ok('loopback')
      return err(unauthenticated('a client’s token'))
    },
    async person(incoming) {
      const token = bearer(incoming)
      if (token === undefined)
        return err(unauthenticated('an approver’s token; see countersign login'))
      const identity = await verifier.verify(token)
      return identity.ok
        ? identity
        : err(
            problem(
              401,
              'PDP_UNAUTHENTICATED',
              `the token is not accepted: ${identity.error.message}`,
            ),
          )
    },
  }
}

const unauthenticated = (what: string): Problem =>
  problem(401, 'PDP_UNAUTHENTICATED', `send Authorization: Bearer with ${what}`)

/** From this machine, and not handed on by a proxy on it, nor by a page in a browser. */
function isDirect({ socket, headers }: IncomingMessage): boolean {
  const address = socket.remoteAddress?.replace(/^::ffff:/, '').replace(/^::1$/, '[::1]') ?? ''
  const handedOn = Object.keys(headers).some((name) =>
    /^(?:forwarded|x-forwarded-.*|x-real-ip|.*-connecting-ip|via|origin|referer)$/.test(name),
  )
  // Pages send it along with images and scripts, which have no origin.
  const fromPage = !['none', undefined].includes(headers['sec-fetch-site']?.toString())
  return isLoopback(address) && !handedOn && !fromPage && isLoopback(hostOf(headers.host))
}

/** Without its port: a name that was made to lead here (DNS rebinding) is not ours. */
const hostOf = (host: string | undefined): string => (host ?? '').replace(/:\d+$/, '')

/** Exactly one; Node joins repeated headers, and a joined one is no token. */
function bearer(incoming: IncomingMessage): string | undefined {
  const count = incoming.rawHeaders.filter(
    (name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization',
  ).length
  if (count !== 1) return undefined
  return /^bearer +([^\s,]+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
}
